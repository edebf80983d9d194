//! Section `sources.gitlab`: the database of a GitLab, and the storages that follow from how it is installed.
//!
//! GitLab's places are storages like any other, under fixed names: `gitlab-<place>` is the local folder of a place,
//! `gitlab-<place>-objects` its bucket, `gitlab-git-<name>` a storage of Gitaly's, `gitlab-registry` the registry and
//! `gitlab-public` the folder of local attestations. What GitLab's own configuration says of them is one more layer
//! of the configuration, the lowest: whatever a section `storages.gitlab-…` says counts instead.

mod places;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stocktake_domain::ObjectType;
use stocktake_gitlab_config::{Installation, InstallationError, Unknown, Version};
use stocktake_source_gitlab::{GitlabAuthoritySettings, GitlabSettings, Storages, Stores, UnknownPlaces};
use toml::Value;

use super::layers::{Origin, Setting, Table};
use super::reader::Reader;
use super::values::{boolean, duration, optional_base_url, text, whole};
use super::{Content, SettingsError, Storage};

/// Where a GitLab's records are read, and how often.
#[derive(Debug)]
pub(crate) struct Gitlab {
    pub(crate) source: GitlabSettings,
    /// How often new rows are looked for.
    pub(crate) interval: Duration,
    /// In which time all rows are looked at once.
    pub(crate) full_scan: Duration,
}

const SECTION: &str = "sources.gitlab";

/// The installations that are known, by name.
const INSTALLATIONS: [&str; 5] = ["omnibus", "docker", "helm", "source", "none"];

/// What a GitLab's own configuration says beside the keys of the table.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// What could not be understood, a sentence each.
    pub(super) notes: Vec<String>,
    /// Why some places are unknown.
    pub(super) unknown: UnknownPlaces,
}

/// The files of a GitLab's own configuration.
struct Files {
    configuration: Option<PathBuf>,
    secrets: Option<PathBuf>,
    /// Where a container's variable `GITLAB_OMNIBUS_CONFIG` is.
    variable: Option<PathBuf>,
}

/// Adds to the table what a GitLab's own configuration says, where nothing else does. Nothing, if neither a database nor a
/// configuration of GitLab's is named.
pub(super) fn derive(table: &mut Table) -> Result<Derived, SettingsError> {
    let named = |key: &str| {
        let setting = table.get(&format!("{SECTION}.{key}"))?;
        text(setting.plain()?).ok().filter(|text| !text.is_empty())
    };
    let is_unset = |key: &str| table.get(&format!("{SECTION}.{key}")).is_none_or(Setting::is_empty_text);
    let mut files = Files {
        configuration: named("configuration").map(PathBuf::from),
        secrets: named("secrets_file").map(PathBuf::from),
        variable: named("omnibus_config").map(PathBuf::from),
    };
    if is_unset("database_url") && files.configuration.is_none() && files.variable.is_none() {
        return Ok(Derived::default());
    }
    let name = named("installation").unwrap_or_default();
    let built_in = match name.as_str() {
        "omnibus" => Installation::omnibus(),
        "docker" => {
            let volumes = PathBuf::from(named("volumes").unwrap_or_default());
            files.find_below(&volumes);
            Installation::docker(&volumes)
        }
        "source" => Installation::source(),
        "helm" | "none" => Installation::none(),
        // A wrong name is told when the section is checked.
        _ => return Ok(Derived::default()),
    };
    let built_in = built_in.with_kubernetes_secrets(named("kubernetes_secrets").map(PathBuf::from));
    let built_in = built_in.of_version(named("version").as_deref().and_then(Version::parse));
    let steps = read_files(built_in, &name, &files).map_err(|error| SettingsError(error.to_string()))?;
    let Some((installation, _)) = steps.last() else { return Ok(Derived::default()) };
    let unknown: Vec<Unknown> = installation.unknown().cloned().collect();
    let is_said = |key: &str| table.get(key).is_some_and(|own| !own.is_empty_text());
    let mut notes: Vec<String> =
        places::notes(installation).chain(installation.notes.iter().cloned()).collect();
    notes.extend(places::unknown_notes(&unknown, is_said));
    let unknown = places::unknown(installation);
    let said: Vec<_> = steps.iter().map(|(step, told)| (places::said(step), told)).collect();
    // Each value is from the first that says it so.
    let origin = |key: &String, value: &Value| {
        said.iter().find(|(said, _)| said.get(key) == Some(value)).map(|(_, told)| (*told).clone())
    };
    let told = places::said(installation).into_iter().map(|(key, value)| {
        let origin = Origin::Gitlab(origin(&key, &value).unwrap_or_default());
        let setting = Setting::new(&key, value, origin);
        (key, setting)
    });
    places::underlay(table, told.collect());
    places::complete_kinds(table, installation);
    insert_uploads_folders(table, installation);
    Ok(Derived { notes, unknown })
}

