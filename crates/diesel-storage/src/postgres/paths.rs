//! The paths of the records in one storage, as a stream of the server's rows.

use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use futures_util::{StreamExt as _, stream};
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{PathStream, StoreError};
use tokio::sync::mpsc;

use super::error::explain;
use crate::key;
use crate::queries;

/// Paths read ahead of who takes them.
const AHEAD: usize = 256;

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
    sender: mpsc::Sender<Result<(String, RecordKey), StoreError>>,
) {
    let query = queries::paths(model, storage);
    let failed = match query.load_stream::<(String, Vec<u8>)>(&mut connection).await {
        Err(error) => error,
        Ok(mut rows) => loop {
            match rows.next().await {
                None => return,
                Some(Err(error)) => break error,
                Some(Ok((path, bytes))) => {
                    let found = key::decode(&bytes).map(|key| (path, key)).map_err(StoreError::from);
                    if sender.send(found).await.is_err() {
                        return;
                    }
                }
            }
        },
    };
    // Nobody listening means that nobody wants to know.
    let _ = sender.send(Err(explain(&mut connection, failed.into()).await)).await;
}
