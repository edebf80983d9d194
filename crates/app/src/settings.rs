//! The configuration: raw values from their layers, checked once into types that cannot be wrong.

mod layers;
mod reader;
mod show;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use stocktake_domain::{Algorithm, Model};
use stocktake_worker::Hours;

pub(crate) use layers::Override;
pub(crate) use show::show;

use layers::{Sources, Table};
use reader::Reader;
use values::{
    address, boolean, bytes, duration, filled_text, list, optional_address, optional_base_url, parsed, text,
    whole,
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
    pub(crate) worker: Worker,
    pub(crate) verification: Verification,
    pub(crate) storages: BTreeMap<String, Storage>,
    pub(crate) log: Log,
}

/// Section `database`.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    pub(crate) max_connections: u32,
    pub(crate) timeout: Duration,
}

/// Section `http`.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) external_url: Option<String>,
    pub(crate) workers: usize,
    pub(crate) offset_limit: u64,
    pub(crate) recalculation_deadline: Duration,
    pub(crate) max_body: usize,
    pub(crate) wrong_tokens_per_minute: u32,
    pub(crate) metrics_listen: Option<SocketAddr>,
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
    pub(crate) sign_of_life: Duration,
}

/// Section `verification`.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(crate) algorithm: Algorithm,
    pub(crate) per_model: BTreeMap<Model, Algorithm>,
    pub(crate) reverify_after: Duration,
    pub(crate) lease: Duration,
}

/// A section `storages.<name>` of kind `directory`.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) root: PathBuf,
    pub(crate) bytes_per_second: Option<NonZeroU64>,
    pub(crate) hours: Option<Hours>,
}

/// Section `log`.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    /// Whether nobody asked for this level.
    pub(crate) is_default: bool,
}

/// The configuration in force, raw and checked.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    table: Table,
}

/// Reads all layers of this process and checks them.
pub(crate) fn load(file: Option<&Path>, overrides: Vec<Override>) -> Result<Loaded, SettingsError> {
    load_from(&layers::process_sources(file, overrides))
}

fn load_from(sources: &Sources) -> Result<Loaded, SettingsError> {
    let table = layers::merge(sources)?;
    let settings = check(&table)?;
    Ok(Loaded { settings, table })
}

fn check(table: &Table) -> Result<Settings, SettingsError> {
    let mut reader = Reader::new(table);
    let settings = Settings {
        database: database(&mut reader)?,
        http: http(&mut reader)?,
        worker: worker(&mut reader)?,
        verification: verification(&mut reader)?,
        storages: storages(&mut reader)?,
        log: log(&mut reader)?,
    };
    reader.finish()?;
    for name in settings.worker.storages.iter().flatten() {
        if !settings.storages.contains_key(name) {
            return Err(reader.mistake(
                "worker.storages",
                &format!("names the storage {name:?}, which is not configured"),
            ));
        }
    }
    Ok(settings)
}

fn database(reader: &mut Reader<'_>) -> Result<Database, SettingsError> {
    Ok(Database {
        url: reader.get("database.url", filled_text)?.into(),
        max_connections: reader.get("database.max_connections", whole(1, 10_000))?,
        timeout: reader.get("database.timeout", duration(Duration::from_millis(10)))?,
    })
}

fn http(reader: &mut Reader<'_>) -> Result<Http, SettingsError> {
    Ok(Http {
        listen: reader.get("http.listen", address)?,
        external_url: reader.get("http.external_url", optional_base_url)?,
        workers: reader.get("http.workers", whole(0, 1_024))?,
        offset_limit: reader.get("http.offset_limit", whole(0, u64::from(u32::MAX)))?,
        recalculation_deadline: reader.get("http.recalculation_deadline", duration(Duration::ZERO))?,
        max_body: reader.get("http.max_body", |value| {
            bytes(value).and_then(|size| usize::try_from(size).map_err(|_| "is too large".to_owned()))
        })?,
        wrong_tokens_per_minute: reader.get("http.wrong_tokens_per_minute", whole(1, u64::from(u32::MAX)))?,
        metrics_listen: reader.get("http.metrics_listen", optional_address)?,
    })
}

fn worker(reader: &mut Reader<'_>) -> Result<Worker, SettingsError> {
    Ok(Worker {
        enabled: reader.get("worker.enabled", boolean)?,
        concurrency: reader.get("worker.concurrency", whole(0, 1_024))?,
        storages: Some(reader.get("worker.storages", list)?).filter(|names| !names.is_empty()),
        readers: reader.get("worker.readers", |value| {
            whole(1, 4_096)(value).map(|readers| NonZeroUsize::new(readers).unwrap_or(NonZeroUsize::MIN))
        })?,
        claim_size: reader.get("worker.claim_size", whole(1, 1_000))?,
        leases_per_storage: reader.get("worker.leases_per_storage", whole(1, 64))?,
        poll: reader.get("worker.poll", duration(Duration::from_millis(10)))?,
        sign_of_life: reader.get("worker.sign_of_life", duration(Duration::from_secs(1)))?,
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
        reverify_after: reader.get("verification.reverify_after", duration(Duration::from_secs(1)))?,
        lease: reader.get("verification.lease", duration(Duration::from_secs(1)))?,
    })
}

fn storages(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Storage>, SettingsError> {
    let names = reader.names_below("storages");
    names.into_iter().map(|name| storage(reader, &name).map(|storage| (name, storage))).collect()
}

fn storage(reader: &mut Reader<'_>, name: &str) -> Result<Storage, SettingsError> {
    let key = |field: &str| format!("storages.{name}.{field}");
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        let sentence = "the name of a storage has letters, digits, \"_\" and \"-\" only";
        return Err(reader.mistake(&format!("storages.{name}"), sentence));
    }
    if let Some(kind) = reader.optional(&key("kind"), text)? {
        match kind.as_str() {
            "directory" => {}
            "git" | "s3" | "registry" => {
                let sentence = format!("this build does not know the kind {kind:?} yet, only \"directory\"");
                return Err(reader.mistake(&key("kind"), &sentence));
            }
            _ => return Err(reader.mistake(&key("kind"), "must be \"directory\"")),
        }
    }
    Ok(Storage {
        root: reader.get(&key("root"), filled_text)?.into(),
        bytes_per_second: reader.optional(&key("bytes_per_second"), bytes)?.and_then(NonZeroU64::new),
        hours: reader
            .optional(&key("hours"), |value| match text(value)?.as_str() {
                "" => Ok(None),
                _ => parsed("must be daily hours such as \"22:00-06:00\"")(value).map(Some),
            })?
            .flatten(),
    })
}

fn log(reader: &mut Reader<'_>) -> Result<Log, SettingsError> {
    let level = reader.get("log.level", |value| {
        let level = filled_text(value)?;
        let wanted =
            "must be error, warn, info, debug or trace, or a list such as \"info,stocktake_worker=debug\"";
        tracing_subscriber::EnvFilter::try_new(&level).map(|_| level).map_err(|_| wanted.to_owned())
    })?;
    Ok(Log { level, is_default: reader.is_default("log.level") })
}

#[cfg(test)]
mod tests;
