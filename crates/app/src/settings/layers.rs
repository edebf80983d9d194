//! The layers of the configuration, merged into one table that remembers where each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Map, Source, Value, ValueKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::SettingsError;

/// The defaults that the program carries.
const DEFAULTS: &str = include_str!("../../../../config/default.toml");

const VARIABLE_PREFIX: &str = "STOCKTAKE";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The defaults built into the program.
    Default,
    /// What a GitLab's own configuration says, or its installation by itself.
    Gitlab(String),
    /// This file.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// This option of the command line.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Gitlab(told) => f.write_str(told),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Option(name) => write!(f, "option {name}"),
        }
    }
}

/// The last parts of keys whose values are secrets. A URL of a database may hold a password.
const SECRETS: [&str; 9] = [
    "access_key",
    "db_key_base",
    "password",
    "sas_token",
    "secret_access_key",
    "service_account_key",
    "session_token",
    "token",
    "database_url",
];

/// Secrets that are not told by the last part of their key.
const SECRET_KEYS: [&str; 2] = ["database.url", "sources.gitlab.ci_database_url"];

/// Keys that were renamed, and what they are called now.
const RENAMED: [(&str, &str); 2] = [
    ("sources.gitlab.sweep", "sources.gitlab.full_scan"),
    ("worker.sign_of_life", "worker.heartbeat_timeout"),
];

/// A value with its origin. Tables are taken apart; only leaves and empty tables are kept.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) value: SettingValue,
    pub(crate) origin: Origin,
}

/// A value. The table lives as long as the process, so that it must not hold a secret in plain text.
#[derive(Debug, Clone)]
pub(crate) enum SettingValue {
    /// Anything but a secret.
    Plain(ValueKind),
    /// A text that is not to be shown.
    Secret(SecretString),
}

impl Setting {
    /// The value of a key; a text is kept as a secret if the key is one of a secret.
    pub(crate) fn new(key: &str, value: ValueKind, origin: Origin) -> Self {
        let value = match value {
            ValueKind::String(text) if is_secret(key) => SettingValue::Secret(text.into()),
            value => SettingValue::Plain(value),
        };
        Self { value, origin }
    }

    /// The value, if it is no secret.
    pub(crate) fn plain(&self) -> Option<&ValueKind> {
        match &self.value {
            SettingValue::Plain(value) => Some(value),
            SettingValue::Secret(_) => None,
        }
    }

    /// Whether this stands for a section without keys.
    pub(crate) fn is_empty_section(&self) -> bool {
        matches!(self.plain(), Some(ValueKind::Table(_)))
    }

    /// Whether the value is a text of no length.
    pub(crate) fn is_empty_text(&self) -> bool {
        match &self.value {
            SettingValue::Plain(value) => *value == ValueKind::String(String::new()),
            SettingValue::Secret(secret) => secret.expose_secret().is_empty(),
        }
    }
}

/// Whether the values of this key are secrets.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    SECRETS.contains(&name) || SECRET_KEYS.contains(&key)
}

/// A value set by an option of the command line: its dotted key, the value, the option's name.
pub(crate) type Override = (&'static str, ValueKind, &'static str);

/// What decides the layers besides the files' content.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The folder that `config/` is looked for in.
    pub(crate) folder: PathBuf,
    /// The file given with `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The environment's variables.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The options of the command line.
    pub(crate) overrides: Vec<Override>,
}

/// All leaves by dotted key.
pub(crate) type Table = BTreeMap<String, Setting>;

/// Reads and merges all layers; later ones win.
pub(crate) fn merge(sources: &Sources) -> Result<Table, SettingsError> {
    let mut table = Table::new();
    insert(&mut table, &parse(DEFAULTS, &Origin::Default)?, &Origin::Default);
    for (path, required) in files(sources)? {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let origin = Origin::File(path);
                insert(&mut table, &parse(&text, &origin)?, &origin);
            }
            Err(error) if !required && error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = path.display();
                return Err(SettingsError(format!("the configuration file {path} cannot be read: {error}")));
            }
        }
    }
    for (key, variable, text) in variables(&sources.variables)? {
        let setting = Setting::new(&key, ValueKind::String(text), Origin::Variable(variable));
        table.insert(key, setting);
    }
    for (key, value, option) in &sources.overrides {
        let setting = Setting::new(key, value.clone(), Origin::Option(option));
        table.insert((*key).to_owned(), setting);
    }
    Ok(table)
}

