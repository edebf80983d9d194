//! The driver for SQLite: one connection that writes, some that read, all in blocking threads.
//!
//! An ordinary call is answered within [`StoreSettings::timeout`] of getting a connection. Diesel has no safe way to
//! interrupt a statement. So one that is at work then runs to its end in its thread, and keeps its connection until
//! then; nothing of the call follows it, and nothing is committed.

mod connect;
mod counts;
mod disk;
mod error;
mod glob;
mod migrations;
mod paths;
mod results;
mod session;
mod wake;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use stocktake_domain::format_duration;
use stocktake_domain::ports::{Outage, PathStream, StoreError, Unavailable, WakeSignal};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{timeout, timeout_at};

use self::connect::blocking;
use self::disk::Identity;
use self::error::explain;
use self::session::SqliteSession;
use crate::error::{DbError, unusable};
use crate::session::{Driver, Private, Session as _, Task, Work};
use crate::settings::StoreSettings;

pub(crate) use connect::{Access, file_of};
pub(crate) use migrations::migrate;

/// How long it is believed that the database can, or cannot, be written.
const WRITABLE_FOR: Duration = Duration::from_secs(5);

/// A SQLite database.
pub(crate) struct Sqlite {
    /// Whose threads may block.
    runtime: Handle,
    file: Arc<Path>,
    identity: Identity,
    access: Access,
    timeout: Duration,
    /// SQLite lets one write at a time; in this process they wait for each other here, in order.
    writer: Arc<tokio::sync::Mutex<SqliteSession>>,
    /// As many may read at once as there are permits; idle connections lie in `readers`.
    reading: Arc<Semaphore>,
    readers: Arc<Readers>,
    work: watch::Sender<()>,
    /// When it was last tried whether the database can be written, and why it cannot.
    writable: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
}

/// Idle connections.
#[derive(Default)]
struct Readers(Mutex<Vec<SqliteSession>>);

impl Readers {
    fn take(&self) -> Option<SqliteSession> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, session: SqliteSession) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

/// A connection outside the pool.
pub(crate) struct Own {
    runtime: Handle,
    file: Arc<Path>,
    identity: Identity,
    /// `None` only while a task runs, and after one that panicked.
    session: Option<SqliteSession>,
    writer: Arc<tokio::sync::Mutex<SqliteSession>>,
}

/// Whether the file holds a database that was ever migrated. Makes and changes nothing.
pub(crate) async fn exists(file: PathBuf, timeout: Duration) -> Result<bool, StoreError> {
    blocking(&Handle::current(), move || match std::fs::metadata(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(format!("{}: {error}", file.display()))),
        Ok(metadata) if metadata.len() == 0 => Ok(false),
        Ok(_) => {
            let connection = connect::open_to_read(&file, timeout)?;
            let look = SqliteSession::new(connection).and_then(|mut session| now(session.is_migrated()));
            look.map_err(|error| explain(&file, error))
        }
    })
    .await?
}

impl Sqlite {
    /// Opens the database, and to write to it makes an empty one if there is none. Statements run in threads of the runtime that this is
    /// called in, which must outlive it.
    pub(crate) async fn open(
        path: PathBuf,
        settings: &StoreSettings,
        access: Access,
    ) -> Result<Self, StoreError> {
        let timeout = settings.timeout;
        connect::warn_if_others_may_read(&path);
        let runtime = Handle::current();
        let writer = connect::open_first(&runtime, path.clone(), timeout, access).await?;
        let writer = SqliteSession::new(writer)?;
        let identity = Identity::of(&path).map_err(|error| unusable(disk::refusal(&path, &error)))?;
        let readers = usize::try_from(settings.max_connections.max(1)).unwrap_or(1);
        Ok(Self {
            runtime,
            file: path.into(),
            identity,
            access,
            timeout,
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            reading: Arc::new(Semaphore::new(readers.min(Semaphore::MAX_PERMITS))),
            readers: Arc::default(),
            work: watch::Sender::new(()),
            writable: tokio::sync::Mutex::default(),
        })
    }

    async fn connect(&self) -> Result<SqliteSession, StoreError> {
        let opened = connect::open(&self.runtime, self.file.to_path_buf(), self.timeout, self.access).await;
        Ok(SqliteSession::new(opened?)?)
    }

