//! The folders of Gitaly's storages.

use super::Installation;
use super::dialect::{Dialect, Setting};
use super::error::InstallationError;
use super::node::{Node, Value};
use super::reading::Reading;

const HINT: &str = "storages.gitlab-git-….root";

/// Sets the folders of the storages that the file names.
pub(super) fn apply(
    installation: &mut Installation,
    reading: &mut Reading<'_>,
) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    let rails = dialect.git_storages();
    let mut named = hash(reading, &rails)?;
    if let Some(dirs) = dialect.git_data_dirs() {
        named.extend(
            hash(reading, &dirs)?.into_iter().map(|storage| Named { below: "repositories", ..storage }),
        );
    }
    if let Some(gitaly) = dialect.gitaly_storages() {
        named.extend(list(reading, &gitaly)?);
    }
    let mut without = Vec::new();
    for storage in named {
        match storage.folder(reading)? {
            Some(folder) => {
                installation.set_git(storage.name, folder);
            }
            None => without.push(storage),
        }
    }
    for storage in without {
        if storage.is_elsewhere() {
            installation.drop_built_in_git(&storage.name);
        }
        // A storage may be named twice, with its address and with its folder.
        if !installation.git.contains_key(&storage.name) {
            storage.tell(reading);
        }
    }
    Ok(())
}

/// A storage that is named somewhere.
struct Named {
    name: String,
    setting: Setting,
    node: Node,
    /// The folder of the repositories within the one that is named.
    below: &'static str,
}

impl Named {
    fn folder(&self, reading: &mut Reading<'_>) -> Result<Option<std::path::PathBuf>, InstallationError> {
        let hint = format!("storages.gitlab-git-{}.root", self.name);
        let setting = self.setting.below("path");
        let path = match &self.node.value {
            // In a `gitlab.yml`, the path of one on another machine only fills a gap.
            Value::Map(map) => {
                map.get("path").filter(|_| reading.dialect == Dialect::Rb || !self.is_elsewhere())
            }
            // Very old installations name the folder only.
            Value::Text(_) => Some(&self.node),
            _ => None,
        };
        let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
        if let Some(why) = Reading::unread(path) {
            reading.pass_over(&setting, path.line, why.text(), &hint);
            return Ok(None);
        }
        let path = reading.path_of(path, &setting, &hint)?;
        Ok(path.map(|path| path.join(self.below).components().collect()))
    }

    /// Whether Gitaly is asked over the network: then it may be on another machine.
    fn is_elsewhere(&self) -> bool {
        let address = self.node.get("gitaly_address").filter(|address| !address.is_empty());
        matches!(address.map(|node| &node.value), Some(Value::Text(address)) if !address.starts_with("unix:"))
    }

    /// Tells that the folder is not known.
    fn tell(&self, reading: &mut Reading<'_>) {
        let hint = format!("storages.gitlab-git-{}.root", self.name);
        let (setting, line) = (&self.setting, self.node.line);
        if !self.is_elsewhere() {
            reading.pass_over(setting, line, "does not say where the repositories lie", &hint);
            return;
        }
        let name = reading.dialect.name(&setting.0);
        reading.note(
            line,
            &format!(
                "`{name}` is a Gitaly that is asked over the network: write into Stocktake's configuration, as \
                 `{hint}`, where its repositories are mounted here"
            ),
        );
    }
}

/// The storages of a hash by name.
fn hash(reading: &mut Reading<'_>, setting: &Setting) -> Result<Vec<Named>, InstallationError> {
    let Some(node) = reading.value(setting, HINT) else { return Ok(Vec::new()) };
    let Value::Map(map) = node.value else {
        return Err(reading.wrong(&node, setting, "must be a hash of storages"));
    };
    let named =
        map.into_iter().map(|(name, node)| Named { setting: setting.below(&name), name, node, below: "" });
    Ok(named.collect())
}

/// The storages of a list of hashes, each with its name.
fn list(reading: &mut Reading<'_>, setting: &Setting) -> Result<Vec<Named>, InstallationError> {
    let Some(node) = reading.value(setting, HINT) else { return Ok(Vec::new()) };
    let Value::List(list) = node.value else {
        return Err(reading.wrong(&node, setting, "must be a list of storages"));
    };
    let mut named = Vec::new();
    for node in list {
        let name = node.get("name").map(|name| &name.value);
        if let Some(Value::Text(name)) = name {
            named.push(Named { name: name.clone(), setting: setting.clone(), node, below: "" });
        } else {
            reading.pass_over(setting, node.line, "has a storage whose name is not written out", HINT);
        }
    }
    Ok(named)
}
