//! The driver for PostgreSQL: a pool of connections, one for each thread that looks up much, and some besides for what takes long.

mod connect;
mod lookup;
mod migrations;
mod paths;
mod row_type;
mod session;
mod wake;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::ConnectionError;
use diesel::result::Error;
use diesel::sql_types::Text;
use diesel_async::pooled_connection::PoolError as ConnectError;
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection as _, TransactionManager as _,
};
use futures_util::FutureExt as _;
use secrecy::ExposeSecret as _;
use stocktake_domain::format_duration;
use stocktake_domain::ports::{Outage, PathStream, StoreError, Unavailable, WakeSignal};
use tokio::time::timeout;

use self::connect::{Connector, Patience};
use self::lookup::{Lookup, ThreadConnections};
use self::session::explain;
use crate::error::{DbError, unavailable};
use crate::session::{Driver, Private, Reading as _, Task, Work};
use crate::settings::StoreSettings;
use crate::sql::Sql;

pub(crate) use migrations::migrate;

/// The server and the database that a URL names, without what may be secret.
pub(crate) fn place(settings: &StoreSettings) -> Result<String, StoreError> {
    Connector::new(settings.url.expose_secret(), settings.timeout).map(|connector| connector.place())
}

/// A PostgreSQL database.
pub(crate) struct Postgres {
    pool: Pool<AsyncPgConnection>,
    threads: ThreadConnections,
    connector: Arc<Connector>,
    timeout: Duration,
    listener: OnceLock<wake::Listener>,
}

/// A connection outside the pool, whose statements may take their time.
pub(crate) struct Own {
    connection: AsyncPgConnection,
    longest_commit: Duration,
}

/// How many times as long as an ordinary call a commit may take where statements take as long as they need: one on which it
/// gets no answer in that time waits for something that is not there, such as a standby.
const COMMIT_PATIENCE: u32 = 12;

impl Postgres {
    /// Makes the pool and connects once.
    pub(crate) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(settings.url.expose_secret(), settings.timeout)?);
        let patience = Patience::Limited(settings.timeout);
        let connecting = Arc::clone(&connector);
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| {
            let connector = Arc::clone(&connecting);
            Box::pin(async move { connector.connect(patience).await.map_err(into_connection_error) })
        });
        let most = settings.max_connections.max(1);
        let of_threads = settings.thread_connections.min(most / 2);
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager)
            .max_size(usize::try_from(most - of_threads).unwrap_or(1))
            .wait_timeout(Some(settings.timeout))
            .create_timeout(Some(settings.timeout))
            .recycle_timeout(Some(settings.timeout))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Internal(error.into()))?;
        let of_threads = usize::try_from(of_threads).unwrap_or(0);
        let threads = ThreadConnections::new(Arc::clone(&connector), patience, of_threads);
        let this = Self { pool, threads, connector, timeout: settings.timeout, listener: OnceLock::new() };
        drop(this.connection().await?);
        Ok(this)
    }

    fn longest_commit(&self) -> Duration {
        self.timeout.saturating_mul(COMMIT_PATIENCE)
    }

    fn silent(&self) -> DbError {
        let longest = format_duration(self.timeout);
        DbError::Silent(format!("a statement takes longer than {longest} (database.timeout)"))
    }

    async fn connection(&self) -> Result<Object<AsyncPgConnection>, StoreError> {
        self.pool.get().await.map_err(|error| from_pool_error(error, &self.connector.place()))
    }
}

fn takes_no_changes() -> StoreError {
    let why = "the server is a standby, or read-only";
    StoreError::Unavailable(Unavailable::new(Outage::ReadOnly, why))
}

/// The error as one of the pool's, which keeps it whole.
fn into_connection_error(error: DbError) -> ConnectionError {
    ConnectionError::CouldntSetupConfiguration(Error::QueryBuilderError(error.into()))
}

/// The error that the pool kept, or that of the pool itself.
fn from_pool_error(error: PoolError, place: &str) -> StoreError {
    let error = match error {
        PoolError::Backend(ConnectError::ConnectionError(ConnectionError::CouldntSetupConfiguration(
            Error::QueryBuilderError(error),
        ))) => error,
        other => return unavailable(format!("{place}: {other}")),
    };
    match error.downcast::<DbError>() {
        Ok(error) => StoreError::from(*error),
        Err(other) => unavailable(format!("{place}: {other}")),
    }
}

impl Driver for Postgres {
    type Session = AsyncPgConnection;
    type Lookup = Lookup;
    type Private = Own;

    const WRITES_IN_PARALLEL: bool = true;

