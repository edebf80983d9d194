//! The configuration: raw values from their layers, checked once into types that cannot be wrong.

mod files;
mod gitlab;
mod layers;
mod paths;
mod reader;
mod show;
mod sources;
mod storages;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use stocktake_content::Secrets;
use stocktake_diesel_storage::{Encryption, EncryptionKey, InvalidEncryptionKey};
use stocktake_domain::{Algorithm, Location, Model, SessionTerms};
use stocktake_source_gitlab::{GitlabAuthoritySettings, UnknownPlaces};
use stocktake_web::Network;
use toml::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::suggest;

pub(crate) use gitlab::Gitlab;
pub(crate) use show::{show, value_of, values};
pub(crate) use sources::Override;
pub(crate) use storages::{AtOnce, Cluster, Content, Storage};

use layers::Table;
use reader::Reader;
use sources::Sources;
use values::{
    address, boolean, bytes, duration, filled_text, list, networks, optional_address, optional_base_url,
    origins, parsed, positive, text, whole,
};

/// What is wrong with the configuration, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SettingsError(pub(crate) String);

/// The checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database: Database,
    pub(crate) http: Http,
    pub(crate) console: Console,
    pub(crate) worker: Worker,
    pub(crate) verification: Verification,
    pub(crate) storages: BTreeMap<String, Storage>,
    pub(crate) secrets: Secrets,
    pub(crate) gitlab: Option<Gitlab>,
    /// The GitLab whose administrators' tokens count here.
    pub(crate) authority: Option<GitlabAuthoritySettings>,
    pub(crate) log: Log,
    pub(crate) capacity: Capacity,
}

impl Settings {
    /// A sentence about a storage that is not configured.
    pub(crate) fn unknown_storage(&self, name: &str) -> String {
        let names: Vec<&str> = self.storages.keys().map(String::as_str).collect();
        if names.is_empty() {
            return format!(
                "there is no storage {name:?}, nor any other: stocktake init FOLDER configures one"
            );
        }
        suggest::unknown("storage", name, &names)
    }
}

/// Section `database`.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    pub(crate) max_connections: u32,
    pub(crate) timeout: Duration,
    pub(crate) encryption: Encryption,
}

impl Database {
    /// Whether it is a SQLite file.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// Section `http`.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) external_url: Option<String>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) offset_limit: u64,
    pub(crate) recalculation_deadline: Duration,
    pub(crate) max_body: usize,
    pub(crate) wrong_tokens_per_minute: u32,
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// Section `console`.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) enabled: bool,
    pub(crate) session: SessionTerms,
}

/// Section `worker`.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) enabled: bool,
    /// Hashing threads; 0: one per core.
    pub(crate) concurrency: usize,
    /// Only these storages; `None`: all.
    pub(crate) storages: Option<Vec<String>>,
    pub(crate) readers: NonZeroUsize,
    pub(crate) claim_size: u32,
    pub(crate) leases_per_storage: usize,
    pub(crate) poll: Duration,
    pub(crate) heartbeat_timeout: Duration,
}

/// Section `verification`.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(crate) algorithm: Algorithm,
    pub(crate) per_model: BTreeMap<Model, Algorithm>,
    /// Git repositories have Gitaly's checksum.
    pub(crate) gitaly: bool,
    pub(crate) reverify_after: Duration,
    pub(crate) lease: Duration,
    pub(crate) give_up_after: Duration,
}

/// Section `log`.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    /// Whether nobody asked for this level.
    pub(crate) is_default: bool,
}

/// What the process has room for: not configured, but fitted to what the system lets it have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    /// The most threads that read from all storages together.
    pub(crate) readers: NonZeroUsize,
    /// The most connections to the API.
    pub(crate) http_connections: usize,
    /// Threads of each kind of which there is one for each core.
    pub(crate) threads: NonZeroUsize,
}

/// The configuration in force, raw and checked.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// Warnings, a sentence each: keys that were renamed, and what could not be understood of a GitLab's configuration.
    pub(crate) notes: Vec<String>,
    table: Table,
    files: Vec<PathBuf>,
}

/// The keys that say where a storage is, in the order in which they are looked for.
const PLACES: [&str; 5] = ["root", "bucket", "container", "url", "endpoint"];

impl Loaded {
    /// The files that were read, later ones win.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether a value is of this file.
    pub(crate) fn has_values_of(&self, file: &Path) -> bool {
        self.table.values().any(|setting| setting.origin.file() == Some(file))
    }

    /// Where a storage is, without what is secret of it.
    pub(crate) fn place_of(&self, name: &str) -> Option<String> {
        PLACES.into_iter().find_map(|place| value_of(self, &format!("storages.{name}.{place}")))
    }

    /// Where a key's value comes from.
    pub(crate) fn origin_of(&self, key: &str) -> Option<String> {
        self.table.get(key).map(|setting| format!("{key}, {}", setting.origin))
    }

