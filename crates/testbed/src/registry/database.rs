//! The metadata database of GitLab's registry: those of its tables and columns that are read.

use crate::postgres::postgres;

const TABLES: &str = "
    CREATE TABLE repositories (id bigint, top_level_namespace_id bigint, path text, deleted_at timestamptz);
    CREATE TABLE manifests (id bigint, top_level_namespace_id bigint, repository_id bigint, digest bytea, payload bytea,
        created_at timestamptz DEFAULT now() - interval '1 day');
    CREATE TABLE repository_blobs (repository_id bigint, blob_digest bytea, created_at timestamptz);
    CREATE TABLE tags (id bigint, top_level_namespace_id bigint, repository_id bigint, manifest_id bigint, name text);";

/// Such a database, on the cluster of this process.
#[derive(Debug)]
pub struct RegistryDatabase {
    url: String,
}

impl RegistryDatabase {
    /// One without repositories.
    pub fn new() -> anyhow::Result<Self> {
        let database = Self { url: postgres().create_database()? };
        database.sql(TABLES)?;
        Ok(database)
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement.
    pub fn sql(&self, statement: &str) -> anyhow::Result<()> {
        postgres().sql(&self.url, statement).map(drop)
    }

    /// Adds a repository.
    pub fn add_repository(&self, id: u32, path: &str) -> anyhow::Result<()> {
        self.sql(&format!("INSERT INTO repositories VALUES ({id}, 1, '{path}', NULL)"))
    }

    /// Adds a manifest of these bytes to the repository of this number, and a tag if it is to have one.
    pub fn add_manifest(
        &self,
        repository: u32,
        tag: Option<&str>,
        digest: &str,
        payload: &[u8],
    ) -> anyhow::Result<()> {
        let (digits, payload) = (digest.trim_start_matches("sha256:"), hex::encode(payload));
        self.sql(&format!(
            "INSERT INTO manifests SELECT coalesce(max(id), 0) + 1, 1, {repository}, '\\x01{digits}', '\\x{payload}' FROM manifests"
        ))?;
        let Some(tag) = tag else { return Ok(()) };
        self.sql(&format!(
            "INSERT INTO tags SELECT max(id), 1, {repository}, max(id), '{tag}' FROM manifests"
        ))
    }
}
