//! Sections `storages.<name>`: where content lies, each kind with keys of its own.

mod objects;

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use stocktake_content_directory::DirectorySettings;
use stocktake_content_git::{ClusterSettings, GitSettings, Integrity as GitIntegrity};
use stocktake_content_objects::{Mode, ObjectSettings};
use stocktake_content_registry::{
    Integrity as RegistryIntegrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistrySettings,
};
use stocktake_domain::ModelKind;
use stocktake_worker::Hours;
use toml::Value;

use super::SettingsError;
use super::reader::Reader;
use super::values::{Wanted, bytes, filled_text, folder, list, parsed, positive, text};
use crate::suggest;

/// A configured storage.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) content: Content,
    pub(crate) hours: Option<Hours>,
    /// Where it was configured, for people: `stocktake.toml line 4`.
    pub(crate) place: String,
}

/// Where its content lies, and how it is read.
#[derive(Debug)]
pub(crate) enum Content {
    Directory(DirectorySettings),
    Git(GitSettings),
    Cluster(Cluster),
    Objects(ObjectSettings),
    Registry(RegistrySettings),
    RegistryDirectory(RegistryDirectorySettings),
    RegistryBucket(ObjectSettings, RegistryLayoutSettings),
}

/// A virtual storage of a Gitaly Cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: ClusterSettings,
    /// The storages in which the replicas are, by Gitaly's names for them.
    pub(crate) replicas: BTreeMap<String, String>,
}

/// How many things are read at once.
#[derive(Debug)]
pub(crate) enum AtOnce<'settings> {
    /// Files or repositories, by threads.
    Files(&'settings mut NonZeroUsize),
    /// Objects or repositories, by requests over the network.
    Requests(&'settings mut NonZeroUsize),
}

impl Content {
    /// How many things are read at once; `None` if others read for it.
    pub(crate) fn at_once(&mut self) -> Option<AtOnce<'_>> {
        Some(match self {
            Self::Directory(settings) => AtOnce::Files(&mut settings.readers),
            Self::Git(settings) => AtOnce::Files(&mut settings.readers),
            Self::RegistryDirectory(settings) => AtOnce::Files(&mut settings.readers),
            Self::Objects(settings) | Self::RegistryBucket(settings, _) => {
                AtOnce::Requests(&mut settings.requests)
            }
            Self::Registry(settings) => AtOnce::Requests(&mut settings.requests),
            Self::Cluster(_) => return None,
        })
    }
}

impl Content {
    /// What lies there.
    pub(crate) fn holds(&self) -> ModelKind {
        match self {
            Self::Directory(_) | Self::Objects(_) => ModelKind::Blob,
            Self::Git(_) | Self::Cluster(_) => ModelKind::GitRepository,
            Self::Registry(_) | Self::RegistryDirectory(_) | Self::RegistryBucket(..) => {
                ModelKind::ContainerRepository
            }
        }
    }

    /// What is compared, for people, if that is less than all content.
    pub(crate) fn shallow(&self) -> Option<&'static str> {
        match self {
            Self::Git(settings) => {
                (settings.integrity == GitIntegrity::Refs).then_some("the refs of repositories are")
            }
            Self::Registry(RegistrySettings { integrity, .. })
            | Self::RegistryDirectory(RegistryDirectorySettings {
                layout: RegistryLayoutSettings { integrity, .. },
                ..
            })
            | Self::RegistryBucket(_, RegistryLayoutSettings { integrity, .. }) => {
                (*integrity == RegistryIntegrity::Tags).then_some("the tags of repositories are")
            }
            Self::Directory(_) | Self::Objects(_) | Self::Cluster(_) => None,
        }
    }

    /// How many things are read at once, for people; `None` if others read for it.
    pub(crate) fn readers(&self) -> Option<NonZeroUsize> {
        Some(match self {
            Self::Directory(settings) => settings.readers,
            Self::Git(settings) => settings.readers,
            Self::RegistryDirectory(settings) => settings.readers,
            Self::Objects(settings) | Self::RegistryBucket(settings, _) => settings.requests,
            Self::Registry(settings) => settings.requests,
            Self::Cluster(_) => return None,
        })
    }
}

/// The database of the Praefect of a GitLab.
const PRAEFECT: &str = "sources.gitlab.praefect_database_url";

/// Reads the keys of one kind.
type Read = fn(&mut Section<'_, '_>) -> Result<Content, SettingsError>;

