//! Opening a SQLite database.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::Connection as _;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::ports::StoreError;
use tokio::runtime::Handle;

use super::error::{explain, is_busy};
use super::{disk, glob};
use crate::error::{DbError, unusable};

/// How long after the switch to the write-ahead log was refused it is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The permissions of a new file.
const OWNER_ONLY: u32 = 0o600;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading and writing.
    Full,
    /// Reading alone.
    Reading,
}

/// Opens a connection to the database in this file, in a blocking thread.
pub(super) async fn open(
    runtime: &Handle,
    path: PathBuf,
    timeout: Duration,
    access: Access,
) -> Result<SqliteConnection, StoreError> {
    let open = match access {
        Access::Full => open_to_write,
        Access::Reading => open_to_read,
    };
    blocking(runtime, move || open(&path, timeout)).await?
}

/// The same for the first connection of a process: one to write with makes the file if there is none.
pub(super) async fn open_first(
    runtime: &Handle,
    path: PathBuf,
    timeout: Duration,
    access: Access,
) -> Result<SqliteConnection, StoreError> {
    if access == Access::Full {
        return blocking(runtime, move || open_or_make(&path, timeout)).await?;
    }
    open(runtime, path, timeout, access).await
}

/// Opens the first connection to the database in this file; makes the file, and the folder it is in.
pub(super) fn open_or_make(path: &Path, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    make_file(path)?;
    open_to_write(path, timeout)
}

/// Opens a connection to the database in this file, which is there: one that was removed under this process must not come
/// back as an empty one.
pub(super) fn open_to_write(path: &Path, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish_as(path, "mode=rw")?;
    disk::check_room_for_shared_memory(path).map_err(|error| unusable(disk::refusal(path, &error)))?;
    set_up(&mut connection, timeout).map_err(|error| explain(path, error.into()))?;
    disk::reserve_shared_memory(path).map_err(|error| unusable(disk::refusal(path, &error)))?;
    Ok(connection)
}

/// Makes the file, if there is none, such that nobody but its owner can read it: it holds keys. SQLite gives what it
/// makes beside it the same permissions.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let refused = |path: &Path, error: std::io::Error| unusable(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(refused(path, error)),
        _ => Ok(()),
    }
}

/// Opens a connection to a database that is there, without changing anything about it, also where nothing can be written.
pub(super) fn open_to_read(path: &Path, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    let attempt = |mode: &str| {
        let mut connection = establish_as(path, mode)?;
        let look = |connection: &mut SqliteConnection| {
            set_busy_timeout(connection, timeout)?;
            glob::register(connection)?;
            // Only now the file is opened, and what is beside it.
            connection.batch_execute("PRAGMA query_only = ON; SELECT COUNT(*) FROM sqlite_master")
        };
        look(&mut connection).map_err(|error| explain(path, error.into()))?;
        Ok(connection)
    };
    match attempt("mode=ro") {
        // SQLite wants to write beside the file, which it cannot, and need not: nobody else can either.
        Err(_) if !disk::can_be_written_beside(path) && !disk::has_log(path) => attempt("immutable=1"),
        opened => opened,
    }
}

/// Opens the file as these parameters of SQLite say.
fn establish_as(path: &Path, parameters: &str) -> Result<SqliteConnection, StoreError> {
    let name = path.to_str().ok_or_else(|| DbError::data("a database file is named in UTF-8"))?;
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    // An absolute path needs the empty authority before it: one that begins with two slashes would be taken for a host.
    let authority = if path.is_absolute() { "//" } else { "" };
    let connected = SqliteConnection::establish(&format!("file:{authority}{name}?{parameters}"));
    connected.map_err(|error| unusable(format!("{}: {error}", path.display())))
}

/// Warns if others than the owner may read or write the file.
pub(super) fn warn_if_others_may_read(path: &Path) {
    let Ok(file) = std::fs::metadata(path) else { return };
    let mode = file.permissions().mode() & 0o777;
    if mode & !OWNER_ONLY & 0o077 != 0 {
        let path = path.display().to_string();
        tracing::warn!(
            db.file = path,
            "the database {path:?} holds keys and can be opened by others than its owner (mode {mode:04o}): chmod 600"
        );
    }
}

fn set_busy_timeout(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    let millis = timeout.as_millis().clamp(1, 0x7fff_ffff);
    connection.batch_execute(&format!("PRAGMA busy_timeout = {millis}"))
}

fn set_up(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    set_busy_timeout(connection, timeout)?;
    glob::register(connection)?;
    let until = Instant::now() + timeout;
    // Of those who switch a new file to the write-ahead log at once, all but one are refused without a wait.
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if is_busy(&error) && Instant::now() < until => std::thread::sleep(BETWEEN_TRIES),
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    connection
        // Without recursive triggers REPLACE deletes rows behind the back of the triggers that count them. A checkpoint writes
        // each page once however often it is in the log, and waits twice for the disk, so that a log of 32 MiB saves more than
        // one of 4 MiB, which is SQLite's default.
        .batch_execute(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST; \
             PRAGMA recursive_triggers = ON; PRAGMA wal_autocheckpoint = 8192",
        )
}

/// Runs work in a thread of this runtime that may block. The caller may be on another runtime: those of the HTTP server
/// have no such threads of their own that are sure to start.
pub(super) async fn blocking<R: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, StoreError> {
    runtime.spawn_blocking(work).await.map_err(|error| StoreError::Internal(error.into()))
}

/// The file that a `sqlite://` URL names, as an absolute path, in which SQLite takes none of its special names.
pub(crate) fn file_of(rest: &str) -> Result<PathBuf, StoreError> {
    if rest.is_empty() || rest.contains('?') || rest.starts_with(':') {
        let what = "a SQLite URL is sqlite:// and the path of a file, without parameters";
        return Err(DbError::data(what).into());
    }
    std::path::absolute(rest).map_err(|error| unusable(format!("{rest}: {error}")))
}
