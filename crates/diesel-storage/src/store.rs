//! Opening and migrating the database that a URL names.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use stocktake_domain::Clock;
use stocktake_domain::ports::{
    Catalogue, Conditions, Jobs, OrphanWalks, Queue, Sessions, StoreError, SyncState, Tokens,
};

use crate::adapter::{Adapter, call};
use crate::catalogue::{applied_migrations, key_data};
use crate::clock::DatabaseClock;
use crate::error::DbError;
use crate::postgres::{self, Postgres};
use crate::session::{Driver, Session as _, Work};
use crate::settings::StoreSettings;
use crate::sqlite::{self, Access, Sqlite};

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
    /// Who signed in.
    pub sessions: Arc<dyn Sessions>,
    /// The sync with the source.
    pub sync_state: Arc<dyn SyncState>,
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
    /// Walks in search of content that nothing claims.
    pub orphan_walks: Arc<dyn OrphanWalks>,
    /// The database's time, as measured from when it was last read: never later than it is.
    pub clock: Arc<dyn Clock>,
    /// Whether transactions that write different records run beside each other, so that it is worth having several at once.
    pub writes_in_parallel: bool,
}

/// Opens the database that the URL names and connects once, so that an unreachable one is reported at once. Key data that is
/// kept in another form than the settings ask for is written anew. Does not migrate, and refuses a schema that a newer version of this program migrated. A URL of another kind is
/// [`StoreError::Internal`].
pub async fn open(settings: &StoreSettings) -> Result<Store, StoreError> {
    match Database::of(settings.url.expose_secret())? {
        Database::Sqlite(rest) => {
            let path = sqlite::file_of(rest)?;
            Store::over(Sqlite::open(path, settings, Access::Full).await?, settings).await
        }
        Database::Postgres => Store::over(Postgres::open(settings).await?, settings).await,
    }
}

/// Opens the database to read it. Neither migrates nor writes anything, and works where nothing can be written: on a standby, by
/// a role that may only read, on a file system that is read-only. Calls that write fail. Refuses a schema that is not the
/// one of this program, and says whether it is older or newer.
pub async fn open_to_read(settings: &StoreSettings) -> Result<Store, StoreError> {
    match Database::of(settings.url.expose_secret())? {
        Database::Sqlite(rest) => {
            let path = sqlite::file_of(rest)?;
            Store::over_to_read(Sqlite::open(path, settings, Access::Reading).await?, settings).await
        }
        Database::Postgres => Store::over_to_read(Postgres::open(settings).await?, settings).await,
    }
}

/// Applies the pending migrations and returns their names; refuses a schema that a newer version of this program migrated. Of two processes that do it at once, one applies
/// them and the other finds none.
pub async fn migrate(settings: &StoreSettings) -> Result<Vec<String>, StoreError> {
    match Database::of(settings.url.expose_secret())? {
        Database::Sqlite(rest) => sqlite::migrate(sqlite::file_of(rest)?, settings.timeout).await,
        Database::Postgres => postgres::migrate(settings).await,
    }
}

/// What a URL stands for, for people: the absolute path of a SQLite file, or a PostgreSQL server without what may be
/// secret.
pub fn place(settings: &StoreSettings) -> Result<String, StoreError> {
    match Database::of(settings.url.expose_secret())? {
        Database::Sqlite(rest) => Ok(sqlite::file_of(rest)?.display().to_string()),
        Database::Postgres => postgres::place(settings),
    }
}

/// Whether there is a catalogue: false without a database, and with one that was never migrated. Makes nothing.
pub async fn exists(settings: &StoreSettings) -> Result<bool, StoreError> {
    match Database::of(settings.url.expose_secret())? {
        Database::Sqlite(rest) => sqlite::exists(sqlite::file_of(rest)?, settings.timeout).await,
        Database::Postgres => {
            let driver = Postgres::open(settings).await?;
            driver.run(Work::Read, |session| Box::pin(session.is_migrated())).await
        }
    }
}

impl Store {
    async fn over(driver: impl Driver, settings: &StoreSettings) -> Result<Self, StoreError> {
        let adapter = adapter(driver, settings);
        let known = adapter.driver.known_migrations()?;
        let look = adapter.timed(move |session, _| {
            Box::pin(async move {
                let applied = applied_migrations(session, &known).await?;
                Ok(applied.is_some_and(|applied| applied.len() == known.len()))
            })
        });
        if adapter.run(call!("db.open"), Work::Read, look).await? {
            key_data::renew(&adapter).await?;
        }
        Ok(Self::of(adapter))
    }

    /// The same without a change of anything.
    async fn over_to_read(driver: impl Driver, settings: &StoreSettings) -> Result<Self, StoreError> {
        let adapter = adapter(driver, settings);
        let known = adapter.driver.known_migrations()?;
        let look = adapter.timed(move |session, _| {
            Box::pin(async move {
                let applied = applied_migrations(session, &known).await?.unwrap_or_default();
                Ok(known.into_iter().find(|version| !applied.contains(version)))
            })
        });
        match adapter.run(call!("db.open"), Work::Read, look).await? {
            Some(version) => Err(StoreError::Schema(format!(
                "it is older than this program, migration {version} is pending: stocktake migrate applies it"
            ))),
            None => Ok(Self::of(adapter)),
        }
    }

    fn of<D: Driver>(adapter: Arc<Adapter<D>>) -> Self {
        let clock = Arc::clone(&adapter.clock);
        Self {
            catalogue: adapter.clone(),
            queue: adapter.clone(),
            jobs: adapter.clone(),
            tokens: adapter.clone(),
            sessions: adapter.clone(),
            sync_state: adapter.clone(),
            conditions: adapter.clone(),
            orphan_walks: adapter,
            clock,
            writes_in_parallel: D::WRITES_IN_PARALLEL,
        }
    }
}

fn adapter<D: Driver>(driver: D, settings: &StoreSettings) -> Arc<Adapter<D>> {
    let clock = DatabaseClock::new(settings.clock.clone());
    Arc::new(Adapter { driver, clock, encryption: settings.encryption.clone() })
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