/// Each `kind`, and what reads its keys.
const KINDS: [(&str, Read); 9] = [
    ("directory", directory),
    ("git", git),
    ("gitaly-cluster", cluster),
    ("s3", objects::s3),
    ("gcs", objects::gcs),
    ("azure", objects::azure),
    ("registry", registry),
    ("registry-directory", registry_directory),
    ("registry-bucket", registry_bucket),
];

/// All storages by name. `readers` is how many things are read at once in each, unless it says otherwise.
pub(super) fn storages(
    reader: &mut Reader<'_>,
    readers: NonZeroUsize,
) -> Result<BTreeMap<String, Storage>, SettingsError> {
    let names = reader.names_below("storages");
    let storages = names.into_iter().map(|name| {
        let section = Section { reader, name: name.clone(), prefix: format!("storages.{name}"), readers };
        section.storage().map(|storage| (name, storage))
    });
    let storages: BTreeMap<String, Storage> = storages.collect::<Result<_, _>>()?;
    for (name, storage) in &storages {
        let Content::Cluster(Cluster { replicas, .. }) = &storage.content else { continue };
        let is_git = |replica: &String| {
            storages.get(replica).is_some_and(|storage| matches!(storage.content, Content::Git(_)))
        };
        if let Some(other) = replicas.values().find(|replica| !is_git(replica)) {
            let sentence = format!("storages.{other} must be a storage of the kind \"git\"");
            return Err(reader.mistake(&format!("storages.{name}.replicas"), &sentence));
        }
    }
    Ok(storages)
}

/// Whether a storage can have this name.
pub(super) fn is_storage_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// One section.
struct Section<'reader, 'table> {
    reader: &'reader mut Reader<'table>,
    name: String,
    prefix: String,
    readers: NonZeroUsize,
}

impl Section<'_, '_> {
    fn storage(mut self) -> Result<Storage, SettingsError> {
        if !is_storage_name(&self.name) {
            let sentence = "the name of a storage has letters, digits, \"_\" and \"-\" only";
            return Err(self.reader.mistake(&self.prefix, sentence));
        }
        let read = self.choice("kind", KINDS)?.unwrap_or(directory);
        let hours = self.optional("hours", |value| match text(value)?.as_str() {
            "" => Ok(None),
            _ => parsed("must be daily hours such as \"22:00-06:00\"")(value).map(Some),
        })?;
        Ok(Storage {
            content: read(&mut self)?,
            hours: hours.flatten(),
            place: self.reader.place(&self.prefix).unwrap_or_default(),
        })
    }

    fn key(&self, field: &str) -> String {
        format!("{}.{field}", self.prefix)
    }

    /// The value of a key that must be set.
    fn get<T>(
        &mut self,
        field: &str,
        check: impl FnOnce(&Value) -> Result<T, Wanted>,
    ) -> Result<T, SettingsError> {
        let key = self.key(field);
        self.reader.get(&key, check)
    }

    /// The value of a key that need not be set.
    fn optional<T>(
        &mut self,
        field: &str,
        check: impl FnOnce(&Value) -> Result<T, Wanted>,
    ) -> Result<Option<T>, SettingsError> {
        let key = self.key(field);
        self.reader.optional(&key, check)
    }

    /// A text that need not be set; an empty one counts as not set.
    fn optional_text(&mut self, field: &str) -> Result<Option<String>, SettingsError> {
        Ok(self.optional(field, text)?.filter(|text| !text.is_empty()))
    }

    /// The same, of a secret.
    fn optional_secret(&mut self, field: &str) -> Result<Option<SecretString>, SettingsError> {
        let key = self.key(field);
        self.reader.secret(&key)
    }

    /// The same, of a path.
    fn optional_path(&mut self, field: &str) -> Result<Option<PathBuf>, SettingsError> {
        Ok(self.optional_text(field)?.map(Into::into))
    }