/// Moves the values of keys that were renamed to their new keys, unless these are set as well. Returns a warning for
/// each.
pub(crate) fn rename_old_keys(table: &mut Table) -> Vec<String> {
    let mut warnings = Vec::new();
    for (old, new) in RENAMED {
        let Some(setting) = table.remove(old) else { continue };
        warnings.push(format!("{old} ({}) is called {new} now", setting.origin));
        if table.get(new).is_none_or(|own| own.origin == Origin::Default) {
            table.insert(new.to_owned(), setting);
        }
    }
    warnings
}

/// The configuration files in the order they count, each with whether it must exist.
fn files(sources: &Sources) -> Result<Vec<(PathBuf, bool)>, SettingsError> {
    let folder = sources.folder.join("config");
    let mut files = vec![(folder.join("default.toml"), false)];
    let environment = sources.variables.iter().find(|(name, _)| name == "STOCKTAKE_ENV");
    if let Some((_, name)) = environment.filter(|(_, name)| !name.is_empty()) {
        let name = name.to_str().filter(|name| !name.contains(['/', '\\', '\0'])).ok_or_else(|| {
            SettingsError("the variable STOCKTAKE_ENV is the name of a configuration, not a path".to_owned())
        })?;
        files.push((folder.join(format!("{name}.toml")), true));
    }
    files.extend(sources.file.iter().map(|path| (path.clone(), true)));
    Ok(files)
}

fn parse(text: &str, origin: &Origin) -> Result<Map<String, Value>, SettingsError> {
    File::from_str(text, FileFormat::Toml).collect().map_err(|error| {
        // TOML errors draw the offending line over several lines; the place and the reason are enough.
        let text = error.to_string();
        let drawing = |line: &&str| {
            !line.trim().is_empty()
                && !line
                    .trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                    .starts_with('|')
        };
        let sentence = text.lines().filter(drawing).map(str::trim).collect::<Vec<_>>().join(": ");
        SettingsError(format!("the configuration in {origin} is not TOML: {sentence}"))
    })
}

fn insert(table: &mut Table, layer: &Map<String, Value>, origin: &Origin) {
    for (name, value) in layer {
        flatten(table, name, &value.kind, origin);
    }
}

fn flatten(table: &mut Table, key: &str, value: &ValueKind, origin: &Origin) {
    match value {
        ValueKind::Table(children) if !children.is_empty() => {
            for (name, child) in children {
                flatten(table, &format!("{key}.{name}"), &child.kind, origin);
            }
        }
        leaf => {
            table.insert(key.to_owned(), Setting::new(key, leaf.clone(), origin.clone()));
        }
    }
}

/// The variables that are settings: dotted key, variable, text.
///
/// The reading is by hand rather than by the `config` crate's `Environment`, which forgets the variable's
/// name, and that name is what an error has to tell.
fn variables(all: &[(OsString, OsString)]) -> Result<Vec<(String, String, String)>, SettingsError> {
    let mut found = Vec::new();
    for (name, text) in all {
        let Some(name) = name.to_str() else { continue };
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX).and_then(|rest| rest.strip_prefix("__")) else {
            continue;
        };
        let text = text.to_str().ok_or_else(|| SettingsError(format!("the variable {name} is not UTF-8")))?;
        found.push((rest.to_lowercase().replace("__", "."), name.to_owned(), text.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// The sources of a running program.
pub(crate) fn process_sources(file: Option<&Path>, overrides: Vec<Override>) -> Sources {
    Sources {
        folder: PathBuf::new(),
        file: file.map(Path::to_owned),
        variables: std::env::vars_os().collect(),
        overrides,
    }
}