    async fn read<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        let permit = timeout(self.timeout, Arc::clone(&self.reading).acquire_owned()).await;
        let permit = permit.map_err(|_| self.silent())?.map_err(unusable)?;
        let mut session = match self.readers.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let (readers, file, identity) = (Arc::clone(&self.readers), Arc::clone(&self.file), self.identity);
        let deadline = self.deadline(work);
        session.set_deadline(deadline);
        let running = blocking(&self.runtime, move || {
            identity.check(&file).map_err(unusable)?;
            let outcome = match work {
                Work::Survey => now(session.snapshot(task)),
                _ => now(task(&mut session)),
            };
            readers.put(session);
            drop(permit);
            outcome.map_err(|error| explain(&file, error))
        });
        self.answer(deadline, running).await
    }

    async fn write<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        let writer = timeout(self.timeout, Arc::clone(&self.writer).lock_owned()).await;
        let mut writer = writer.map_err(|_| self.silent())?;
        let deadline = self.deadline(work);
        writer.set_deadline(deadline);
        let (file, identity) = (Arc::clone(&self.file), self.identity);
        let running = blocking(&self.runtime, move || {
            identity.check(&file).map_err(unusable)?;
            now(writer.transaction(task)).map_err(|error| explain(&file, error))
        });
        self.answer(deadline, running).await
    }

    fn silent(&self) -> StoreError {
        let longest = format_duration(self.timeout);
        let why = format!(
            "{}: another process keeps it locked, or a statement takes longer than {longest} (database.timeout)",
            self.file.display()
        );
        StoreError::Unavailable(Unavailable::new(Outage::Silent, why))
    }

    fn deadline(&self, work: Work) -> Option<Instant> {
        work.is_ordinary().then(|| Instant::now() + self.timeout)
    }

    /// The outcome of what runs, if there is one in time. What has no answer in time goes on in its thread.
    async fn answer<R>(
        &self,
        deadline: Option<Instant>,
        running: impl Future<Output = Result<Result<R, StoreError>, StoreError>>,
    ) -> Result<R, StoreError> {
        let outcome = match deadline {
            Some(deadline) => timeout_at(deadline.into(), running).await.map_err(|_| self.silent())?,
            None => running.await,
        };
        outcome?
    }
}

impl Driver for Sqlite {
    type Session = SqliteSession;
    type Lookup = SqliteSession;
    type Private = Own;

    const WRITES_IN_PARALLEL: bool = false;

    async fn run<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        match work {
            Work::Read | Work::Survey | Work::Scratch => self.read(work, task).await,
            Work::Write | Work::Statement | Work::Import => self.write(work, task).await,
        }
    }

    async fn look_up<R: Send + 'static>(&self, task: impl Task<SqliteSession, R>) -> Result<R, StoreError> {
        self.run(Work::Read, task).await
    }

    async fn private(&self) -> Result<Own, StoreError> {
        let session = Some(self.connect().await?);
        Ok(Own {
            runtime: self.runtime.clone(),
            file: Arc::clone(&self.file),
            identity: self.identity,
            session,
            writer: Arc::clone(&self.writer),
        })
    }

    fn wake(&self) {
        self.work.send_replace(());
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        Box::new(wake::Signal::new(
            self.work.subscribe(),
            self.runtime.clone(),
            self.file.to_path_buf(),
            self.timeout,
        ))
    }

    async fn paths(&self, model: Option<i16>, storage: String) -> Result<PathStream, StoreError> {
        let connection =
            connect::open(&self.runtime, self.file.to_path_buf(), self.timeout, self.access).await?;
        let (file, identity) = (Arc::clone(&self.file), self.identity);
        blocking(&self.runtime, move || identity.check(&file)).await?.map_err(unusable)?;
        Ok(paths::stream(&self.runtime, Arc::clone(&self.file), connection, model, storage))
    }

    fn known_migrations(&self) -> Result<Vec<String>, DbError> {
        migrations::known()
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        let mut last = self.writable.lock().await;
        let obstacle = match &*last {
            Some((at, obstacle)) if at.elapsed() < WRITABLE_FOR => obstacle.clone(),
            _ => {
                let file = Arc::clone(&self.file);
                let identity = self.identity;
                let look = blocking(&self.runtime, move || {
                    identity.check(&file)?;
                    disk::check_writable(&file).map_err(|error| disk::refusal(&file, &error))
                });
                let obstacle = timeout(self.timeout, look).await.map_err(|_| self.silent())??.err();
                last.insert((Instant::now(), obstacle)).1.clone()
            }
        };
        obstacle.map_or(Ok(()), |what| Err(unusable(what)))
    }
}

impl Private for Own {
    type Session = SqliteSession;

    async fn run<R: Send + 'static>(
        &mut self,
        work: Work,
        task: impl Task<SqliteSession, R>,
    ) -> Result<R, StoreError> {
        let session = self.session.take();
        let mut session = session.ok_or_else(|| unusable("the connection was lost in a task"))?;
        let writer = match work {
            Work::Write | Work::Statement | Work::Import => Some(Arc::clone(&self.writer).lock_owned().await),
            Work::Read | Work::Survey | Work::Scratch => None,
        };
        let (file, identity) = (Arc::clone(&self.file), self.identity);
        let (session, outcome) = blocking(&self.runtime, move || {
            if let Err(replaced) = identity.check(&file) {
                return (session, Err(unusable(replaced)));
            }
            let outcome = match writer {
                Some(_turn) => now(session.transaction(task)),
                None => now(task(&mut session)),
            };
            (session, outcome.map_err(|error| explain(&file, error)))
        })
        .await?;
        self.session = Some(session);
        outcome
    }
}

/// The outcome of a task on SQLite, which never waits for anything but the disk.
fn now<R>(task: impl Future<Output = Result<R, DbError>>) -> Result<R, DbError> {
    task.now_or_never().unwrap_or_else(|| Err(DbError::data("a task on SQLite waited")))
}

#[cfg(test)]
mod tests;
