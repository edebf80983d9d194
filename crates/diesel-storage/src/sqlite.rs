//! The driver for SQLite: one connection that writes, some that read, all in blocking threads.

mod connect;
mod dialect;
mod migrations;
mod paths;
mod session;
mod wake;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use stocktake_domain::ports::{PathStream, StoreError, WakeSignal};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::StoreSettings;
use crate::error::{Fault, unavailable};
use crate::session::{Driver, Private, Task, Work};

pub(crate) use connect::file_of;
pub(crate) use migrations::migrate;
use session::SqliteSession;

/// A SQLite database.
pub(crate) struct Sqlite {
    path: PathBuf,
    timeout: Duration,
    /// SQLite lets one write at a time; in this process they wait for each other here, in order.
    writer: Arc<tokio::sync::Mutex<SqliteSession>>,
    /// As many may read at once as there are permits; idle connections lie in `readers`.
    reading: Semaphore,
    readers: Mutex<Vec<SqliteSession>>,
    work: watch::Sender<()>,
}

/// A connection outside the pool.
pub(crate) struct Own {
    /// `None` only while a task runs, and after one that panicked.
    connection: Option<SqliteSession>,
    writer: Arc<tokio::sync::Mutex<SqliteSession>>,
}

impl Sqlite {
    /// Opens the database, and makes an empty one if there is none.
    pub(crate) async fn open(path: PathBuf, settings: &StoreSettings) -> Result<Self, StoreError> {
        let timeout = settings.timeout;
        let writer = SqliteSession::new(connect::open(path.clone(), timeout).await?);
        let readers = usize::try_from(settings.max_connections.max(1)).unwrap_or(1);
        Ok(Self {
            path,
            timeout,
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            reading: Semaphore::new(readers.min(Semaphore::MAX_PERMITS)),
            readers: Mutex::new(Vec::new()),
            work: watch::Sender::new(()),
        })
    }

    async fn read<R: Send + 'static>(&self, task: impl Task<SqliteSession, R>) -> Result<R, StoreError> {
        let permit = timeout(self.timeout, self.reading.acquire()).await;
        let _permit = permit.map_err(unavailable)?.map_err(unavailable)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => SqliteSession::new(connect::open(self.path.clone(), self.timeout).await?),
        };
        let (connection, outcome) = blocking(move || {
            let mut connection = connection;
            let outcome = now(task(&mut connection));
            (connection, outcome)
        })
        .await?;
        self.idle().push(connection);
        outcome.map_err(session::explain)
    }

    async fn write<R: Send + 'static>(&self, task: impl Task<SqliteSession, R>) -> Result<R, StoreError> {
        let writer =
            timeout(self.timeout, Arc::clone(&self.writer).lock_owned()).await.map_err(unavailable)?;
        let outcome = blocking(move || {
            let mut writer = writer;
            now(writer.transaction(task))
        });
        outcome.await?.map_err(session::explain)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteSession>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Sqlite {
    type Session = SqliteSession;
    type Private = Own;

    async fn run<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        match work {
            Work::Read | Work::Survey | Work::Scratch => self.read(task).await,
            Work::Write | Work::Import => self.write(task).await,
        }
    }

    async fn private(&self) -> Result<Own, StoreError> {
        let connection = connect::open(self.path.clone(), self.timeout).await?;
        Ok(Own { connection: Some(SqliteSession::new(connection)), writer: Arc::clone(&self.writer) })
    }

    fn wake(&self) {
        self.work.send_replace(());
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        Box::new(wake::Signal::new(self.work.subscribe(), self.path.clone(), self.timeout))
    }

    async fn paths(&self, model: Option<i16>, storage: String) -> Result<PathStream, StoreError> {
        let connection = connect::open(self.path.clone(), self.timeout).await?;
        Ok(paths::stream(connection, model, storage))
    }

    fn known_migrations(&self) -> Result<Vec<String>, StoreError> {
        migrations::known()
    }
}

impl Private for Own {
    type Session = SqliteSession;

    async fn run<R: Send + 'static>(
        &mut self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        let connection = self.connection.take();
        let mut connection = connection.ok_or_else(|| unavailable("the connection was lost in a task"))?;
        let writer = match work {
            Work::Write | Work::Import => Some(Arc::clone(&self.writer).lock_owned().await),
            Work::Read | Work::Survey | Work::Scratch => None,
        };
        let (connection, outcome) = blocking(move || {
            let outcome = match writer {
                Some(_turn) => now(connection.transaction(task)),
                None => now(task(&mut connection)),
            };
            (connection, outcome)
        })
        .await?;
        self.connection = Some(connection);
        outcome.map_err(session::explain)
    }
}

/// The outcome of a task on SQLite, which never waits for anything but the disk.
fn now<R>(task: impl Future<Output = Result<R, Fault>>) -> Result<R, Fault> {
    task.now_or_never().unwrap_or_else(|| Err(Fault::data("a task on SQLite waited")))
}

async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Internal(error.into()))
}
