//! GitLab's places as sections of the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::ObjectType;
use stocktake_gitlab_config::{
    AwsCredentials, Bucket, Connection, Fact, FileStorage, GoogleCredentials, Installation, RegistryData,
    RegistryStorage, Unknown,
};
use stocktake_source_gitlab::UnknownPlaces;
use toml::Value;

use crate::settings::PLACES;
use crate::settings::layers::{Origin, Setting, Table};
use crate::settings::storages::is_storage_name;

/// The storage of the folder `public`.
pub(super) const PUBLIC: &str = "gitlab-public";
/// The storage of the container registry.
pub(super) const REGISTRY: &str = "gitlab-registry";

/// The storage of a place's local folder.
pub(super) fn local(object_type: ObjectType) -> String {
    format!("gitlab-{}", object_type.name().replace('_', "-"))
}

/// The storage of a place's bucket.
pub(super) fn bucket(object_type: ObjectType) -> String {
    format!("{}-objects", local(object_type))
}

/// The storage of what Gitaly calls so.
pub(super) fn git(name: &str) -> String {
    format!("gitlab-git-{name}")
}

/// What an installation says, by the keys of the configuration.
pub(super) fn said(installation: &Installation) -> BTreeMap<String, Value> {
    let mut said = Said::default();
    for (object_type, FileStorage { local: folder, object }) in &installation.files {
        if let Some(folder) = folder.known() {
            said.folder(&local(*object_type), "directory", folder);
        }
        if let Some(object) = object.known() {
            let (kind, keys) = of_bucket(object);
            said.storage(&bucket(*object_type), std::iter::once(("kind", text(kind))).chain(keys).collect());
        }
    }
    if let Some(folder) = installation.public.known() {
        said.folder(PUBLIC, "directory", folder);
    }
    for (name, folder) in installation.git.iter().filter(|(name, _)| is_storage_name(name)) {
        if let Some(folder) = folder.known() {
            said.folder(&git(name), "git", folder);
        }
    }
    match &installation.registry {
        Some(RegistryStorage { data: Fact::Known(RegistryData::Folder(folder)), .. }) => {
            said.folder(REGISTRY, "registry-directory", folder);
        }
        Some(RegistryStorage { data: Fact::Known(RegistryData::Bucket(bucket)), .. }) => {
            let (service, keys) = of_bucket(bucket);
            let kind = [("kind", text("registry-bucket")), ("service", text(service))];
            said.storage(REGISTRY, kind.into_iter().chain(keys).collect());
        }
        Some(RegistryStorage { api_url: Some(url), .. }) => {
            said.storage(REGISTRY, vec![("kind", text("registry")), ("url", text(url))]);
        }
        _ => {}
    }
    if let Some(key) = installation.db_key_base.known() {
        said.0.insert("secrets.db_key_base".to_owned(), secret(key));
    }
    said.0
}

/// What cannot be a storage, a sentence each.
pub(super) fn notes(installation: &Installation) -> impl Iterator<Item = String> {
    let others = installation.git.keys().filter(|name| !is_storage_name(name));
    others.map(|name| {
        format!(
            "the Git storage {name:?} cannot be read: its name has other characters than letters, digits, \"_\" and \"-\""
        )
    })
}

/// Why places are unknown, as the reasons of the records in them.
pub(super) fn unknown(installation: &Installation) -> UnknownPlaces {
    let of_files = |fact: fn(&FileStorage) -> Option<&Unknown>| {
        let files = installation.files.iter();
        files.filter_map(|(object_type, storage)| Some((*object_type, fact(storage)?.to_string()))).collect()
    };
    let git = installation.git.iter();
    UnknownPlaces {
        local: of_files(|storage| storage.local.unknown()),
        object: of_files(|storage| storage.object.unknown()),
        public: installation.public.unknown().map(ToString::to_string),
        git: git.filter_map(|(name, folder)| Some((name.clone(), folder.unknown()?.to_string()))).collect(),
        other_git: installation.other_git.as_ref().map(ToString::to_string),
        registry: installation.registry.as_ref().and_then(|of| of.data.unknown()).map(ToString::to_string),
    }
}

/// A sentence for each line that leaves places unknown, with the keys that say them instead, as far as nobody says them.
pub(super) fn unknown_notes(unknown: &[Unknown], is_said: impl Fn(&str) -> bool) -> Vec<String> {
    let is_said = |key: &str| {
        let section = key.trim_end_matches(".root");
        PLACES.iter().any(|place| is_said(&format!("{section}.{place}"))) || is_said(key)
    };
    let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
    for unknown in unknown.iter().filter(|unknown| !is_said(&unknown.key)) {
        let key = format!("`{}`", unknown.key);
        match causes.iter_mut().find(|(sentence, _)| *sentence == unknown.sentence) {
            Some((_, keys)) => keys.push(key),
            None => causes.push((&unknown.sentence, vec![key])),
        }
    }
    let note = |(sentence, keys): (&str, Vec<String>)| {
        format!(
            "{sentence}, so that it is not known where this is: set {} in Stocktake's configuration",
            keys.join(", ")
        )
    };
    causes.into_iter().map(note).collect()
}

