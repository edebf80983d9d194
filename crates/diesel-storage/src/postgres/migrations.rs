//! The migrations for PostgreSQL.

use std::time::Duration;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::ExposeSecret as _;
use stocktake_domain::ports::StoreError;

use super::connect::{Connector, Patience};
use super::session::explain;
use super::takes_no_changes;
use crate::error::{DbError, refuse_unknown};
use crate::settings::StoreSettings;
use crate::sql::Sql;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Ours among the database's advisory locks ("stkmig" in ASCII).
const LOCK: i64 = 0x7374_6b6d_6967;

const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// The versions that this program knows.
pub(super) fn known() -> Result<Vec<String>, DbError> {
    let migrations = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS);
    let migrations = migrations.map_err(|error| DbError::data(error.to_string()))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Applies what is pending; returns the names.
pub(crate) async fn migrate(settings: &StoreSettings) -> Result<Vec<String>, StoreError> {
    let connector = Connector::new(settings.url.expose_secret(), settings.timeout)?;
    let mut connection = connector.connect(Patience::Unlimited).await?;
    // By trying, not by waiting: a statement that waits would hold up an index built meanwhile.
    while !try_lock(&mut connection).await? {
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    let read_only = Sql::<Bool>::new("SELECT current_setting('transaction_read_only') = 'on'");
    let read_only: QueryResult<bool> = read_only.get_result(&mut connection).await;
    if read_only.map_err(DbError::from)? {
        return Err(takes_no_changes());
    }
    let encoding = Sql::<Text>::new("SELECT current_setting('server_encoding')");
    let encoding: QueryResult<String> = encoding.get_result(&mut connection).await;
    let encoding = encoding.map_err(DbError::from)?;
    // The harness blocks, which only a thread made for it may. The lock ends with the connection.
    let applied = tokio::task::spawn_blocking(move || apply(connection, &encoding)).await;
    Ok(applied.map_err(|error| StoreError::Internal(error.into()))??)
}

async fn try_lock(connection: &mut AsyncPgConnection) -> Result<bool, StoreError> {
    let query = Sql::<Bool>::new("SELECT pg_try_advisory_lock(?)").bind(LOCK);
    match query.get_result(connection).await {
        Ok(locked) => Ok(locked),
        Err(error) => Err(explain(connection, error.into()).await),
    }
}

fn apply(connection: AsyncPgConnection, encoding: &str) -> Result<Vec<String>, DbError> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| DbError::data(error.to_string());
    let mut harness = AsyncMigrationHarness::new(connection);
    let applied = harness.applied_migrations().map_err(refused)?;
    refuse_unknown(&known()?, applied.iter().map(ToString::to_string))?;
    // One that is in use goes on; SQL_ASCII keeps every byte.
    if applied.is_empty() && !["UTF8", "SQL_ASCII"].contains(&encoding) {
        return Err(DbError::Schema(format!(
            "the encoding of this database is {encoding}, in which not every name can be kept; make one with UTF8, for \
             example createdb --encoding=UTF8 --template=template0"
        )));
    }
    let pending = harness.pending_migrations(MIGRATIONS).map_err(refused)?;
    let mut names = Vec::new();
    for migration in pending {
        harness.run_migration(&migration).map_err(refused)?;
        names.push(migration.name().to_string());
    }
    Ok(names)
}
