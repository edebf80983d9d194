//! What an error of SQLite means to the caller.
//!
//! Diesel passes on SQLite's message and keeps its code to itself. The message of an error that concerns the file is
//! that of its code, so it is compared with what SQLite itself says for the code.

use std::ffi::c_int;
use std::path::{Path, PathBuf};

use diesel::result::Error;
use libsqlite3_sys as ffi;
use stocktake_domain::ports::StoreError;

use crate::error::DbError;

/// Something that is wrong with a database file, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", file.display())]
struct FileError {
    file: PathBuf,
    what: &'static str,
    source: DbError,
}

/// What a code says of the file, and whether trying again later can help.
const CONDITIONS: [(c_int, &str, bool); 8] = [
    (ffi::SQLITE_BUSY, "another process keeps the database locked", true),
    (ffi::SQLITE_LOCKED, "another connection keeps a table locked", true),
    (ffi::SQLITE_FULL, "the disk is full, or the database has reached its largest size", true),
    (ffi::SQLITE_CANTOPEN, "the file cannot be opened", true),
    (ffi::SQLITE_IOERR, "the disk reported an error", true),
    (ffi::SQLITE_READONLY, "the database is read-only: its file and folder must be writable", false),
    (ffi::SQLITE_CORRUPT, "the database is damaged: restore it from a backup", false),
    (ffi::SQLITE_NOTADB, "the file is no SQLite database", false),
];

/// Whether somebody else has the lock that was needed.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information)
        if information.message().starts_with(ffi::code_to_str(ffi::SQLITE_BUSY)))
}

/// What an error on this file means to the caller.
pub(super) fn explain(file: &Path, error: DbError) -> StoreError {
    let DbError::Query(Error::DatabaseError(_, information)) = &error else { return error.into() };
    let message = information.message();
    let known = CONDITIONS.into_iter().find(|(code, ..)| message.starts_with(ffi::code_to_str(*code)));
    match known {
        None => error.into(),
        Some((_, what, passing)) => {
            let error = FileError { file: file.to_owned(), what, source: error };
            if passing { StoreError::Unavailable(error.into()) } else { StoreError::Internal(error.into()) }
        }
    }
}
