//! One database, of which only moments are seen: short transactions that cannot write.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::str::FromStr as _;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::ports::SourceError;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{refused, silent, told};
use crate::tls;

/// How much longer than the server we wait for a statement, as the server is to give up first.
const GRACE: Duration = Duration::from_secs(5);

/// A value for a statement, with its type: statements are not prepared, so that they go through a pooler.
pub(crate) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// One database. A connection is kept open for each snapshot that there was at the same time.
pub(crate) struct Database {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    patience: Duration,
    idle: Mutex<Vec<Link>>,
}

/// A connection: what asks, and what reads and writes for it.
///
/// Whoever waits for an answer moves the connection on meanwhile. A task of its own would have to wake the
/// reader up for every few rows.
struct Link {
    client: Client,
    /// `None` once it has ended.
    connection: Mutex<Option<Pin<Box<Traffic>>>>,
}

type Traffic = dyn Future<Output = Result<(), tokio_postgres::Error>> + Send;

impl Link {
    /// Waits for the answer.
    async fn drive<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let mut answer = pin!(answer);
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            // All that is asked of one snapshot at once is one task's, so that nobody else holds the lock.
            let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let traffic = connection.as_mut().map(|traffic| traffic.as_mut().poll(context));
            if let Some(Poll::Ready(end)) = traffic {
                // What broke the connection is what is wrong; of an orderly end the answer will tell.
                *connection = None;
                end?;
            }
            answer.as_mut().poll(context)
        })
        .await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, tls: _, patience, idle: _ } = self;
        let hosts = config.get_hosts();
        f.debug_struct("Database").field("hosts", &hosts).field("patience", patience).finish_non_exhaustive()
    }
}

impl Database {
    /// Reads a URL; connects to nothing yet. `patience` is the time one statement may take.
    pub(crate) fn new(url: &SecretString, patience: Duration) -> Result<Self, SourceError> {
        let (url, trust) = tls::split(url.expose_secret())?;
        // The driver's error is not shown: it might quote the password.
        let mut config = Config::from_str(&url).map_err(|_| refused("the database URL cannot be read"))?;
        config.ssl_mode(if trust.is_some() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(patience).keepalives_idle(Duration::from_secs(60));
        if config.get_application_name().is_none() {
            config.application_name("stocktake");
        }
        let tls = trust.map(|trust| trust.client()).transpose()?.map(MakeRustlsConnect::new);
        Ok(Self { config, tls, patience, idle: Mutex::default() })
    }

    /// Begins to see one moment of the database.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot<'_>, SourceError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(link) = idle
            && self.begin(&link).await.is_ok()
        {
            return Ok(Snapshot { database: self, link });
        }
        // The server may have closed an idle connection: that is no failure yet.
        let link = self.in_time(self.connect()).await?;
        self.begin(&link).await?;
        Ok(Snapshot { database: self, link })
    }

    /// All statements of a snapshot see the same moment; the server ends it if we do not come back.
    ///
    /// Each statement has an index that serves it: the planner is kept from weighing thousands of keys one by
    /// one, and from anything else that its statistics may make look cheaper.
    async fn begin(&self, link: &Link) -> Result<(), SourceError> {
        let millis = self.patience.as_millis().clamp(1, 0x7fff_ffff);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL jit = off; \
             SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
        );
        self.in_time(link.drive(link.client.batch_execute(&begin))).await
    }

    async fn connect(&self) -> Result<Link, tokio_postgres::Error> {
        let (client, connection): (_, Pin<Box<Traffic>>) = if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            (client, Box::pin(connection))
        } else {
            let (client, connection) = self.config.connect(NoTls).await?;
            (client, Box::pin(connection))
        };
        Ok(Link { client, connection: Mutex::new(Some(connection)) })
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SourceError> {
        let answer = tokio::time::timeout(self.patience.saturating_add(GRACE), answer).await;
        answer.map_err(|_| silent())?.map_err(told)
    }
}

/// One moment of a database. Dropped before its end, it closes its connection.
pub(crate) struct Snapshot<'d> {
    database: &'d Database,
    link: Link,
}

impl Snapshot<'_> {
    /// The rows of one statement, each made into what it means as it comes.
    pub(crate) async fn rows<T>(
        &self,
        statement: &str,
        values: &[Value<'_>],
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let values = values.iter().map(|(value, kind)| (*value, kind.clone()));
        let all = async {
            let mut rows = self.link.client.query_typed_raw(statement, values).await?.boxed();
            let mut found = Vec::new();
            while let Some(row) = rows.try_next().await? {
                found.push(make(&row)?);
            }
            Ok(found)
        };
        self.database.in_time(Box::pin(self.link.drive(all))).await
    }

    /// Ends it, and keeps the connection for the next.
    pub(crate) async fn end(self) -> Result<(), SourceError> {
        let Self { database, link } = self;
        database.in_time(link.drive(link.client.batch_execute("COMMIT"))).await?;
        database.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        Ok(())
    }
}
