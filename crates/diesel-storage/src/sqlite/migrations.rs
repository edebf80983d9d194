//! The migrations for SQLite.

use std::path::PathBuf;
use std::time::Duration;

use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use stocktake_domain::ports::StoreError;
use tokio::runtime::Handle;

use super::connect::{blocking, open_or_make};
use super::error::explain;
use crate::error::{DbError, refuse_unknown};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The versions that this program knows.
pub(super) fn known() -> Result<Vec<String>, DbError> {
    let migrations = diesel::migration::MigrationSource::<Sqlite>::migrations(&MIGRATIONS);
    let migrations = migrations.map_err(|error| DbError::data(error.to_string()))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Applies what is pending; returns the names.
pub(crate) async fn migrate(path: PathBuf, timeout: Duration) -> Result<Vec<String>, StoreError> {
    blocking(&Handle::current(), move || {
        let mut connection = open_or_make(&path, timeout)?;
        let applied = connection.exclusive_transaction(apply);
        applied.map_err(|error| explain(&path, error))
    })
    .await?
}

/// Alone in the database, so that of two at once the second finds nothing pending.
fn apply(connection: &mut SqliteConnection) -> Result<Vec<String>, DbError> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| DbError::data(error.to_string());
    let applied = connection.applied_migrations().map_err(refused)?;
    refuse_unknown(&known()?, applied.iter().map(ToString::to_string))?;
    let pending = connection.pending_migrations(MIGRATIONS).map_err(refused)?;
    let mut names = Vec::new();
    for migration in pending {
        connection.run_migration(&migration).map_err(refused)?;
        names.push(migration.name().to_string());
    }
    Ok(names)
}