    /// The key that says where a storage is, with the place of its value, and whether that is a folder; `None` if there is no
    /// such storage.
    pub(crate) fn place_of_storage(&self, name: &str) -> Option<(String, bool)> {
        PLACES.into_iter().find_map(|place| {
            let key = format!("storages.{name}.{place}");
            let setting = self.table.get(&key).filter(|setting| !setting.is_empty_text())?;
            Some((format!("{key}, {}", setting.origin), place == "root"))
        })
    }
}

/// Reads all layers of this process and checks them.
pub(crate) fn load(file: Option<&Path>, overrides: Vec<Override>) -> Result<Loaded, SettingsError> {
    load_from(&layers::process_sources(file, overrides))
}

/// The file that this process is told to read, by the option or by the variable; `None` if it looks for one.
pub(crate) fn named_file(file: Option<&Path>) -> Option<PathBuf> {
    files::named(&layers::process_sources(file, Vec::new())).map(|file| file.path)
}

/// The value of an option as it means the same in a configuration file, wherever that lies.
pub(crate) fn value_in_file(key: &str, value: Value) -> std::io::Result<Value> {
    Ok(paths::below(&std::env::current_dir()?, key, value))
}

/// What the program itself says, whatever is configured.
pub(crate) fn load_defaults(overrides: Vec<Override>) -> Result<Loaded, SettingsError> {
    load_from(&Sources { overrides, ..Sources::default() })
}

/// The name of the storage that [`load_for_folder`] makes.
pub(crate) const CHECKED: &str = "folder";

/// What the program itself says, whatever is configured, and this folder as the only storage.
pub(crate) fn load_for_folder(folder: &Path, mut overrides: Vec<Override>) -> Result<Loaded, SettingsError> {
    let canonical = std::fs::canonicalize(folder).map_err(|error| {
        SettingsError(format!("{} cannot be looked at: {error}; is it mounted?", folder.display()))
    })?;
    if !canonical.is_dir() {
        return Err(SettingsError(format!("{} is not a folder", folder.display())));
    }
    // The path itself need not be a text.
    overrides.push(("storages.folder.root", Value::from("."), "PATH"));
    let mut loaded = load_defaults(overrides)?;
    for storage in loaded.settings.storages.values_mut() {
        if let Content::Directory(directory) = &mut storage.content {
            directory.root.clone_from(&canonical);
        }
    }
    Ok(loaded)
}

fn load_from(sources: &Sources) -> Result<Loaded, SettingsError> {
    let layers::Merged { mut table, files } = layers::merge(sources)?;
    let mut notes = layers::rename_old_keys(&mut table);
    let gitlab::Derived { notes: more, unknown } = gitlab::derive(&mut table)?;
    notes.extend(more);
    let settings = check(&table, unknown)?;
    Ok(Loaded { settings, notes, table, files })
}

fn check(table: &Table, unknown: UnknownPlaces) -> Result<Settings, SettingsError> {
    let mut reader = Reader::new(table);
    let mut settings = Settings {
        database: database(&mut reader)?,
        http: http(&mut reader)?,
        console: console(&mut reader)?,
        worker: worker(&mut reader)?,
        verification: verification(&mut reader)?,
        storages: BTreeMap::new(),
        secrets: secrets(&mut reader)?,
        gitlab: None,
        authority: gitlab::authority(&mut reader)?,
        log: log(&mut reader)?,
        capacity: Capacity { readers: NonZeroUsize::MIN, http_connections: 1, threads: NonZeroUsize::MIN },
    };
    settings.storages = storages::storages(&mut reader, settings.worker.readers)?;
    settings.gitlab = gitlab::read(&mut reader, &settings.storages, unknown)?;
    reader.finish()?;
    for name in settings.worker.storages.iter().flatten() {
        if !settings.storages.contains_key(name) {
            return Err(reader.mistake("worker.storages", &settings.unknown_storage(name)));
        }
    }
    if settings.gitlab.is_some() {
        // Records whose storage cannot be told are for whoever reads the rows.
        settings.worker.storages.iter_mut().for_each(|names| names.push(Location::UNKNOWN.to_owned()));
    }
    Ok(settings)
}

fn database(reader: &mut Reader<'_>) -> Result<Database, SettingsError> {
    Ok(Database {
        url: reader
            .secret("database.url")?
            .ok_or_else(|| reader.mistake("database.url", "must not be empty"))?,
        max_connections: reader.get("database.max_connections", whole(1, 10_000))?,
        timeout: reader.get("database.timeout", duration(Duration::from_millis(10)))?,
        encryption: encryption(reader)?,
    })
}

