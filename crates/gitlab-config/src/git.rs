//! The folders of Gitaly's storages.

use crate::dialect::{Dialect, Setting};
use crate::file::InstallationError;
use crate::installation::Installation;
use crate::node::{Node, Value};
use crate::settings_reader::SettingsReader;

const HINT: &str = "storages.gitlab-git-….root";

/// Sets the folders of the storages that the file names.
pub(crate) fn apply(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let rails = dialect.git_storages();
    let mut named = hash(reader, &rails)?;
    if let Some(dirs) = dialect.git_data_dirs() {
        named.extend(
            hash(reader, &dirs)?.into_iter().map(|storage| Named { below: "repositories", ..storage }),
        );
    }
    if let Some(gitaly) = dialect.gitaly_storages() {
        named.extend(list(reader, &gitaly)?);
    }
    let mut unknown = Vec::new();
    for storage in named {
        match storage.folder(reader)? {
            Some(folder) => {
                installation.set_git(storage.name, folder);
            }
            None => unknown.push(storage),
        }
    }
    for storage in unknown {
        if storage.is_remote() {
            installation.remove_built_in_git(&storage.name);
        }
        // A storage may be named twice, with its address and with its folder.
        if !installation.git.contains_key(&storage.name) {
            storage.note_unknown_folder(reader);
        }
    }
    Ok(())
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
    fn folder(
        &self,
        reader: &mut SettingsReader<'_>,
    ) -> Result<Option<std::path::PathBuf>, InstallationError> {
        let hint = format!("storages.gitlab-git-{}.root", self.name);
        let setting = self.setting.below("path");
        let path = match &self.node.value {
            // In a `gitlab.yml`, the path of a storage on another machine is only a placeholder.
            Value::Map(map) => map.get("path").filter(|_| reader.dialect == Dialect::Rb || !self.is_remote()),
            // Very old installations name the folder only.
            Value::Text(_) => Some(&self.node),
            _ => None,
        };
        let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
        if let Some(why) = SettingsReader::unknown_reason(path) {
            reader.ignore(&setting, path.line, why.text(), &hint);
            return Ok(None);
        }
        let path = reader.path_of(path, &setting, &hint)?;
        Ok(path.map(|path| path.join(self.below).components().collect()))
    }

    /// Whether Gitaly is reached over the network, so that it may be on another machine.
    fn is_remote(&self) -> bool {
        let address = self.node.get("gitaly_address").filter(|address| !address.is_empty());
        matches!(address.map(|node| &node.value), Some(Value::Text(address)) if !address.starts_with("unix:"))
    }

    /// Notes that the folder is unknown.
    fn note_unknown_folder(&self, reader: &mut SettingsReader<'_>) {
        let hint = format!("storages.gitlab-git-{}.root", self.name);
        let (setting, line) = (&self.setting, self.node.line);
        if !self.is_remote() {
            reader.ignore(setting, line, "does not say where the repositories are", &hint);
            return;
        }
        let name = reader.dialect.name(&setting.0);
        reader.note(
            line,
            &format!(
                "`{name}` is a Gitaly that is reached over the network: set `{hint}` in Stocktake's configuration to \
                 the folder where its repositories are mounted on this machine"
            ),
        );
    }
}

/// The storages in a hash, by name.
fn hash(reader: &mut SettingsReader<'_>, setting: &Setting) -> Result<Vec<Named>, InstallationError> {
    let Some(node) = reader.value(setting, HINT) else { return Ok(Vec::new()) };
    let Value::Map(map) = node.value else {
        return Err(reader.wrong(&node, setting, "must be a hash of storages"));
    };
    let named =
        map.into_iter().map(|(name, node)| Named { setting: setting.below(&name), name, node, below: "" });
    Ok(named.collect())
}

/// The storages in a list of hashes, each with its name.
fn list(reader: &mut SettingsReader<'_>, setting: &Setting) -> Result<Vec<Named>, InstallationError> {
    let Some(node) = reader.value(setting, HINT) else { return Ok(Vec::new()) };
    let Value::List(list) = node.value else {
        return Err(reader.wrong(&node, setting, "must be a list of storages"));
    };
    let mut named = Vec::new();
    for node in list {
        let name = node.get("name").map(|name| &name.value);
        if let Some(Value::Text(name)) = name {
            named.push(Named { name: name.clone(), setting: setting.clone(), node, below: "" });
        } else {
            reader.ignore(setting, node.line, "has a storage whose name is not a literal", HINT);
        }
    }
    Ok(named)
}