    async fn run<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<AsyncPgConnection, R>,
    ) -> Result<R, StoreError> {
        let mut connection = self.connection().await?;
        let performing = perform(&mut connection, work, task, self.longest_commit());
        let outcome = if work.is_ordinary() {
            timeout(self.timeout, performing).await.unwrap_or_else(|_| Err(self.silent()))
        } else {
            performing.await
        };
        match outcome {
            Ok(done) => Ok(done),
            Err(error @ DbError::Silent(_)) => {
                // The statement may still be running: nobody else shall wait for it.
                drop(Object::take(connection));
                Err(error.into())
            }
            Err(error) => Err(explain(&connection, error).await),
        }
    }

    async fn look_up<R: Send + 'static>(&self, task: impl Task<Lookup, R>) -> Result<R, StoreError> {
        let mut lookup = match self.threads.of_this_thread() {
            Some(connection) => Lookup::Shared(connection),
            None => Lookup::Pooled(Box::new(self.connection().await?)),
        };
        match timeout(self.timeout, task(&mut lookup)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(explain(lookup.connection(), error).await),
            Err(_) => {
                // The query may still be running: nobody else shall wait for it.
                match lookup {
                    Lookup::Shared(connection) => self.threads.give_up(&connection),
                    Lookup::Pooled(connection) => drop(Object::take(*connection)),
                }
                Err(self.silent().into())
            }
        }
    }

    async fn private(&self) -> Result<Own, StoreError> {
        let connection = self.connector.connect(Patience::Unlimited).await?;
        Ok(Own { connection, longest_commit: self.longest_commit() })
    }

    fn wake(&self) {
        // The database tells everybody, this process too.
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        let listener = self.listener.get_or_init(|| wake::Listener::start(Arc::clone(&self.connector)));
        Box::new(listener.signal())
    }

    async fn paths(&self, model: Option<i16>, storage: String) -> Result<PathStream, StoreError> {
        let connection = self.connector.connect(Patience::Unlimited).await?;
        Ok(paths::stream(connection, model, storage))
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        let sql = Sql::<Text>::new("SELECT current_setting('transaction_read_only')");
        match self.run(Work::Read, move |session| session.one::<String, _>(sql).boxed()).await?.as_str() {
            "off" => Ok(()),
            _ => Err(takes_no_changes()),
        }
    }

    fn known_migrations(&self) -> Result<Vec<String>, DbError> {
        migrations::known()
    }
}

impl Private for Own {
    type Session = AsyncPgConnection;

    async fn run<R: Send + 'static>(
        &mut self,
        work: Work,
        task: impl Task<AsyncPgConnection, R>,
    ) -> Result<R, StoreError> {
        match perform(&mut self.connection, work, task, self.longest_commit).await {
            Ok(done) => Ok(done),
            Err(error) => Err(explain(&self.connection, error).await),
        }
    }
}

/// Statements that write are planned anew each time: some join the rows of a batch, and for these the plan
/// depends on how many records there are by now.
const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_custom_plan";

/// The same, where a statement may wait and work as long as it takes.
const BEGIN_UNHURRIED: &str = "BEGIN; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL statement_timeout = 0; \
     SET LOCAL lock_timeout = 0";

fn silent_commit(longest: Duration) -> DbError {
    let longest = format_duration(longest);
    DbError::Silent(format!(
        "a commit takes longer than {longest} ({COMMIT_PATIENCE} times database.timeout), as if the server waited for a standby; \
         what was to be written may be there"
    ))
}

/// Runs a task, in a transaction where the work asks for one, whose commit is waited for no longer than `longest_commit`.
async fn perform<R: Send>(
    connection: &mut AsyncPgConnection,
    work: Work,
    task: impl Task<AsyncPgConnection, R>,
    longest_commit: Duration,
) -> Result<R, DbError> {
    match work {
        Work::Read | Work::Scratch | Work::Statement => task(connection).await,
        Work::Write | Work::Import => {
            let begin = if work == Work::Import { BEGIN_UNHURRIED } else { BEGIN };
            AnsiTransactionManager::begin_transaction_sql(connection, begin).await?;
            match task(connection).await {
                Ok(done) => {
                    let committing = AnsiTransactionManager::commit_transaction(connection);
                    timeout(longest_commit, committing)
                        .await
                        .map_err(|_| silent_commit(longest_commit))??;
                    Ok(done)
                }
                Err(error) => {
                    // Told is what went wrong, not what went wrong then: a connection that is lost is found
                    // to be so when the pool takes it back.
                    let _ = AnsiTransactionManager::rollback_transaction(connection).await;
                    Err(error)
                }
            }
        }
        Work::Survey => {
            let mut survey = connection.build_transaction().repeatable_read().read_only();
            survey
                .run(async |connection| {
                    // The one statement that wants to read the whole table, and at its own pace.
                    let settings = "SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on; \
                        SET LOCAL plan_cache_mode = force_custom_plan";
                    connection.batch_execute(settings).await?;
                    task(connection).await
                })
                .await
        }
    }
}