/// A place that is unknown has no kind either: where somebody says another key of it, it has the kind of such a place.
pub(super) fn complete_kinds(table: &mut Table, installation: &Installation) {
    let files = installation.files.iter().filter(|(_, storage)| storage.local.unknown().is_some());
    let mut unknown: Vec<(String, &str)> =
        files.map(|(object_type, _)| (local(*object_type), "directory")).collect();
    unknown.extend(installation.public.unknown().map(|_| (PUBLIC.to_owned(), "directory")));
    let named = installation.git.iter().filter(|(_, folder)| folder.unknown().is_some());
    unknown.extend(named.map(|(name, _)| (git(name), "git")));
    for (name, kind) in unknown {
        let (section, key) = (format!("storages.{name}."), format!("storages.{name}.kind"));
        if table.keys().any(|key| key.starts_with(&section)) && !table.contains_key(&key) {
            let origin = Origin::Gitlab("GitLab's configuration".to_owned());
            let setting = Setting::new(&key, text(kind), origin);
            table.insert(key, setting);
        }
    }
}

/// Sets the keys in the table that nobody has set; none of a storage that somebody has made another kind of.
pub(super) fn underlay(table: &mut Table, told: Table) {
    let others = told.iter().filter_map(|(key, setting)| {
        let section = key.strip_suffix("kind")?;
        let is_other = table.get(key)?.plain() != setting.plain();
        is_other.then(|| section.to_owned())
    });
    let others: Vec<String> = others.collect();
    for (key, setting) in told {
        let unset = table.get(&key).is_none_or(|own| own.origin == Origin::Default && own.is_empty_text());
        if unset && !others.iter().any(|section| key.starts_with(section)) {
            table.insert(key, setting);
        }
    }
}

/// Keys and values.
#[derive(Default)]
struct Said(BTreeMap<String, Value>);

impl Said {
    fn folder(&mut self, name: &str, kind: &str, root: &Path) {
        self.storage(name, vec![("kind", text(kind)), ("root", text(&root.display().to_string()))]);
    }

    fn storage(&mut self, name: &str, keys: Vec<(&str, Value)>) {
        self.0.extend(keys.into_iter().map(|(key, value)| (format!("storages.{name}.{key}"), value)));
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn secret(secret: &SecretString) -> Value {
    text(secret.expose_secret())
}

/// The name of a bucket's service, and the keys of its storage.
fn of_bucket(bucket: &Bucket) -> (&'static str, Vec<(&'static str, Value)>) {
    let (service, mut keys) = match &bucket.connection {
        Connection::Aws { region, endpoint, path_style, credentials } => {
            let mut keys = vec![("bucket", text(&bucket.name))];
            keys.push(("path_style", Value::Boolean(*path_style)));
            keys.extend(region.as_deref().map(|region| ("region", text(region))));
            keys.extend(endpoint.as_deref().map(|endpoint| ("endpoint", text(endpoint))));
            // Whoever wrote such an address there has decided so.
            let is_plain = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
            keys.extend(is_plain.then_some(("plain_http", Value::Boolean(true))));
            match credentials {
                AwsCredentials::Keys { id, secret: key } => {
                    keys.extend([("access_key_id", text(id)), ("secret_access_key", secret(key))]);
                }
                AwsCredentials::IamProfile => keys.push(("keys", text("role"))),
            }
            ("s3", keys)
        }
        Connection::Google { project: _, credentials } => {
            let mut keys = vec![("bucket", text(&bucket.name))];
            match credentials {
                GoogleCredentials::KeyFile(file) => {
                    keys.push(("service_account_file", text(&file.display().to_string())));
                }
                GoogleCredentials::Key(key) => keys.push(("service_account_key", secret(key))),
                GoogleCredentials::ApplicationDefault => {}
            }
            ("gcs", keys)
        }
        Connection::Azure { account, access_key, domain } => {
            let mut keys = vec![("container", text(&bucket.name))];
            keys.push(("account", text(account)));
            keys.extend(access_key.as_ref().map(|key| ("access_key", secret(key))));
            let endpoint = domain.as_deref().map(|domain| format!("https://{account}.{domain}"));
            keys.extend(endpoint.map(|endpoint| ("endpoint", text(&endpoint))));
            ("azure", keys)
        }
    };
    keys.extend(bucket.prefix.as_deref().map(|prefix| ("prefix", text(prefix))));
    (service, keys)
}
