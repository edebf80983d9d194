//! What an error of SQLite means to the caller.
//!
//! Diesel passes on SQLite's message and keeps its code to itself. The message of an error that concerns the file is
//! that of its code, so it is compared with what SQLite itself says for the code.

use std::ffi::c_int;
use std::path::{Path, PathBuf};

use diesel::result::Error;
use libsqlite3_sys as ffi;
use stocktake_domain::ports::{Outage, StoreError, Unavailable};

use super::disk;
use crate::error::DbError;

/// Something that is wrong with a database file, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", file.display())]
struct FileError {
    file: PathBuf,
    what: String,
    source: DbError,
}

const IO_ERROR: (c_int, &str, Remedy) = (ffi::SQLITE_IOERR, "the disk reported an error", Remedy::LookAtDisk);

/// SQLite ends a transaction by itself when it cannot write.
const ROLLED_BACK: (c_int, &str, Remedy) =
    (ffi::SQLITE_FULL, "the disk is full, or reported an error", Remedy::LookAtDisk);

/// What a code says of the file, and what the caller may do.
const CONDITIONS: [(c_int, &str, Remedy); 8] = [
    (ffi::SQLITE_BUSY, "another process keeps the database locked", Remedy::Wait),
    (ffi::SQLITE_LOCKED, "another connection keeps a table locked", Remedy::Wait),
    (ffi::SQLITE_FULL, "the database has reached its largest size", Remedy::LookAtDisk),
    (ffi::SQLITE_CANTOPEN, "the file cannot be opened", Remedy::LookAtDisk),
    IO_ERROR,
    (ffi::SQLITE_READONLY, "the database is read-only: its file and folder must be writable", Remedy::None),
    (
        ffi::SQLITE_CORRUPT,
        "the database is damaged: `PRAGMA integrity_check` of the program sqlite3 says where; restore it from a backup",
        Remedy::None,
    ),
    (ffi::SQLITE_NOTADB, "the file is no SQLite database", Remedy::None),
];

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Trying again later can help.
    Wait,
    /// The same, and the disk may say more than SQLite does.
    LookAtDisk,
    /// Somebody has to act.
    None,
}

/// Whether somebody else has the lock that was needed.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information)
        if information.message().starts_with(ffi::code_to_str(ffi::SQLITE_BUSY)))
}

/// What an error on this file means to the caller. Blocks.
pub(super) fn explain(file: &Path, error: DbError) -> StoreError {
    let DbError::Query(Error::DatabaseError(_, information)) = &error else { return error.into() };
    let message = information.message();
    let known = CONDITIONS.into_iter().find(|(code, ..)| message.starts_with(ffi::code_to_str(*code)));
    // SQLite has rolled back because of an error that is lost.
    let rolled_back = || message.starts_with("cannot rollback").then_some(ROLLED_BACK);
    match known.or_else(rolled_back) {
        None => error.into(),
        Some((_, what, remedy)) => {
            let obstacle = (remedy == Remedy::LookAtDisk).then(|| disk::obstacle(file)).flatten();
            let what = obstacle.unwrap_or_else(|| what.to_owned());
            let error = FileError { file: file.to_owned(), what, source: error };
            match remedy {
                Remedy::Wait => StoreError::Unavailable(Unavailable::new(Outage::Contended, error)),
                Remedy::LookAtDisk => StoreError::Unavailable(Unavailable::new(Outage::Disk, error)),
                Remedy::None => StoreError::Internal(error.into()),
            }
        }
    }
}
