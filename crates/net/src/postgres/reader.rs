//! Reading of another program's database, over one connection that all who ask share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::{Connector, PostgresUrlError};
use crate::error::ErrorChain;

/// How many names are read at a time.
const NAMES: i64 = 1_000;

/// A parameter of a statement.
pub type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct NoAnswer {
    /// The server and its database, for people.
    pub place: String,
    /// What it said, or what kept it from answering.
    pub reason: String,
}

/// A database that is read. The statements are not prepared, so that they work through a pooler; a connection that has
/// ended is replaced.
#[derive(Clone)]
pub struct PostgresReader {
    connector: Arc<Connector>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
    timeout: Duration,
}

impl fmt::Debug for PostgresReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresReader").field("connector", &self.connector).finish_non_exhaustive()
    }
}

impl PostgresReader {
    /// Parses the URL; connects to nothing yet. `timeout` is how long is waited for a connection, and for the answer to a
    /// statement.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, PostgresUrlError> {
        let connector = Connector::new(url, "stocktake", timeout)?;
        Ok(Self { connector: Arc::new(connector), client: Arc::default(), timeout })
    }

    /// The rows of a statement that only reads.
    pub async fn rows<T>(
        &self,
        statement: &str,
        values: &[Value<'_>],
        make: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, NoAnswer> {
        let values = values.iter().map(|(value, kind)| (*value, kind.clone()));
        let answer = async {
            let client = self.client().await?;
            let rows = client.query_typed_raw(statement, values).await?;
            rows.map(|row| row.and_then(|row| make(&row))).try_collect().await
        };
        let reason = match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(error)) => ErrorChain(&error).to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        Err(NoAnswer { place: self.connector.place(), reason })
    }

    /// All names that a statement finds, in its order: `$1` is the name behind which it continues, `$2` the most names, and
    /// `$3` and those behind it are `of`.
    pub fn names(
        &self,
        statement: &'static str,
        of: Vec<String>,
    ) -> impl Stream<Item = Result<String, NoAnswer>> + Send + use<> {
        let reader = self.clone();
        let pages = stream::try_unfold(String::new(), move |after| {
            let (reader, of) = (reader.clone(), of.clone());
            async move {
                let mut values: Vec<Value<'_>> = vec![(&after, Type::TEXT), (&NAMES, Type::INT8)];
                values.extend(of.iter().map(|text| -> Value<'_> { (text, Type::TEXT) }));
                let names = reader.rows(statement, &values, |row| row.try_get::<_, String>(0)).await?;
                let last = names.last().cloned();
                Ok(last.map(|last| (stream::iter(names.into_iter().map(Ok)), last)))
            }
        });
        pages.try_flatten()
    }

    /// The connection, a new one if the last one has ended.
    async fn client(&self) -> Result<Arc<Client>, Error> {
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = self.connector.connect().await?;
        let place = self.connector.place();
        // It ends with the client.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to {place} has ended");
            }
        });
        Ok(Arc::clone(held.insert(Arc::new(client))))
    }
}
