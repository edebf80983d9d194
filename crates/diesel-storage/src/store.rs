//! Opening and migrating the database that a URL names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Catalogue, Jobs, Queue, StoreError, SyncState, Tokens};

use crate::error::Fault;
use crate::postgres::{self, Postgres};
use crate::session::Driver;
use crate::sqlite::{self, Sqlite};

/// Which database, and how it is used.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite://relative/or/absolute/path.db` or `postgres://user:password@host:5432/name`.
    pub url: String,
    /// The most connections for ordinary calls. An import, a listing of paths and the wait for work each
    /// have one more of their own.
    pub max_connections: u32,
    /// How long to wait for a connection, and for the answer to an ordinary call.
    pub timeout: Duration,
}

/// The URL may hold a password and is left out.
impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("max_connections", &self.max_connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The ports of one database.
#[derive(Clone)]
pub struct Store {
    /// All records.
    pub catalogue: Arc<dyn Catalogue>,
    /// What is due, and who is at it.
    pub queue: Arc<dyn Queue>,
    /// Bulk jobs.
    pub jobs: Arc<dyn Jobs>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// The sync with the source.
    pub sync_state: Arc<dyn SyncState>,
}

/// Implements the ports over a driver.
pub(crate) struct Adapter<D> {
    pub(crate) driver: D,
}

/// Opens the database that the URL names and connects once, so that an unreachable one is told at once. Does
/// not migrate. A URL of another kind is [`StoreError::Internal`].
pub async fn open(settings: &StoreSettings) -> Result<Store, StoreError> {
    match Database::of(&settings.url)? {
        Database::Sqlite(rest) => {
            let path = sqlite::file_of(rest)?;
            Ok(Store::over(Sqlite::open(path, settings).await?))
        }
        Database::Postgres => Ok(Store::over(Postgres::open(settings).await?)),
    }
}

/// Applies the pending migrations and returns their names. Of two processes that do it at once, one applies
/// them and the other finds none.
pub async fn migrate(settings: &StoreSettings) -> Result<Vec<String>, StoreError> {
    match Database::of(&settings.url)? {
        Database::Sqlite(rest) => sqlite::migrate(sqlite::file_of(rest)?, settings.timeout).await,
        Database::Postgres => postgres::migrate(settings).await,
    }
}

impl Store {
    fn over(driver: impl Driver) -> Self {
        let adapter = Arc::new(Adapter { driver });
        Self {
            catalogue: adapter.clone(),
            queue: adapter.clone(),
            jobs: adapter.clone(),
            tokens: adapter.clone(),
            sync_state: adapter,
        }
    }
}

/// Which kind of database a URL names.
enum Database<'a> {
    /// SQLite, with what follows `sqlite://`.
    Sqlite(&'a str),
    Postgres,
}

impl<'a> Database<'a> {
    fn of(url: &'a str) -> Result<Self, Fault> {
        match url.split_once("://") {
            Some(("sqlite", rest)) => Ok(Self::Sqlite(rest)),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(Fault::data("a database URL begins with sqlite://, postgres:// or postgresql://")),
        }
    }
}
