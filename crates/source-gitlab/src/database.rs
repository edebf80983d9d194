//! One database, read in short read-only transactions.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::ports::SourceError;
use stocktake_net::postgres::{Connector, PostgresConnection};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::{refused, source_error, timed_out};

/// How much longer than the server's time-out a statement is waited for, so that the server cancels it first.
const GRACE: Duration = Duration::from_secs(5);

/// A parameter of a statement, with its type: statements are not prepared, so that they work through a pooler.
pub(crate) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// One database. Connections are kept open, as many as there were snapshots at the same time.
pub(crate) struct Database {
    connector: Connector,
    statement_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

/// A connection: the client, and the future that reads and writes for it.
///
/// The task that waits for an answer also polls that future. A task of its own would have to wake the reader up
/// for every few rows.
struct Connection {
    client: Client,
    /// `None` after its end.
    driver: Mutex<Option<Box<PostgresConnection>>>,
}

impl Connection {
    /// Waits for an answer of the server.
    async fn drive<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let mut answer = pin!(answer);
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            // A snapshot is used by one task, so that the lock is never contended.
            let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
            let state = driver.as_mut().map(|driver| Pin::new(driver).poll(context));
            if let Some(Poll::Ready(end)) = state {
                // An error of the connection is the cause; after an orderly end, the answer has the error.
                *driver = None;
                end?;
            }
            answer.as_mut().poll(context)
        })
        .await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector, statement_timeout, idle: _ } = self;
        f.debug_struct("Database")
            .field("connector", connector)
            .field("statement_timeout", statement_timeout)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Parses a URL; does not connect yet. `statement_timeout` is the time that one statement may take.
    pub(crate) fn new(url: &SecretString, statement_timeout: Duration) -> Result<Self, SourceError> {
        let connector = Connector::new(url.expose_secret(), "stocktake", statement_timeout);
        let connector = connector.map_err(|error| refused(error.to_string()))?;
        Ok(Self { connector, statement_timeout, idle: Mutex::default() })
    }

    /// Begins a read-only transaction.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot<'_>, SourceError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle
            && self.begin(&connection).await.is_ok()
        {
            return Ok(Snapshot { database: self, connection });
        }
        // The server may have closed an idle connection, which is not an error.
        let connection = self.with_timeout(self.connect()).await?;
        self.begin(&connection).await?;
        Ok(Snapshot { database: self, connection })
    }

    /// All statements of a snapshot see the same state; the server ends the transaction if it stays idle.
    ///
    /// Every statement has an index that serves it, so the planner is kept from estimating thousands of keys one by
    /// one, and from sequential scans that its statistics may make look cheaper.
    async fn begin(&self, connection: &Connection) -> Result<(), SourceError> {
        let millis = self.statement_timeout.as_millis().clamp(1, 0x7fff_ffff);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL jit = off; \
             SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
        );
        self.with_timeout(connection.drive(connection.client.batch_execute(&begin))).await
    }

    async fn connect(&self) -> Result<Connection, tokio_postgres::Error> {
        let (client, driver) = self.connector.connect().await?;
        Ok(Connection { client, driver: Mutex::new(Some(Box::new(driver))) })
    }

    async fn with_timeout<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SourceError> {
        let answer = tokio::time::timeout(self.statement_timeout.saturating_add(GRACE), answer).await;
        answer.map_err(|_| timed_out())?.map_err(source_error)
    }
}

/// A read-only transaction, all of whose statements see the same state. Dropped before its end, it closes its
/// connection.
pub(crate) struct Snapshot<'d> {
    database: &'d Database,
    connection: Connection,
}

impl Snapshot<'_> {
    /// The rows of one statement, each converted as it arrives.
    pub(crate) async fn rows<T>(
        &self,
        statement: &str,
        values: &[Value<'_>],
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let values = values.iter().map(|(value, kind)| (*value, kind.clone()));
        let all = async {
            let mut rows = self.connection.client.query_typed_raw(statement, values).await?.boxed();
            let mut found = Vec::new();
            while let Some(row) = rows.try_next().await? {
                found.push(make(&row)?);
            }
            Ok(found)
        };
        self.database.with_timeout(Box::pin(self.connection.drive(all))).await
    }

    /// Ends it, and keeps the connection for the next snapshot.
    pub(crate) async fn end(self) -> Result<(), SourceError> {
        let Self { database, connection } = self;
        database.with_timeout(connection.drive(connection.client.batch_execute("COMMIT"))).await?;
        database.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }
}
