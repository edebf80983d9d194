//! Praefect's database, which is only read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::ContentError;
use stocktake_domain::ports::{Found, FoundStream, ListError};
use stocktake_net::postgres::{NoAnswer, PostgresReader, PostgresUrlError, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// How long the database is waited for: for a connection, and for the answer to a statement.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The repositories at these paths, each with the storages to which it is assigned (none: to all), and the generation of
/// each of its replicas.
const REPOSITORIES: &str = "SELECT r.relative_path, coalesce(r.replica_path, r.relative_path), \
     ARRAY(SELECT a.storage FROM repository_assignments a WHERE a.repository_id = r.repository_id), \
     ARRAY(SELECT s.storage FROM storage_repositories s WHERE s.repository_id = r.repository_id ORDER BY s.storage), \
     ARRAY(SELECT s.generation FROM storage_repositories s WHERE s.repository_id = r.repository_id ORDER BY s.storage) \
     FROM repositories r WHERE r.virtual_storage = $1 AND r.relative_path = ANY ($2)";

const PATHS: &str = "SELECT relative_path FROM repositories WHERE relative_path COLLATE \"C\" > $1 \
     AND virtual_storage = $3 ORDER BY relative_path COLLATE \"C\" LIMIT $2";

const ANY: &str = "SELECT EXISTS (SELECT FROM repositories WHERE virtual_storage = $1)";

/// The database, as far as it is about one virtual storage.
#[derive(Debug, Clone)]
pub(super) struct Praefect {
    reader: PostgresReader,
    virtual_storage: String,
}

/// What Praefect knows of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// Where it lies on each node.
    pub(super) replica_path: String,
    /// The storages that must have it; none: all of the virtual storage.
    pub(super) assigned: Vec<String>,
    /// The generation of each replica, by its storage.
    pub(super) generations: BTreeMap<String, i64>,
}

impl Repository {
    /// The generation of what is newest.
    pub(super) fn newest(&self) -> Option<i64> {
        self.generations.values().copied().max()
    }
}

impl Praefect {
    /// Parses the URL; connects to nothing yet.
    pub(super) fn new(url: &SecretString, virtual_storage: String) -> Result<Self, PostgresUrlError> {
        Ok(Self { reader: PostgresReader::new(url.expose_secret(), TIMEOUT)?, virtual_storage })
    }

    /// Those of these repositories that there are, by their paths.
    pub(super) async fn repositories(
        &self,
        paths: &[&str],
    ) -> Result<HashMap<String, Repository>, ContentError> {
        let values: [Value<'_>; 2] = [(&self.virtual_storage, Type::TEXT), (&paths, Type::TEXT_ARRAY)];
        let found = self.reader.rows(REPOSITORIES, &values, repository).await;
        Ok(found.map_err(|none| ContentError::storage(no_answer(&none)))?.into_iter().collect())
    }

    /// Whether the virtual storage has any repository.
    pub(super) async fn has_any(&self) -> Result<bool, ContentError> {
        // All that is ever read, so that a missing right shows.
        self.repositories(&[]).await?;
        let values: [Value<'_>; 1] = [(&self.virtual_storage, Type::TEXT)];
        let found = self.reader.rows(ANY, &values, |row| row.try_get::<_, bool>(0)).await;
        Ok(found.map_err(|none| ContentError::storage(no_answer(&none)))?.contains(&true))
    }

    /// All repositories, in the byte order of their paths.
    pub(super) fn list(&self) -> FoundStream {
        let paths = self.reader.names(PATHS, vec![self.virtual_storage.clone()]);
        let found = paths.map_ok(|path| Found { path, size: None, modified_at: None });
        Box::pin(found.map_err(|none| ListError::Broken(no_answer(&none))))
    }
}

fn no_answer(none: &NoAnswer) -> String {
    format!("Praefect's database {none}")
}

fn repository(row: &Row) -> Result<(String, Repository), tokio_postgres::Error> {
    let storages: Vec<String> = row.try_get(3)?;
    let generations: Vec<i64> = row.try_get(4)?;
    let repository = Repository {
        replica_path: row.try_get(1)?,
        assigned: row.try_get(2)?,
        generations: storages.into_iter().zip(generations).collect(),
    };
    Ok((row.try_get(0)?, repository))
}
