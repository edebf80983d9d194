//! Which files the configuration is read from.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use super::SettingsError;
use super::sources::Sources;

/// The name under which a configuration is found without being named.
const NAME: &str = "stocktake.toml";

/// A file of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// The folder that relative paths in it are relative to.
    pub(super) base: PathBuf,
    /// Who names it, for an error about it.
    pub(super) why: &'static str,
}

impl ConfigFile {
    fn new(path: PathBuf, why: &'static str) -> Self {
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        Self { path, base, why }
    }
}

/// The files in the order they count. One that was named must exist; the others are those that do.
pub(super) fn find(sources: &Sources) -> Result<Vec<ConfigFile>, SettingsError> {
    let mut files = of_project(sources)?;
    files.extend(own(sources));
    Ok(files)
}

/// `config/default.toml` and `config/<STOCKTAKE_ENV>.toml`, whose paths are relative to the folder that has `config`.
fn of_project(sources: &Sources) -> Result<Vec<ConfigFile>, SettingsError> {
    let environment = sources.variable("STOCKTAKE_ENV");
    if environment.is_none() && !is_checkout(&sources.folder) {
        return Ok(Vec::new());
    }
    let of = |name: &str, why| {
        let path = sources.folder.join("config").join(name);
        ConfigFile { path, base: sources.folder.clone(), why }
    };
    let mut files = vec![of("default.toml", "")];
    files.retain(|file| file.path.exists());
    if let Some(name) = environment {
        let name = name.to_str().filter(|name| !name.contains(['/', '\\', '\0'])).ok_or_else(|| {
            SettingsError("the variable STOCKTAKE_ENV is the name of a configuration, not a path".to_owned())
        })?;
        files.push(of(&format!("{name}.toml"), " (variable STOCKTAKE_ENV)"));
    }
    Ok(files)
}

/// Whether this folder is a checkout of the project, whose `config/default.toml` is ours and not another program's.
fn is_checkout(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("crates/app/Cargo.toml")).unwrap_or_default();
    let manifest: Table = manifest.parse().unwrap_or_default();
    let name = manifest.get("package").and_then(|package| package.get("name"));
    name.and_then(|name| name.as_str()) == Some(env!("CARGO_PKG_NAME"))
}

/// The file that is named, by the option or the variable.
pub(super) fn named(sources: &Sources) -> Option<ConfigFile> {
    if let Some(path) = &sources.file {
        return Some(ConfigFile::new(path.clone(), " (option --config)"));
    }
    let path = sources.variable("STOCKTAKE_CONFIG")?;
    Some(ConfigFile::new(path.into(), " (variable STOCKTAKE_CONFIG)"))
}

/// The administrator's own file: the one that is named, or else the first that there is.
fn own(sources: &Sources) -> Option<ConfigFile> {
    if let Some(file) = named(sources) {
        return Some(file);
    }
    let below = |folder: PathBuf| folder.join("stocktake").join(NAME);
    let system = Some(sources.system.clone()).filter(|folder| folder.is_absolute());
    let places = [Some(sources.folder.join(NAME)), user_folder(sources).map(below), system.map(below)];
    // A file that is there but cannot be looked at is not passed over: its values would be missed in silence.
    let is_there = |path: &PathBuf| path.try_exists().unwrap_or(true);
    places.into_iter().flatten().find(is_there).map(|path| ConfigFile::new(path, ""))
}

/// The folder of the user's configuration.
fn user_folder(sources: &Sources) -> Option<PathBuf> {
    // A relative path there is invalid, by the specification, and is to be ignored.
    let absolute = |name: &str| sources.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an empty file, and says which one.
    fn write(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn the_first_that_there_is_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut sources = Sources {
            folder: at("here"),
            system: at("etc"),
            variables: vec![("HOME".into(), at("home").into())],
            ..Default::default()
        };
        let found = |sources: &Sources| {
            let files = find(sources).unwrap();
            assert!(files.len() <= 1, "{files:?}");
            files.into_iter().next().map(|file| file.path)
        };
        assert_eq!(found(&sources), None);
        for name in ["etc/stocktake/stocktake.toml", "home/.config/stocktake/stocktake.toml"] {
            let path = write(folder.path(), name);
            assert_eq!(found(&sources), Some(path));
        }
        sources.variables.push(("XDG_CONFIG_HOME".into(), "relative".into()));
        assert_eq!(found(&sources), Some(at("home/.config/stocktake/stocktake.toml")));
        sources.variables[1].1 = at("xdg").into();
        assert_eq!(found(&sources), Some(at("etc/stocktake/stocktake.toml")));
        let xdg = write(folder.path(), "xdg/stocktake/stocktake.toml");
        assert_eq!(found(&sources), Some(xdg));
        let here = write(folder.path(), "here/stocktake.toml");
        assert_eq!(found(&sources), Some(here));
        sources.variables.push(("STOCKTAKE_CONFIG".into(), "named".into()));
        assert_eq!(found(&sources), Some("named".into()));
        sources.file = Some("option".into());
        assert_eq!(found(&sources), Some("option".into()));
    }

    #[test]
    fn a_foreign_folders_default_toml_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let default = write(folder.path(), "config/default.toml");
        let mut sources = Sources { folder: folder.path().to_owned(), ..Default::default() };
        assert_eq!(find(&sources), Ok(vec![]));
        let manifest = write(folder.path(), "crates/app/Cargo.toml");
        fs::write(&manifest, "[package]\nname = \"other\"\n").unwrap();
        assert_eq!(find(&sources), Ok(vec![]));
        fs::write(&manifest, "[package]\nname = \"stocktake\"\n").unwrap();
        let ours = ConfigFile { path: default, base: folder.path().to_owned(), why: "" };
        assert_eq!(find(&sources), Ok(vec![ours]));
        fs::remove_file(manifest).unwrap();
        sources.variables.push(("STOCKTAKE_ENV".into(), "test".into()));
        assert_eq!(find(&sources).unwrap().len(), 2);
    }
}
