//! The folders of Gitaly's storages.
//!
//! The built-in storage `default` exists only if the file names no storages of its own. Of several settings that name a
//! storage, the last counts: `git_data_dirs` (until GitLab 18), `gitlab_rails['repositories_storages']`, and the
//! storages in Gitaly's own configuration. The first two name the folder above the repositories.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::dialect::{Dialect, Setting};
use crate::fact::{Fact, Unknown};
use crate::file::InstallationError;
use crate::installation::Installation;
use crate::node::{Node, Value};
use crate::settings_reader::{SettingsReader, texts};
use crate::version::Version;

/// The folder below which repositories are in one that the Linux package is given.
const REPOSITORIES: &str = "repositories";

/// Sets the folders of the storages that the file names.
pub(crate) fn apply(
    installation: &mut Installation,
    reader: &SettingsReader,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let is_above = dialect == Dialect::Rb
        && installation.version.is_none_or(|version| version >= Version::STORAGES_ARE_ABOVE_REPOSITORIES);
    let mut named = Vec::new();
    let mut lost = None;
    if let Some(dirs) = dialect.git_data_dirs() {
        collect(&mut named, &mut lost, hash(reader, &dirs, REPOSITORIES)?);
    }
    let below = if is_above { REPOSITORIES } else { "" };
    collect(&mut named, &mut lost, hash(reader, &dialect.git_storages(), below)?);
    if let Some(gitaly) = dialect.gitaly_storages() {
        collect(&mut named, &mut lost, list(reader, &gitaly)?);
    }
    if !named.is_empty() || lost.is_some() {
        installation.remove_built_in_git();
    }
    // A storage may be named twice, with its address and with its folder.
    let mut unknown = BTreeMap::new();
    for storage in named {
        match storage.folder(reader)? {
            Fact::Known(folder) => {
                unknown.remove(&storage.name);
                installation.git.insert(storage.name, Fact::Known(folder));
            }
            Fact::Unknown(why) => {
                installation.git.remove(&storage.name);
                unknown.insert(storage.name, why);
            }
            Fact::Absent => {
                let is_known = installation.git.contains_key(&storage.name);
                if !is_known && !unknown.contains_key(&storage.name) {
                    let why = storage.without_folder(reader);
                    unknown.insert(storage.name, why);
                }
            }
        }
    }
    for (name, why) in unknown {
        installation.git.insert(name, Fact::Unknown(why));
    }
    if let Some(lost) = lost {
        installation.other_git = Some(lost);
    }
    Ok(())
}

fn collect(named: &mut Vec<Named>, lost: &mut Option<Unknown>, found: Fact<Vec<Named>>) {
    match found {
        Fact::Known(found) => named.extend(found),
        Fact::Unknown(why) => *lost = Some(why),
        Fact::Absent => {}
    }
}

/// Stocktake's own setting for the folder of a storage.
fn hint(name: &str) -> String {
    format!("storages.gitlab-git-{name}.root")
}

/// A storage as one of the settings names it.
struct Named {
    name: String,
    setting: Setting,
    node: Node,
    /// The folder of the repositories below the configured one.
    below: &'static str,
}

impl Named {
    fn folder(&self, reader: &SettingsReader) -> Result<Fact<PathBuf>, InstallationError> {
        let setting = self.setting.below("path");
        let path = match &self.node.value {
            // In a `gitlab.yml`, the path of a storage on another machine is only a placeholder.
            Value::Map(_) => {
                self.node.get("path").filter(|_| reader.dialect == Dialect::Rb || !self.is_remote())
            }
            // Very old installations name the folder only.
            Value::Text(_) => Some(&self.node),
            Value::Unknown(why) => {
                let key = hint(&self.name);
                return Ok(Fact::Unknown(reader.unknown(&self.setting, self.node.place, texts(*why), &key)));
            }
            _ => None,
        };
        let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(Fact::Absent) };
        let path = reader.path_of(path, &setting, &hint(&self.name))?;
        Ok(path.map(|path| path.join(self.below).components().collect()))
    }

    /// Whether Gitaly is reached over the network, so that it may be on another machine.
    fn is_remote(&self) -> bool {
        let address = self.node.get("gitaly_address").filter(|address| !address.is_empty());
        matches!(address.map(|node| &node.value), Some(Value::Text(address)) if !address.starts_with("unix:"))
    }

    /// Why there is no folder.
    fn without_folder(&self, reader: &SettingsReader) -> Unknown {
        let why = if self.is_remote() {
            (
                "is a Gitaly that is reached over the network, whose folder must be mounted on this machine",
                "has a Gitaly that is reached over the network",
            )
        } else {
            ("does not say where the repositories are", "does not say where the repositories are")
        };
        reader.unknown(&self.setting, self.node.place, why, &hint(&self.name))
    }
}

/// The storages in a hash, by name.
fn hash(
    reader: &SettingsReader,
    setting: &Setting,
    below: &'static str,
) -> Result<Fact<Vec<Named>>, InstallationError> {
    let node = match reader.value(setting, &hint("…")) {
        Fact::Known(node) => node,
        Fact::Unknown(unknown) => return Ok(Fact::Unknown(unknown)),
        Fact::Absent => return Ok(Fact::Absent),
    };
    let Value::Map(map) = node.value else {
        return Err(reader.wrong(&node, setting, "must be a hash of storages"));
    };
    if let Some((_, Node { value: Value::Unknown(why), place })) = map.doubts.first() {
        return Ok(Fact::Unknown(reader.unknown(setting, *place, texts(*why), &hint("…"))));
    }
    let named =
        map.pairs.into_iter().map(|(name, node)| Named { setting: setting.below(&name), name, node, below });
    Ok(Fact::Known(named.collect()))
}

/// The storages in a list of hashes, each with its name.
fn list(reader: &SettingsReader, setting: &Setting) -> Result<Fact<Vec<Named>>, InstallationError> {
    let node = match reader.value(setting, &hint("…")) {
        Fact::Known(node) => node,
        Fact::Unknown(unknown) => return Ok(Fact::Unknown(unknown)),
        Fact::Absent => return Ok(Fact::Absent),
    };
    let Value::List(list) = node.value else {
        return Err(reader.wrong(&node, setting, "must be a list of storages"));
    };
    let mut named = Vec::new();
    for node in list {
        let Some(Value::Text(name)) = node.get("name").map(|name| &name.value) else {
            let why = ("has a storage whose name is not a literal", "calculates the name of a storage");
            return Ok(Fact::Unknown(reader.unknown(setting, node.place, why, &hint("…"))));
        };
        named.push(Named { name: name.clone(), setting: setting.clone(), node, below: "" });
    }
    Ok(Fact::Known(named))
}
