//! The database of the Praefect of a Gitaly Cluster.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::postgres::run_script;

/// The tables as Praefect has them, as far as they say where repositories are.
const TABLES: &str = "
    CREATE TABLE repositories (
        virtual_storage text NOT NULL, relative_path text NOT NULL, generation bigint, \"primary\" text,
        repository_id bigint PRIMARY KEY, replica_path text, UNIQUE (virtual_storage, relative_path));
    CREATE TABLE repository_assignments (
        virtual_storage text NOT NULL, relative_path text NOT NULL, storage text NOT NULL, repository_id bigint NOT NULL,
        PRIMARY KEY (virtual_storage, relative_path, storage));
    CREATE TABLE storage_repositories (
        virtual_storage text NOT NULL, relative_path text NOT NULL, storage text NOT NULL, generation bigint NOT NULL,
        repository_id bigint NOT NULL, verified_at timestamptz, PRIMARY KEY (virtual_storage, relative_path, storage));
";

/// A database of Praefect's, about one virtual storage.
#[derive(Debug)]
pub struct Praefect {
    /// Its URL.
    pub url: String,
    virtual_storage: String,
}

impl Praefect {
    /// Makes the tables in an empty database.
    pub fn create(url: &str, virtual_storage: &str) -> anyhow::Result<Self> {
        run_script(url, TABLES)?;
        Ok(Self { url: url.to_owned(), virtual_storage: virtual_storage.to_owned() })
    }

    /// Adds a repository with replicas of these generations on these storages, and assigns it to some; to all, if there
    /// are none. Returns the path of each replica.
    pub fn add(
        &self,
        id: u64,
        path: &str,
        generations: &[(&str, i64)],
        assigned: &[&str],
    ) -> anyhow::Result<String> {
        let replica = replica_path(id, path);
        let key = format!("'{}', '{path}'", self.virtual_storage);
        let mut script = format!(
            "INSERT INTO repositories (virtual_storage, relative_path, repository_id, replica_path)
             VALUES ({key}, {id}, '{replica}');"
        );
        for (storage, generation) in generations {
            write!(
                script,
                "INSERT INTO storage_repositories VALUES ({key}, '{storage}', {generation}, {id});"
            )?;
        }
        for storage in assigned {
            write!(script, "INSERT INTO repository_assignments VALUES ({key}, '{storage}', {id});")?;
        }
        run_script(&self.url, &script)?;
        Ok(replica)
    }
}

/// Where the replicas of a repository lie: those of pools apart.
fn replica_path(id: u64, path: &str) -> String {
    let digits = hex::encode(Sha256::digest(id.to_string()));
    let kind = if path.starts_with("@pools/") { "pools" } else { "repositories" };
    format!("@cluster/{kind}/{}/{}/{id}", &digits[..2], &digits[2..4])
}
