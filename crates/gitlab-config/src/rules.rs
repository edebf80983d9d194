//! GitLab's own rules: which setting says where something is, what counts without it, and what makes it unknown.
//!
//! | place | `gitlab.rb` | `gitlab.yml` | without it |
//! |---|---|---|---|
//! | a type's folder | `gitlab_rails['…_storage_path']`; `artifacts_path`, `pages_path` | `….storage_path`; `artifacts.path`, `pages.path` | its name below the shared folder |
//! | the shared folder | `gitlab_rails['shared_path']` | `shared.path` | that of the installation |
//! | uploads | `gitlab_rails['uploads_directory']`, else `uploads_storage_path` and `uploads` below it | `uploads.storage_path` and `uploads` | that of the installation |
//! | a type's bucket | see `buckets.rs` | the same | none |
//! | Gitaly's storages | see `git.rs` | `repositories.storages` | `default`, if no storage is named |
//! | the registry's folder | `registry['storage']['filesystem']['rootdirectory']`, else `gitlab_rails['registry_path']` | `registry.path` | `registry` below the shared folder |
//! | the registry's bucket | `registry['storage']` with `s3`, `s3_v2`, `gcs`, `azure` or `azure_v2` | not said there | none |
//! | the registry's API | `gitlab_rails['registry_api_url']` | `registry.api_url` | none |
//! | the secret | `gitlab_rails['db_key_base']` | | that of the file of secrets |
//!
//! `gitlab.rb` decides before `gitlab.yml`, and both before the built-in places. `nil` and empty values count as not set.
//! A value that only the program has makes its place unknown, and so does a shared folder that is unknown for all that is
//! below it. By version: `version.rs`.

use std::path::{Path, PathBuf};

use stocktake_domain::ObjectType;

use crate::dialect::{self, Dialect, REGISTRY_HINT};
use crate::fact::{Fact, Unknown};
use crate::file::InstallationError;
use crate::installation::{Installation, RegistryData};
use crate::node::{Node, Value};
use crate::registry_bucket::Driver;
use crate::settings_reader::SettingsReader;
use crate::version::Version;
use crate::{buckets, git, registry_bucket, secrets};

/// The first folder in the paths of uploads' rows.
const UPLOADS: &str = "uploads";
/// In the registry's folder, the file that is there while its tags are in its metadata database.
const DATABASE_IN_USE: &str = "docker/registry/lockfiles/database-in-use";

/// Overlays an installation with a file's settings.
pub(crate) fn apply(
    installation: &mut Installation,
    reader: &mut SettingsReader,
) -> Result<(), InstallationError> {
    folders(installation, reader)?;
    uploads(installation, reader)?;
    buckets::apply(installation, reader)?;
    git::apply(installation, reader)?;
    registry(installation, reader)?;
    if let Some(setting) = reader.dialect.db_key_base() {
        match reader.value(&setting, secrets::HINT) {
            Fact::Known(node) => {
                let key = secrets::only(&node).map_err(|why| reader.wrong(&node, &setting, why))?;
                installation.db_key_base = Fact::Known(key);
            }
            Fact::Unknown(unknown) => installation.db_key_base = Fact::Unknown(unknown),
            Fact::Absent => {}
        }
    }
    installation.notes.append(&mut reader.notes);
    Ok(())
}

