//! The paths of the records in one storage, as a stream of the server's rows.
//!
//! Whoever takes them may be slow, since it looks at files meanwhile. So the server keeps them in a cursor that outlives
//! its transaction, and no transaction waits.

use diesel::sql_types::{Binary, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use futures_util::stream;
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{PathStream, StoreError};
use tokio::sync::mpsc;

use super::session::explain;
use crate::error::DbError;
use crate::key;
use crate::queries;
use crate::sql::Sql;

/// Paths fetched at once.
const FETCHED: usize = 1000;

/// Paths fetched ahead of who takes them.
const AHEAD: usize = 256;

type Found = Result<(String, RecordKey), StoreError>;

/// Begins to read.
pub(super) fn stream(connection: AsyncPgConnection, model: Option<i16>, storage: String) -> PathStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(send_all(connection, model, storage, sender));
    Box::pin(stream::unfold(receiver, async |mut receiver| {
        let next = receiver.recv().await?;
        Some((next, receiver))
    }))
}

/// Sends until the end, the first error, or until nobody listens any more.
async fn send_all(
    mut connection: AsyncPgConnection,
    model: Option<i16>,
    storage: String,
    sender: mpsc::Sender<Found>,
) {
    if let Err(error) = send_fetched(&mut connection, model, storage, &sender).await {
        // Nobody listening means that nobody wants to know.
        let _ = sender.send(Err(explain(&connection, error).await)).await;
    }
}

async fn send_fetched(
    connection: &mut AsyncPgConnection,
    model: Option<i16>,
    storage: String,
    sender: &mpsc::Sender<Found>,
) -> Result<(), DbError> {
    let declare = queries::paths::<AsyncPgConnection, _>(
        Sql::<()>::new("DECLARE found CURSOR WITH HOLD FOR "),
        model,
        storage,
    );
    declare.execute(connection).await?;
    loop {
        let fetch = Sql::<(Text, Binary)>::new(format!("FETCH FORWARD {FETCHED} FROM found"));
        let rows: Vec<(String, Vec<u8>)> = fetch.load(connection).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for (path, bytes) in rows {
            let found = key::decode(&bytes).map(|key| (path, key)).map_err(StoreError::from);
            if sender.send(found).await.is_err() {
                return Ok(());
            }
        }
    }
}
