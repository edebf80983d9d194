//! The paths of the records in one storage, read in a thread of their own as they are asked for.

use std::path::Path;
use std::sync::Arc;

use diesel::connection::DefaultLoadingMode;
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::SqliteConnection;
use diesel::{QueryResult, RunQueryDsl as _};
use futures_util::stream;
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{PathStream, StoreError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::error::explain;
use super::session::SqliteSession;
use crate::key;
use crate::queries;
use crate::sql::Sql;

/// Paths read ahead of who takes them.
const AHEAD: usize = 256;

/// Begins to read.
pub(super) fn stream(
    runtime: &Handle,
    file: Arc<Path>,
    connection: SqliteConnection,
    model: Option<i16>,
    storage: String,
) -> PathStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    runtime.spawn_blocking(move || send_all(&file, connection, model, storage, &sender));
    Box::pin(stream::unfold(receiver, async |mut receiver| {
        let next = receiver.recv().await?;
        Some((next, receiver))
    }))
}

/// Sends until the end, the first error, or until nobody listens any more.
fn send_all(
    file: &Path,
    mut connection: SqliteConnection,
    model: Option<i16>,
    storage: String,
    sender: &mpsc::Sender<Result<(String, RecordKey), StoreError>>,
) {
    let query = queries::paths::<SqliteSession, _>(Sql::<(Text, Binary)>::new(""), model, storage);
    let rows = match query.load_iter::<(String, Vec<u8>), DefaultLoadingMode>(&mut connection) {
        Ok(rows) => rows,
        Err(error) => {
            // Nobody listening means that nobody wants to know.
            let _ = sender.blocking_send(Err(explain(file, error.into())));
            return;
        }
    };
    for row in rows {
        if sender.blocking_send(found(file, row)).is_err() {
            return;
        }
    }
}

fn found(file: &Path, row: QueryResult<(String, Vec<u8>)>) -> Result<(String, RecordKey), StoreError> {
    let (path, key) = row.map_err(|error| explain(file, error.into()))?;
    Ok((path, key::decode(&key)?))
}