fn encryption(reader: &mut Reader<'_>) -> Result<Encryption, SettingsError> {
    let mut keys = |setting: &str| {
        let secret = reader.secret(setting)?;
        let texts = secret.iter().flat_map(|secret| secret.expose_secret().split(','));
        let key = |text: &str| text.trim().parse();
        let keys: Result<Vec<EncryptionKey>, InvalidEncryptionKey> = texts.map(key).collect();
        keys.map_err(|error| reader.mistake(setting, &error.to_string()))
    };
    let (mut current, former) = (keys("database.encryption_key")?, keys("database.encryption_keys_old")?);
    if current.len() > 1 {
        return Err(reader.mistake("database.encryption_key", "must be one key"));
    }
    Ok(Encryption::new(current.pop(), former))
}

fn http(reader: &mut Reader<'_>) -> Result<Http, SettingsError> {
    Ok(Http {
        listen: reader.get("http.listen", address)?,
        external_url: reader.get("http.external_url", optional_base_url)?,
        trusted_proxies: reader.get("http.trusted_proxies", networks)?,
        cors_origins: reader.get("http.cors_origins", origins)?,
        workers: reader.get("http.workers", whole(0, 512))?,
        offset_limit: reader.get("http.offset_limit", whole(0, u64::from(u32::MAX)))?,
        recalculation_deadline: reader.get("http.recalculation_deadline", duration(Duration::ZERO))?,
        max_body: reader.get("http.max_body", |value| {
            bytes(value).and_then(|size| usize::try_from(size).map_err(|_| "is too large".to_owned()))
        })?,
        wrong_tokens_per_minute: reader.get("http.wrong_tokens_per_minute", whole(0, u64::from(u32::MAX)))?,
        metrics_listen: reader.get("http.metrics_listen", optional_address)?,
    })
}

fn console(reader: &mut Reader<'_>) -> Result<Console, SettingsError> {
    let at_least = Duration::from_secs(60);
    Ok(Console {
        enabled: reader.get("console.enabled", boolean)?,
        session: SessionTerms {
            idle: reader.get("console.idle_expiry", duration(at_least))?,
            longest: reader.get("console.absolute_expiry", duration(at_least))?,
        },
    })
}

fn worker(reader: &mut Reader<'_>) -> Result<Worker, SettingsError> {
    Ok(Worker {
        enabled: reader.get("worker.enabled", boolean)?,
        concurrency: reader.get("worker.concurrency", whole(0, 1_024))?,
        storages: Some(reader.get("worker.storages", list)?).filter(|names| !names.is_empty()),
        readers: reader.get("worker.readers", positive(4_096))?,
        claim_size: reader.get("worker.claim_size", whole(1, 1_000))?,
        leases_per_storage: reader.get("worker.leases_per_storage", whole(1, 64))?,
        poll: reader.get("worker.poll", duration(Duration::from_millis(10)))?,
        heartbeat_timeout: reader.get("worker.heartbeat_timeout", duration(Duration::from_secs(1)))?,
    })
}

fn verification(reader: &mut Reader<'_>) -> Result<Verification, SettingsError> {
    let algorithm = || parsed::<Algorithm>("must be \"sha256\" or \"md5\"");
    let mut per_model = BTreeMap::new();
    for name in reader.names_below("verification.models") {
        let key = format!("verification.models.{name}.algorithm");
        let chosen = reader.get(&key, algorithm())?;
        let model = name
            .parse()
            .map_err(|error: stocktake_domain::UnknownModel| reader.mistake(&key, &error.to_string()))?;
        per_model.insert(model, chosen);
    }
    Ok(Verification {
        algorithm: reader.get("verification.algorithm", algorithm())?,
        per_model,
        gitaly: reader.get("verification.repository_checksum", |value| match text(value)?.as_str() {
            "refs" => Ok(false),
            "gitaly" => Ok(true),
            _ => Err("must be \"refs\" or \"gitaly\"".to_owned()),
        })?,
        reverify_after: reader.get("verification.reverify_after", duration(Duration::from_secs(1)))?,
        lease: reader.get("verification.lease", duration(Duration::from_secs(1)))?,
        give_up_after: reader.get("verification.give_up_after", duration(Duration::ZERO))?,
    })
}

fn secrets(reader: &mut Reader<'_>) -> Result<Secrets, SettingsError> {
    Ok(Secrets { db_key_base: reader.secret("secrets.db_key_base")? })
}

fn log(reader: &mut Reader<'_>) -> Result<Log, SettingsError> {
    let level = reader.get("log.level", |value| {
        let level = filled_text(value)?;
        let wanted =
            "must be error, warn, info, debug or trace, or a list such as \"info,stocktake_worker=debug\"";
        // The filter itself would take a level that it does not know for the name of a crate.
        let is_known = level.split(',').all(|part| {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
            level.trim().parse::<LevelFilter>().is_ok()
        });
        let filter = EnvFilter::try_new(&level).ok().filter(|_| is_known);
        filter.map(|_| level).ok_or_else(|| wanted.to_owned())
    })?;
    Ok(Log { level, is_default: reader.is_default("log.level") })
}

#[cfg(test)]
mod tests;