/// The local folders, except that of uploads.
fn folders(installation: &mut Installation, reader: &SettingsReader) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    match reader.path(&dialect.shared(), &dialect::local_hint(ObjectType::Artifacts))? {
        Fact::Absent => {}
        shared => installation.set_shared(&shared),
    }
    for object_type in ObjectType::ALL.into_iter().filter(|object_type| *object_type != ObjectType::Uploads) {
        for setting in dialect.local(object_type) {
            match reader.path(&setting, &dialect::local_hint(object_type))? {
                Fact::Absent => {}
                folder => {
                    installation.set_local(object_type, folder);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The folder of uploads: the one in `public`, or the one that it links to if the Linux package has set it up so.
fn uploads(installation: &mut Installation, reader: &mut SettingsReader) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let hint = dialect::local_hint(ObjectType::Uploads);
    let mut linked = None;
    for setting in dialect.local(ObjectType::Uploads) {
        match reader.path(&setting, &hint)? {
            Fact::Absent => {}
            folder => {
                linked = folder.known().cloned();
                installation.set_local(ObjectType::Uploads, folder);
            }
        }
    }
    match reader.path(&dialect.public(), "storages.gitlab-public.root")? {
        Fact::Absent => {}
        named if named == installation.public => {}
        named => {
            let below = named.map(|public| public.join(UPLOADS)).instead(&hint);
            installation.set_local(ObjectType::Uploads, below);
            installation.public = named;
        }
    }
    let base = dialect.uploads_base();
    match reader.value(&base, &hint) {
        Fact::Known(node) => {
            let text = reader.text_of(&node, &base)?;
            if text != UPLOADS && !text.starts_with("uploads/") {
                let name = dialect.name(&base.0);
                let sentence = format!(
                    "`{name}` is not below `uploads`, so local uploads whose paths begin with it are not found"
                );
                reader.note(node.place, &sentence);
            }
        }
        Fact::Unknown(unknown) => installation.set_local(ObjectType::Uploads, Fact::Unknown(unknown)),
        Fact::Absent => {}
    }
    installation.set_uploads_folders(linked);
    Ok(())
}

/// The container registry: its folder, or the URL at which it is reached.
fn registry(installation: &mut Installation, reader: &SettingsReader) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    if let Fact::Known(url) = reader.text(&dialect.registry_url(), REGISTRY_HINT)? {
        installation.registry.get_or_insert_default().api_url = Some(url);
    }
    let path = reader.path(&dialect.registry_folder(), REGISTRY_HINT)?;
    if !matches!(path, Fact::Absent) {
        installation.registry.get_or_insert_default().set_default_folder(&path);
    }
    if let Some(setting) = dialect.registry_enabled()
        && reader.flag(&setting, REGISTRY_HINT)? == Fact::Known(false)
    {
        // It runs elsewhere, or not at all.
        let registry = installation.registry.get_or_insert_default();
        if registry.api_url.is_some() || matches!(path, Fact::Absent) {
            registry.data = Fact::Absent;
        }
        return Ok(());
    }
    registry_storage(installation, reader)?;
    registry_database(installation, reader);
    Ok(())
}

/// With a storage of its own, the registry is not in the default folder.
fn registry_storage(
    installation: &mut Installation,
    reader: &SettingsReader,
) -> Result<(), InstallationError> {
    let Some(setting) = reader.dialect.registry_storage() else { return Ok(()) };
    let data = match reader.value(&setting, REGISTRY_HINT) {
        Fact::Absent => return Ok(()),
        Fact::Unknown(unknown) => Fact::Unknown(unknown),
        Fact::Known(node) if let Some((name, driver)) = Driver::of(&node) => {
            let bucket = registry_bucket::read(reader, driver, &setting.below(name), REGISTRY_HINT)?;
            bucket.map(|bucket| RegistryData::Bucket(Box::new(bucket.clone())))
        }
        Fact::Known(node) if node.get("filesystem").is_some() && reader.dialect == Dialect::Helm => {
            let why = ("is a folder of a pod", "keeps the registry in a folder of a pod");
            Fact::Unknown(reader.unknown(&setting, node.place, why, REGISTRY_HINT))
        }
        Fact::Known(node) if node.get("filesystem").is_some() => {
            let folder = reader.path(&setting.below("filesystem").below("rootdirectory"), REGISTRY_HINT)?;
            folder.map(|folder| RegistryData::Folder(folder.clone()))
        }
        // Only what else there is to say about a folder.
        Fact::Known(node) if driver(&node).is_none() => return Ok(()),
        Fact::Known(node) => {
            let driver = driver(&node).unwrap_or_default();
            let predicate = format!("is `{driver}`, which is not supported");
            let active = format!("keeps the registry in `{driver}`");
            Fact::Unknown(reader.unknown(&setting, node.place, (&predicate, &active), REGISTRY_HINT))
        }
    };
    installation.registry.get_or_insert_default().data = data;
    Ok(())
}

/// The name of the registry's storage driver; the other keys beside it are settings of all drivers.
fn driver(node: &Node) -> Option<String> {
    const OTHERS: [&str; 5] = ["cache", "delete", "redirect", "maintenance", "tag"];
    match &node.value {
        Value::Map(map) => map.pairs.keys().find(|key| !OTHERS.contains(&key.as_str())).cloned(),
        _ => Some("no hash".to_owned()),
    }
}

/// With a metadata database, the registry's folder no longer says which images there are.
fn registry_database(installation: &mut Installation, reader: &SettingsReader) {
    let Some(setting) = reader.dialect.registry_database() else { return };
    let unknown = match reader.value(&setting, REGISTRY_HINT) {
        Fact::Known(node) => {
            let is_used = match &node.value {
                Value::Flag(is_used) => *is_used,
                // As by itself from 19.0 on: unless the folder says that it has the list of images.
                Value::Text(text) if text == "prefer" => {
                    let registry = installation.registry.get_or_insert_default();
                    (registry.is_database_set, registry.prefers_database) = (false, true);
                    return;
                }
                Value::Text(text) => text != "false",
                _ => false,
            };
            is_used.then(|| {
                let why = (
                    "keeps the list of images in a database, so the registry's folder is not enough",
                    "has the registry keep its list of images in a database",
                );
                reader.unknown(&setting, node.place, why, REGISTRY_HINT)
            })
        }
        Fact::Unknown(unknown) => Some(unknown),
        Fact::Absent => return,
    };
    let registry = installation.registry.get_or_insert_default();
    registry.is_database_set = true;
    if let Some(unknown) = unknown {
        registry.data = Fact::Unknown(unknown);
    }
}

/// What the registry's own folder says, and the rules of the version: whether the folder has the list of images.
pub(crate) fn look_at_registry(installation: &mut Installation) {
    let version = installation.version;
    let Some(registry) = &mut installation.registry else { return };
    let Some(data) = registry.data.known() else { return };
    let is_new = version.is_some_and(|version| version >= Version::REGISTRY_HAS_DATABASE);
    let has_database = !registry.is_database_set && (registry.prefers_database || is_new);
    let in_use = data.folder().map(|folder| folder.join(DATABASE_IN_USE)).filter(|file| file.exists());
    let cause = if let Some(in_use) = in_use {
        format!("{} says that the registry keeps its list of images in a database", in_use.display())
    } else if has_database && !data.folder().is_some_and(Path::exists) {
        // A bucket is not looked into here.
        "the registry keeps its list of images in a database, if nothing else is set".to_owned()
    } else {
        return;
    };
    let unknown = Unknown {
        key: REGISTRY_HINT.to_owned(),
        sentence: format!(
            "{cause}, so its folder or bucket is not enough (`kind = \"registry\"` reads over its API)"
        ),
        cause,
    };
    registry.data = Fact::Unknown(unknown);
}

/// Paths of a container as those of this machine.
pub(crate) fn on_this_machine(installation: &mut Installation) {
    let Some(volumes) = installation.volumes.clone() else { return };
    let place = |path: &Path, key: &str| match volumes.of_host(path) {
        Some(path) => Fact::Known(path),
        None => Fact::Unknown(outside_of_volumes(path, key)),
    };
    let outside = |folder: &mut Fact<PathBuf>, key: &str| {
        if let Fact::Known(path) = &*folder {
            *folder = place(path, key);
        }
    };
    for (object_type, storage) in &mut installation.files {
        outside(&mut storage.local, &dialect::local_hint(*object_type));
    }
    for (name, folder) in &mut installation.git {
        outside(folder, &format!("storages.gitlab-git-{name}.root"));
    }
    if let Some(registry) = &mut installation.registry
        && let Fact::Known(RegistryData::Folder(folder)) = &registry.data
    {
        registry.data = place(folder, REGISTRY_HINT).map(|folder| RegistryData::Folder(folder.clone()));
    }
    // It is a part of the image, where nothing that lasts is kept.
    if installation.public.known().is_some_and(|public| volumes.of_host(public).is_none()) {
        installation.public = Fact::Absent;
    }
    outside(&mut installation.public, "storages.gitlab-public.root");
}

fn outside_of_volumes(path: &Path, key: &str) -> Unknown {
    let cause = format!("{} is in the container, and on none of its usual volumes", path.display());
    Unknown { key: key.to_owned(), sentence: cause.clone(), cause }
}
