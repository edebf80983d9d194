//! Opening a SQLite database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::Connection as _;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::ports::StoreError;

use super::{blocking, session};
use crate::error::{Fault, unavailable};

/// Opens a connection to the database in this file, in a blocking thread.
pub(super) async fn open(path: PathBuf, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    blocking(move || open_blocking(&path, timeout)).await?
}

/// Opens a connection to the database in this file; makes the file, and the folder it is in.
pub(super) fn open_blocking(path: &Path, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| unavailable(format!("{}: {error}", folder.display())))?;
    }
    let name = path.to_str().ok_or_else(|| Fault::data("a database file is named in UTF-8"))?;
    let in_file = |error: &dyn std::fmt::Display| unavailable(format!("{}: {error}", path.display()));
    let mut connection = SqliteConnection::establish(name).map_err(|error| in_file(&error))?;
    // The wait for locks comes first: turning to the write-ahead log takes one.
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
         PRAGMA foreign_keys = ON;",
        timeout.as_millis().clamp(1, 0x7fff_ffff)
    );
    connection.batch_execute(&pragmas).map_err(|error| match session::explain(error.into()) {
        StoreError::Unavailable(source) => in_file(&source),
        other => other,
    })?;
    Ok(connection)
}

/// The file that a `sqlite://` URL names.
pub(crate) fn file_of(rest: &str) -> Result<PathBuf, StoreError> {
    if rest.is_empty() || rest.contains('?') || rest.starts_with(':') {
        let what = "a SQLite URL is sqlite:// and the path of a file, without parameters";
        return Err(Fault::data(what).into());
    }
    // A relative path is said to be one, so that SQLite takes none of its special names in it.
    let path = PathBuf::from(rest);
    Ok(if path.is_absolute() { path } else { Path::new(".").join(path) })
}
