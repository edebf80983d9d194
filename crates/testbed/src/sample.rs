//! A small installation to look at: records of all models on every kind of storage, files of mixed sizes, and one
//! of each kind of damage.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::registry::{Registry, RegistrySetup};
use crate::s3::S3Server;

mod blobs;
mod objects;
mod repositories;
mod special;

/// `created_at` of the first record: 2025-02-05T11:00 and as many minutes as its number.
const DAY: &str = "2025-02-05";

/// The secret of the instance that the sample's encrypted files are from.
const DB_KEY_BASE: &str = "db-key-base-of-the-sample";

/// The bucket of the objects.
const BUCKET: &str = "stocktake-sample";

/// What a checksum finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The content is what it was when it was stored; the checksum that is shown.
    Succeeded(String),
    /// It ends `failed`.
    Failed {
        /// The kind of failure: `missing`, `altered`, `unreadable` or `invalid`.
        kind: &'static str,
        /// The text.
        text: String,
    },
}

/// One record and what becomes of it.
#[derive(Debug, Clone)]
pub struct SampleRecord {
    /// The model, for example `uploads`.
    pub model: &'static str,
    /// The identifier as in a path: an integer in decimal, a composite key in base64.
    pub identifier: String,
    /// The line for `stocktake import`.
    pub line: String,
    /// What a checksum finds.
    pub outcome: Outcome,
}

/// The installation.
#[derive(Debug)]
pub struct Sample {
    /// All records, by model and in the order of their keys.
    pub records: Vec<SampleRecord>,
    folder: PathBuf,
}

/// The servers that some of the sample's storages need. They stop when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// The sections of the configuration that name the sample's storages and secrets.
    pub configuration: String,
    /// The object storage.
    pub s3: S3Server,
    /// The container registry; `None` if there is no such program on this machine, and its directory is read.
    pub registry: Option<Registry>,
}

impl Sample {
    /// The models that have records, in the order of [`Sample::records`].
    pub fn models(&self) -> Vec<&'static str> {
        let mut models: Vec<_> = self.records.iter().map(|record| record.model).collect();
        models.dedup();
        models
    }

    /// The records of one model.
    pub fn of(&self, model: &str) -> impl Iterator<Item = &SampleRecord> {
        self.records.iter().filter(move |record| record.model == model)
    }

    /// Writes the installation below `folder`, which must not hold one yet: the same in every run.
    pub fn write(folder: &Path) -> anyhow::Result<Self> {
        let root = |name: &str| folder.join(name);
        let mut records = blobs::write(folder)?;
        records.extend(special::write(&root("main"))?);
        records.extend(objects::write(&root("objects"))?);
        records.extend(repositories::write_git(&root("repositories"))?);
        records.extend(repositories::write_images(&root("registry"))?);
        // Stable: within a model they stay in the order of their keys.
        records.sort_by_key(|record| record.model);
        Ok(Self { records, folder: folder.to_owned() })
    }

    /// The folder of the storage of this name.
    pub fn root(&self, storage: &str) -> PathBuf {
        self.folder.join(storage)
    }

    /// Starts the servers.
    pub fn serve(&self) -> anyhow::Result<Served> {
        let s3 = S3Server::start(&self.root("objects"))?;
        let folder = Some(self.root("registry"));
        let setup = RegistrySetup { folder, ..RegistrySetup::default() };
        let registry = Registry::is_installed().then(|| Registry::start(&setup)).transpose()?;
        let mut configuration = String::new();
        for (name, kind) in [("main", "directory"), ("artifacts", "directory"), ("repositories", "git")] {
            section(&mut configuration, name, kind, &[("root", &self.root(name).display().to_string())])?;
        }
        section(
            &mut configuration,
            "objects",
            "s3",
            &[
                ("endpoint", &s3.endpoint()),
                ("bucket", BUCKET),
                ("access_key_id", S3Server::ACCESS_KEY),
                ("secret_access_key", S3Server::SECRET_KEY),
            ],
        )?;
        // The server is this machine's own.
        writeln!(configuration, "plain_http = true")?;
        if let Some(registry) = &registry {
            section(&mut configuration, "registry", "registry", &[("url", &registry.url())])?;
        } else {
            let root = self.root("registry").display().to_string();
            section(&mut configuration, "registry", "registry-directory", &[("root", &root)])?;
        }
        writeln!(configuration, "\n[secrets]\ndb_key_base = {DB_KEY_BASE:?}")?;
        Ok(Served { configuration, s3, registry })
    }
}