/// What an installation is after each file that was read, and the name of the file.
fn read_files(
    built_in: Installation,
    name: &str,
    files: &Files,
) -> Result<Vec<(Installation, String)>, InstallationError> {
    let told = |file: &PathBuf| format!("GitLab's {}", file.display());
    let mut installation = built_in.clone();
    let mut steps = vec![(built_in.settled(), format!("GitLab, installed as {name:?}"))];
    if name == "docker" || files.variable.is_some() {
        if let Some(variable) = &files.variable {
            let alone = installation.clone().read_container(Some(variable), None)?;
            steps.push((alone.settled(), told(variable)));
        }
        let (variable, file) = (files.variable.as_deref(), files.configuration.as_deref());
        installation = installation.read_container(variable, file)?;
        if let Some(file) = &files.configuration {
            steps.push((installation.clone().settled(), told(file)));
        }
    } else if let Some(file) = &files.configuration {
        installation = installation.read(file)?;
        steps.push((installation.clone().settled(), told(file)));
    }
    if let Some(file) = &files.secrets {
        installation = installation.read_secrets(file)?;
        steps.push((installation.settled(), told(file)));
    }
    Ok(steps)
}

impl Files {
    /// A container's files are in its volume `config`, if no others are named.
    fn find_below(&mut self, volumes: &Path) {
        let find = |name: &str| {
            let file = volumes.join("config").join(name);
            // One that cannot be looked at is told when it is read.
            file.try_exists().unwrap_or(true).then_some(file)
        };
        self.configuration = self.configuration.take().or_else(|| find("gitlab.rb"));
        self.secrets = self.secrets.take().or_else(|| find("gitlab-secrets.json"));
    }
}

/// Very old uploads name their folder by its absolute path, which no storage's section can say.
fn insert_uploads_folders(table: &mut Table, installation: &Installation) {
    let key = format!("{SECTION}.uploads_folders");
    let is_unset = table
        .get(&key)
        .is_none_or(|setting| matches!(setting.plain(), Some(Value::Array(items)) if items.is_empty()));
    if is_unset && !installation.uploads_folders.is_empty() {
        let origin = Origin::Gitlab("GitLab's installation".to_owned());
        let folders = Value::from(installation.uploads_folders.clone());
        let setting = Setting::new(&key, folders, origin);
        table.insert(key, setting);
    }
}

