//! GitLab's places as sections of the configuration.

use std::path::Path;

use config::ValueKind;
use secrecy::{ExposeSecret as _, SecretString};
use stocktake_gitlab::{
    AwsCredentials, Bucket, Connection, GoogleCredentials, Installation, Place, RegistryPlace, Shelf,
};

use crate::settings::layers::{Origin, Setting, Table};
use crate::settings::storages::is_storage_name;

/// The storage of the folder `public`.
pub(super) const PUBLIC: &str = "gitlab-public";
/// The storage of the container registry.
pub(super) const REGISTRY: &str = "gitlab-registry";

/// The storage of a place's local folder.
pub(super) fn local(shelf: Shelf) -> String {
    format!("gitlab-{}", shelf.name().replace('_', "-"))
}

/// The storage of a place's bucket.
pub(super) fn bucket(shelf: Shelf) -> String {
    format!("{}-objects", local(shelf))
}

/// The storage of what Gitaly calls so.
pub(super) fn git(name: &str) -> String {
    format!("gitlab-git-{name}")
}

/// Adds the sections; returns what cannot be one, a sentence each.
pub(super) fn insert(table: &mut Table, installation: &Installation, origin: &Origin) -> Vec<String> {
    let mut sections = Sections { table, origin };
    for (shelf, Place { local: folder, object }) in &installation.places {
        if let Some(folder) = folder {
            sections.folder(&local(*shelf), "directory", folder);
        }
        if let Some(object) = object {
            sections.add(&bucket(*shelf), &keys(object));
        }
    }
    if let Some(folder) = &installation.public {
        sections.folder(PUBLIC, "directory", folder);
    }
    let (named, others): (Vec<_>, Vec<_>) =
        installation.git.iter().partition(|(name, _)| is_storage_name(name));
    for (name, folder) in named {
        sections.folder(&git(name), "git", folder);
    }
    match &installation.registry {
        Some(RegistryPlace { folder: Some(folder), .. }) => {
            sections.folder(REGISTRY, "registry-directory", folder);
        }
        Some(RegistryPlace { api_url: Some(url), .. }) => {
            sections.add(REGISTRY, &[("kind", text("registry")), ("url", text(url))]);
        }
        _ => {}
    }
    if let Some(key) = &installation.db_key_base {
        sections.put("secrets.db_key_base", secret(key));
    }
    let note = |(name, _): (&String, _)| {
        format!(
            "the Git storage {name:?} cannot be read: its name has other characters than letters, digits, \"_\" and \"-\""
        )
    };
    others.into_iter().map(note).collect()
}

/// What is added to the table.
struct Sections<'t> {
    table: &'t mut Table,
    origin: &'t Origin,
}

impl Sections<'_> {
    fn folder(&mut self, name: &str, kind: &str, root: &Path) {
        self.add(name, &[("kind", text(kind)), ("root", text(&root.display().to_string()))]);
    }

    /// Adds a storage's keys, unless there is a storage of that name of another kind.
    fn add(&mut self, name: &str, keys: &[(&str, ValueKind)]) {
        let kind_of = |key: &str| format!("storages.{name}.{key}");
        let said = self.table.get(&kind_of("kind")).map(|setting| setting.value.to_string());
        let own = keys.iter().find(|(key, _)| *key == "kind").map(|(_, kind)| kind.to_string());
        if said.is_some() && said != own {
            return;
        }
        for (key, value) in keys {
            self.put(&kind_of(key), value.clone());
        }
    }

    /// Sets a key that nobody has set.
    fn put(&mut self, key: &str, value: ValueKind) {
        let unset = self.table.get(key).is_none_or(|setting| {
            setting.origin == Origin::Default && setting.value == ValueKind::String(String::new())
        });
        if unset {
            self.table.insert(key.to_owned(), Setting { value, origin: self.origin.clone() });
        }
    }
}

fn text(text: &str) -> ValueKind {
    ValueKind::String(text.to_owned())
}

fn secret(secret: &SecretString) -> ValueKind {
    text(secret.expose_secret())
}

/// The keys of a bucket's storage.
fn keys(bucket: &Bucket) -> Vec<(&'static str, ValueKind)> {
    let mut keys = match &bucket.connection {
        Connection::Aws { region, endpoint, path_style, credentials } => {
            let mut keys = vec![("kind", text("s3")), ("bucket", text(&bucket.name))];
            keys.push(("path_style", ValueKind::Boolean(*path_style)));
            keys.extend(region.as_deref().map(|region| ("region", text(region))));
            keys.extend(endpoint.as_deref().map(|endpoint| ("endpoint", text(endpoint))));
            // Whoever wrote such an address there has decided so.
            let is_plain = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
            keys.extend(is_plain.then_some(("plain_http", ValueKind::Boolean(true))));
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