fn section(text: &mut String, name: &str, kind: &str, keys: &[(&str, &str)]) -> std::fmt::Result {
    write!(text, "\n[storages.{name}]\nkind = {kind:?}\n")?;
    // Rust's form of a text is TOML's as well, as far as there are no control characters.
    keys.iter().try_for_each(|(key, value)| writeln!(text, "{key} = {value:?}"))
}

/// A primary key.
#[derive(Debug, Clone, Copy)]
enum Key {
    Integer(u64),
    Composite(u64, u64),
}

impl Key {
    fn first(self) -> u64 {
        match self {
            Self::Integer(first) | Self::Composite(first, _) => first,
        }
    }

    fn in_path(self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Composite(first, second) => URL_SAFE.encode(format!("{first} {second}")),
        }
    }
}

/// What an import line says of a record.
#[derive(Debug, Clone, Copy)]
struct Stored<'a> {
    storage: &'a str,
    path: &'a str,
    size: Option<u64>,
    /// SHA-256.
    digest: Option<&'a str>,
    rule: Option<&'a str>,
}

impl<'a> Stored<'a> {
    fn at(storage: &'a str, path: &'a str) -> Self {
        Self { storage, path, size: None, digest: None, rule: None }
    }
}

impl SampleRecord {
    fn new(model: &'static str, key: Key, stored: &Stored<'_>, outcome: Outcome) -> Self {
        let identifier = match key {
            Key::Integer(number) => number.to_string(),
            Key::Composite(..) => format!("\"{}\"", key.in_path()),
        };
        let minute = key.first() % 60;
        let Stored { storage, path, size, digest, rule } = stored;
        let size = size.map(|size| format!(r#""file_size":{size},"#)).unwrap_or_default();
        let digest =
            digest.map(|digest| format!(r#","expected_checksum":"sha256:{digest}""#)).unwrap_or_default();
        let rule = rule.map(|rule| format!(r#","rule":"{rule}""#)).unwrap_or_default();
        let line = format!(
            r#"{{"record_identifier":{identifier},"created_at":"{DAY}T11:{minute:02}:10.173Z",{size}"storage":"{storage}","path":"{path}"{digest}{rule}}}"#
        );
        Self { model, identifier: key.in_path(), line, outcome }
    }
}

/// Of no two records the same, so that no two files are, but the empty ones.
fn seed(model: &str, key: Key) -> u64 {
    model.bytes().fold(key.first(), |seed, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn the_sample_is_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        assert_eq!(sample.models().len(), 20);
        let failed = sample.records.iter().filter(|record| matches!(record.outcome, Outcome::Failed { .. }));
        assert_eq!(failed.count(), 4);
        let keys: BTreeSet<_> =
            sample.records.iter().map(|record| (record.model, &record.identifier)).collect();
        assert_eq!(keys.len(), sample.records.len());
    }

    #[test]
    fn it_is_the_same_each_time() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let records = |folder: &Path| {
            let sample = Sample::write(folder).unwrap();
            let lines = sample.records.into_iter().map(|record| record.line);
            lines.collect::<Vec<_>>()
        };
        assert_eq!(records(one.path()), records(other.path()));
    }

    #[test]
    fn good_records_have_the_digest_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        let artifact = sample.of("ci_job_artifacts").next().unwrap();
        assert_eq!(artifact.identifier, "MSAxMDA=");
        let content = fs::read(folder.path().join("artifacts/01/0001/artifacts.zip")).unwrap();
        let digest = hex::encode(Sha256::digest(content));
        assert!(artifact.line.contains(&format!("\"sha256:{digest}\"")), "{}", artifact.line);
        assert_eq!(artifact.outcome, Outcome::Succeeded(digest));
    }
}
