//! GitLab's places as sections of the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::ObjectType;
use stocktake_gitlab_config::{
    AwsCredentials, Bucket, Connection, FileStorage, GoogleCredentials, Installation, RegistryStorage,
};
use toml::Value;

use crate::settings::layers::{Origin, Table};
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
        if let Some(folder) = folder {
            said.folder(&local(*object_type), "directory", folder);
        }
        if let Some(object) = object {
            said.storage(&bucket(*object_type), keys(object));
        }
    }
    if let Some(folder) = &installation.public {
        said.folder(PUBLIC, "directory", folder);
    }
    for (name, folder) in installation.git.iter().filter(|(name, _)| is_storage_name(name)) {
        said.folder(&git(name), "git", folder);
    }
    match &installation.registry {
        Some(RegistryStorage { folder: Some(folder), .. }) => {
            said.folder(REGISTRY, "registry-directory", folder);
        }
        Some(RegistryStorage { api_url: Some(url), .. }) => {
            said.storage(REGISTRY, vec![("kind", text("registry")), ("url", text(url))]);
        }
        _ => {}
    }
    if let Some(key) = &installation.db_key_base {
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

/// The keys of a bucket's storage.
fn keys(bucket: &Bucket) -> Vec<(&'static str, Value)> {
    let mut keys = match &bucket.connection {
        Connection::Aws { region, endpoint, path_style, credentials } => {
            let mut keys = vec![("kind", text("s3")), ("bucket", text(&bucket.name))];
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
            keys
        }
        Connection::Google { project: _, credentials } => {
            let mut keys = vec![("kind", text("gcs")), ("bucket", text(&bucket.name))];
            match credentials {
                GoogleCredentials::KeyFile(file) => {
                    keys.push(("service_account_file", text(&file.display().to_string())));
                }
                GoogleCredentials::Key(key) => keys.push(("service_account_key", secret(key))),
                GoogleCredentials::ApplicationDefault => {}
            }
            keys
        }
        Connection::Azure { account, access_key, domain } => {
            let mut keys = vec![("kind", text("azure")), ("container", text(&bucket.name))];
            keys.push(("account", text(account)));
            keys.extend(access_key.as_ref().map(|key| ("access_key", secret(key))));
            let endpoint = domain.as_deref().map(|domain| format!("https://{account}.{domain}"));
            keys.extend(endpoint.map(|endpoint| ("endpoint", text(&endpoint))));
            keys
        }
    };
    keys.extend(bucket.prefix.as_deref().map(|prefix| ("prefix", text(prefix))));
    keys
}
