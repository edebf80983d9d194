//! What an error of PostgreSQL means to the caller.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use stocktake_domain::ports::StoreError;
use tokio::time::timeout;

use crate::error::DbError;

/// What an error means to the caller. The codes of PostgreSQL do not come through Diesel, and its messages are
/// in any language: so a connection that reported an error of no known kind is asked whether it still is.
pub(super) async fn explain(connection: &mut AsyncPgConnection, error: DbError) -> StoreError {
    const PING: Duration = Duration::from_secs(1);
    let DbError::Query(Error::DatabaseError(kind, _)) = &error else { return error.into() };
    match kind {
        DatabaseErrorKind::SerializationFailure => StoreError::Unavailable(error.into()),
        DatabaseErrorKind::Unknown => match timeout(PING, connection.batch_execute("SELECT 1")).await {
            Ok(Ok(())) => error.into(),
            Ok(Err(_)) | Err(_) => StoreError::Unavailable(error.into()),
        },
        _ => error.into(),
    }
}
