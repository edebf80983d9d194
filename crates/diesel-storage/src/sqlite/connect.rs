//! Opening a SQLite database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::Connection as _;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::ports::StoreError;
use tokio::runtime::Handle;

use super::disk;
use super::error::{explain, is_busy};
use crate::error::{DbError, unavailable};

/// How long after the switch to the write-ahead log was refused it is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Opens a connection to the database in this file, in a blocking thread.
pub(super) async fn open(
    runtime: &Handle,
    path: PathBuf,
    timeout: Duration,
) -> Result<SqliteConnection, StoreError> {
    blocking(runtime, move || open_blocking(&path, timeout)).await?
}

/// Opens a connection to the database in this file; makes the file, and the folder it is in.
pub(super) fn open_blocking(path: &Path, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| unavailable(format!("{}: {error}", folder.display())))?;
    }
    let name = path.to_str().ok_or_else(|| DbError::data("a database file is named in UTF-8"))?;
    let connected = SqliteConnection::establish(name);
    let mut connection = connected.map_err(|error| unavailable(format!("{}: {error}", path.display())))?;
    disk::check_room_for_shared_memory(path).map_err(|error| unavailable(disk::refusal(path, &error)))?;
    set_up(&mut connection, timeout).map_err(|error| explain(path, error.into()))?;
    disk::reserve_shared_memory(path).map_err(|error| unavailable(disk::refusal(path, &error)))?;
    Ok(connection)
}

fn set_up(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    let millis = timeout.as_millis().clamp(1, 0x7fff_ffff);
    connection.batch_execute(&format!("PRAGMA busy_timeout = {millis}"))?;
    let until = Instant::now() + timeout;
    // Of those who switch a new file to the write-ahead log at once, all but one are refused without a wait.
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if is_busy(&error) && Instant::now() < until => std::thread::sleep(BETWEEN_TRIES),
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    connection.batch_execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
}

/// Runs work in a thread of this runtime that may block. The caller may be on another runtime: those of the HTTP server
/// have no such threads of their own that are sure to start.
pub(super) async fn blocking<R: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, StoreError> {
    runtime.spawn_blocking(work).await.map_err(|error| StoreError::Internal(error.into()))
}

/// The file that a `sqlite://` URL names.
pub(crate) fn file_of(rest: &str) -> Result<PathBuf, StoreError> {
    if rest.is_empty() || rest.contains('?') || rest.starts_with(':') {
        let what = "a SQLite URL is sqlite:// and the path of a file, without parameters";
        return Err(DbError::data(what).into());
    }
    // A relative path is said to be one, so that SQLite takes none of its special names in it.
    let path = PathBuf::from(rest);
    Ok(if path.is_absolute() { path } else { Path::new(".").join(path) })
}