/// The section, checked; `None` without a database. `storages` are all that are configured.
pub(super) fn read(
    reader: &mut Reader<'_>,
    storages: &BTreeMap<String, Storage>,
    unknown: UnknownPlaces,
) -> Result<Option<Gitlab>, SettingsError> {
    let key = |name: &str| format!("{SECTION}.{name}");
    let url = reader.secret(&key("database_url"))?;
    let ci_database_url = reader.secret(&key("ci_database_url"))?;
    let sec_database_url = reader.secret(&key("sec_database_url"))?;
    let praefect_database_url = reader.secret(&key("praefect_database_url"))?;
    let wanted = INSTALLATIONS.map(|name| format!("{name:?}")).join(", ");
    reader.get(&key("installation"), |value| {
        let name = text(value)?;
        if INSTALLATIONS.contains(&name.as_str()) { Ok(()) } else { Err(format!("must be one of {wanted}")) }
    })?;
    reader.get(&key("configuration"), text)?;
    reader.get(&key("secrets_file"), text)?;
    reader.get(&key("omnibus_config"), text)?;
    reader.get(&key("volumes"), text)?;
    reader.get(&key("kubernetes_secrets"), text)?;
    reader.get(&key("version"), |value| {
        let version = text(value)?;
        let is_version = version.is_empty() || Version::parse(&version).is_some();
        if is_version { Ok(()) } else { Err("must be a version like \"18.5\"".to_owned()) }
    })?;
    let uploads_folders = reader.get(&key("uploads_folders"), super::values::list)?;
    let interval = reader.get(&key("interval"), duration(Duration::from_secs(1)))?;
    let full_scan = reader.get(&key("full_scan"), duration(Duration::from_secs(1)))?;
    let batch_size = reader.get(&key("batch_size"), whole::<u32>(1, 100_000))?;
    let statement_timeout = reader.get(&key("statement_timeout"), duration(Duration::from_millis(100)))?;
    let Some(database_url) = url else { return Ok(None) };
    let source = GitlabSettings {
        database_url,
        ci_database_url,
        sec_database_url,
        praefect_database_url,
        storages: Storages { unknown, ..places_of(storages, uploads_folders) },
        batch_size: NonZeroU32::new(batch_size).unwrap_or(NonZeroU32::MIN),
        statement_timeout,
    };
    Ok(Some(Gitlab { source, interval, full_scan }))
}

/// Section `auth`: the GitLab whose tokens count here as well.
pub(super) fn authority(reader: &mut Reader<'_>) -> Result<Option<GitlabAuthoritySettings>, SettingsError> {
    let url = reader.get("auth.gitlab_url", optional_base_url)?;
    let allows_plain_http = reader.get("auth.allow_plain_http", boolean)?;
    if url.as_ref().is_some_and(|url| url.starts_with("http:")) && !allows_plain_http {
        let why = "would send the tokens of administrators unencrypted; use https, or set auth.allow_plain_http = true";
        return Err(reader.mistake("auth.gitlab_url", why));
    }
    let certificates = reader.get("auth.ca_certificates", text)?;
    let ca_certificates = Some(certificates).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(url.map(|url| GitlabAuthoritySettings { url, ca_certificates }))
}

/// Which of the configured storages hold what GitLab's rows speak of.
fn places_of(storages: &BTreeMap<String, Storage>, mut uploads_folders: Vec<String>) -> Storages {
    let configured = |name: String| storages.contains_key(&name).then_some(name);
    let files = ObjectType::ALL.into_iter().map(|object_type| {
        let stores = Stores {
            local: configured(places::local(object_type)),
            object: configured(places::bucket(object_type)),
        };
        (object_type, stores)
    });
    if let Some(Content::Directory(settings)) =
        storages.get(&places::local(ObjectType::Uploads)).map(|storage| &storage.content)
    {
        uploads_folders.push(settings.root.display().to_string());
    }
    let prefix = places::git("");
    let clusters = storages.values().filter_map(|storage| match &storage.content {
        Content::Cluster(cluster) => Some(&cluster.replicas),
        _ => None,
    });
    let replicas: BTreeMap<String, String> =
        clusters.flatten().map(|(gitaly, name)| (name.clone(), gitaly.clone())).collect();
    let git = storages.keys().filter(|name| !replicas.contains_key(*name));
    let git = git.filter_map(|name| Some((name.strip_prefix(&prefix)?.to_owned(), name.clone())));
    Storages {
        files: files.collect(),
        public: configured(places::PUBLIC.to_owned()),
        uploads_folders,
        git: git.collect(),
        replicas,
        registry: configured(places::REGISTRY.to_owned()),
        unknown: UnknownPlaces::default(),
    }
}

#[cfg(test)]
mod tests;
