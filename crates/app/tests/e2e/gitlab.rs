//! A whole GitLab as the source: its database, its files, its faults.

mod cluster;
mod installations;
mod report;
mod staying;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use stocktake_testbed::{
    GitlabFixture, GitlabOrphan, GitlabOutcome, GitlabRecord, GitlabServed, GitlabSetup, postgres,
};

use crate::documents::document;
use crate::support::{Database, Finished, Installation};

/// A GitLab, and a Stocktake that knows of it.
struct Fixture {
    gitlab: GitlabFixture,
    _served: GitlabServed,
    installation: Installation,
    /// The URL of GitLab's database.
    url: String,
    _folder: tempfile::TempDir,
}

impl Fixture {
    /// With the configuration that GitLab's Linux package has, on SQLite, and that of an installation from source, on
    /// `PostgreSQL`.
    fn new(database: Database) -> Self {
        Self::with(database, |_| String::new())
    }

    /// The same with more sections behind the source's, whose keys may come first.
    fn with(database: Database, more: impl FnOnce(&GitlabFixture) -> String) -> Self {
        Self::installed(database, &GitlabSetup::default(), |gitlab, served| {
            let configuration = match database {
                Database::Sqlite => &served.gitlab_rb,
                Database::Postgres => &served.gitlab_yml,
            };
            format!("{}{}", keys(configuration, &served.secrets), more(gitlab))
        })
    }

    /// A GitLab that is set up so; `configured` is the rest of the source's section, and those behind it.
    fn installed(
        database: Database,
        setup: &GitlabSetup<'_>,
        configured: impl FnOnce(&GitlabFixture, &GitlabServed) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = postgres().create_database().unwrap();
        // The name of a container's volume.
        let gitlab = GitlabFixture::write_as(&folder.path().join("data"), &url, setup).unwrap();
        let served = gitlab.serve().unwrap();
        let configured = configured(&gitlab, &served);
        let section = format!("[sources.gitlab]\ndatabase_url = {url:?}\n{configured}");
        let installation = Installation::with(database, &section);
        Self { gitlab, _served: served, installation, url, _folder: folder }
    }

    /// A statement in GitLab's database.
    fn sql(&self, statement: &str) {
        postgres().sql(&self.url, statement).unwrap();
    }

    /// The counts that `sync` prints, by model.
    fn sync(&self, words: &[&str]) -> BTreeMap<String, Value> {
        let words: Vec<&str> = ["sync", "--json"].iter().chain(words).copied().collect();
        let finished = self.installation.run(&words);
        document("sync", &finished);
        models(&finished)
    }

    /// All findings of a kind, by model and identifier.
    fn export(&self, words: &[&str]) -> BTreeMap<(String, i64), Value> {
        let words: Vec<&str> = ["export", "--json"].iter().chain(words).copied().collect();
        let text = self.installation.run(&words).success();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let Value::Array(found) = document["findings"].take() else { panic!("{text}") };
        let keyed = found.into_iter().map(|finding| {
            let model = finding["model_name"].as_str().unwrap().to_owned();
            ((model, finding["record_identifier"].as_i64().unwrap()), finding)
        });
        keyed.collect()
    }
}

fn models(finished: &Finished) -> BTreeMap<String, Value> {
    let document: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let models = document["models"].as_array().unwrap().clone();
    models.into_iter().map(|model| (model["model_name"].as_str().unwrap().to_owned(), model)).collect()
}

fn key(record: &GitlabRecord) -> (String, i64) {
    (record.model.to_owned(), record.id)
}

/// The orphans in a document, in order.
fn orphans(document: &Value) -> Vec<GitlabOrphan> {
    let listed = document["orphans"].as_array().unwrap().iter();
    let mut found: Vec<_> = listed
        .map(|orphan| GitlabOrphan {
            storage: orphan["storage"].as_str().unwrap().to_owned(),
            path: orphan["path"].as_str().unwrap().to_owned(),
            size: orphan["size"].as_u64(),
        })
        .collect();
    found.sort();
    found
}

/// The keys of these two files.
fn keys(configuration: &Path, secrets: &Path) -> String {
    let (configuration, secrets) = (configuration.display().to_string(), secrets.display().to_string());
    format!("configuration = {configuration:?}\nsecrets_file = {secrets:?}\n")
}

/// The records that end so.
fn ending(fixture: &Fixture, wanted: impl Fn(&GitlabOutcome) -> bool) -> Vec<&GitlabRecord> {
    fixture.gitlab.records.iter().filter(|record| wanted(&record.outcome)).collect()
}
