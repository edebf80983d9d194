//! Opening and migrating the database that a URL names.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use stocktake_domain::ports::{Catalogue, Conditions, Jobs, Queue, StoreError, SyncState, Tokens};

use crate::adapter::Adapter;
use crate::error::DbError;
use crate::postgres::{self, Postgres};
use crate::session::Driver;
use crate::settings::StoreSettings;
use crate::sqlite::{self, Sqlite};

/// The ports of one database.
#[derive(Clone)]
pub struct Store {
    /// All records.
    pub catalogue: Arc<dyn Catalogue>,
    /// What is due, and which worker has it.
    pub queue: Arc<dyn Queue>,
    /// Bulk jobs.
    pub jobs: Arc<dyn Jobs>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// The sync with the source.
    pub sync_state: Arc<dyn SyncState>,
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
}

/// Opens the database that the URL names and connects once, so that an unreachable one is reported at once. Does
/// not migrate. A URL of another kind is [`StoreError::Internal`].
pub async fn open(settings: &StoreSettings) -> Result<Store, StoreError> {
    match Database::of(settings.url.expose_secret())? {
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
    match Database::of(settings.url.expose_secret())? {
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
            sync_state: adapter.clone(),
            conditions: adapter,
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
    fn of(url: &'a str) -> Result<Self, DbError> {
        match url.split_once("://") {
            Some(("sqlite", rest)) => Ok(Self::Sqlite(rest)),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(DbError::data("a database URL begins with sqlite://, postgres:// or postgresql://")),
        }
    }
}