    /// One of a few words; `None` if it is not set.
    fn choice<T: Copy, const N: usize>(
        &mut self,
        field: &str,
        words: [(&str, T); N],
    ) -> Result<Option<T>, SettingsError> {
        self.optional(field, |value| {
            let word = text(value)?;
            let found = words.iter().find(|(name, _)| *name == word);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let nearest = suggest::nearest(&word, words.iter().map(|(name, _)| *name));
                let meant = nearest.map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
                let names: Vec<String> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
                format!("must be one of {}{meant}", names.join(", "))
            })
        })
    }

    /// A mistake in one of the keys.
    fn mistake(&self, field: &str, sentence: &str) -> SettingsError {
        self.reader.mistake(&self.key(field), sentence)
    }

    /// How many things are read at once.
    fn readers(&mut self) -> Result<NonZeroUsize, SettingsError> {
        Ok(self.optional("readers", positive(4_096))?.unwrap_or(self.readers))
    }

    fn bytes_per_second(&mut self) -> Result<Option<NonZeroU64>, SettingsError> {
        Ok(self.optional("bytes_per_second", bytes)?.and_then(NonZeroU64::new))
    }
}

fn directory(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::Directory(DirectorySettings {
        root: section.get("root", folder)?,
        readers: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
    }))
}

fn git(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::Git(GitSettings {
        root: section.get("root", folder)?,
        readers: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
        integrity: section
            .choice(
                "integrity",
                [
                    ("connected", GitIntegrity::Connected),
                    ("objects", GitIntegrity::Objects),
                    ("refs", GitIntegrity::Refs),
                ],
            )?
            .unwrap_or_default(),
        deep_every: section.optional("deep_every", positive(1_000_000))?.unwrap_or(GitSettings::DEEP_EVERY),
        memory: GitSettings::MEMORY,
    }))
}

/// The name of GitLab's storages begins with this; what Gitaly calls them follows.
const GITALY: &str = "gitlab-git-";

fn gitaly_name(storage: &str) -> String {
    storage.strip_prefix(GITALY).unwrap_or(storage).to_owned()
}

fn cluster(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    let names = section.get("replicas", list)?;
    if names.is_empty() {
        return Err(section.mistake("replicas", "must name the storages of the cluster's nodes"));
    }
    let url = section.reader.secret(PRAEFECT)?;
    let url = url.ok_or_else(|| {
        section.mistake("kind", &format!("needs {PRAEFECT}, which says where the replicas are"))
    })?;
    let settings =
        ClusterSettings { praefect_database_url: url, virtual_storage: gitaly_name(&section.name) };
    let replicas = names.into_iter().map(|name| (gitaly_name(&name), name)).collect();
    Ok(Content::Cluster(Cluster { settings, replicas }))
}

fn registry(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::Registry(RegistrySettings {
        url: section.get("url", filled_text)?,
        credentials: registry_credentials(section)?,
        ca_certificates: section.optional_path("ca_certificates")?,
        integrity: registry_integrity(section)?,
        requests: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
    }))
}

fn registry_directory(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::RegistryDirectory(RegistryDirectorySettings {
        root: section.get("root", folder)?,
        readers: section.readers()?,
        layout: registry_layout(section)?,
    }))
}

fn registry_bucket(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    type Service = fn(&mut Section<'_, '_>) -> Result<stocktake_content_objects::Service, SettingsError>;
    let services: [(&str, Service); 3] =
        [("s3", objects::s3_service), ("gcs", objects::gcs_service), ("azure", objects::azure_service)];
    let service = section.choice("service", services)?.unwrap_or(objects::s3_service)(section)?;
    let objects = ObjectSettings {
        service,
        prefix: section.optional_text("prefix")?.unwrap_or_default(),
        mode: Mode::Content,
        requests: section.readers()?,
        // The limit is that of what is read of the layout.
        bytes_per_second: None,
    };
    Ok(Content::RegistryBucket(objects, registry_layout(section)?))
}

fn registry_layout(section: &mut Section<'_, '_>) -> Result<RegistryLayoutSettings, SettingsError> {
    Ok(RegistryLayoutSettings {
        bytes_per_second: section.bytes_per_second()?,
        integrity: registry_integrity(section)?,
        database_url: section.optional_secret("database_url")?,
    })
}

fn registry_credentials(
    section: &mut Section<'_, '_>,
) -> Result<Option<(String, SecretString)>, SettingsError> {
    match (section.optional_text("username")?, section.optional_secret("password")?) {
        (Some(username), Some(password)) => Ok(Some((username, password))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.mistake("password", "is needed beside username")),
        (None, Some(_)) => Err(section.mistake("username", "is needed beside password")),
    }
}

fn registry_integrity(section: &mut Section<'_, '_>) -> Result<RegistryIntegrity, SettingsError> {
    let words = [("content", RegistryIntegrity::Content), ("tags", RegistryIntegrity::Tags)];
    Ok(section.choice("integrity", words)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
