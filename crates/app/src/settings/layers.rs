//! The layers of the configuration, merged into one table that remembers where each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize as _;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::SettingsError;
use super::files;
use super::paths;
use super::sources::{Override, Sources};

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
    /// This line of this file.
    File { path: PathBuf, line: usize },
    /// This environment variable.
    Variable(String),
    /// This option of the command line.
    Option(&'static str),
}

impl Origin {
    /// The configuration file, if it was one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Gitlab(told) => f.write_str(told),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
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
const SECRET_KEYS: [&str; 6] = [
    "database.url",
    "database.encryption_key",
    "database.encryption_keys_old",
    "sources.gitlab.ci_database_url",
    "sources.gitlab.praefect_database_url",
    "sources.gitlab.sec_database_url",
];

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
    Plain(Value),
    /// A text that is not to be shown.
    Secret(SecretString),
}

impl Setting {
    /// The value of a key; a text is kept as a secret if the key is one of a secret.
    pub(crate) fn new(key: &str, value: Value, origin: Origin) -> Self {
        let value = match value {
            Value::String(text) if is_secret(key) => SettingValue::Secret(text.into()),
            value => SettingValue::Plain(value),
        };
        Self { value, origin }
    }

    /// The value, if it is no secret.
    pub(crate) fn plain(&self) -> Option<&Value> {
        match &self.value {
            SettingValue::Plain(value) => Some(value),
            SettingValue::Secret(_) => None,
        }
    }

    /// Whether this stands for a section without keys.
    pub(crate) fn is_empty_section(&self) -> bool {
        matches!(self.plain(), Some(Value::Table(_)))
    }

    /// Whether the value is a text of no length.
    pub(crate) fn is_empty_text(&self) -> bool {
        match &self.value {
            SettingValue::Plain(value) => *value == Value::String(String::new()),
            SettingValue::Secret(secret) => secret.expose_secret().is_empty(),
        }
    }
}

/// Whether the values of this key are secrets.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    SECRETS.contains(&name) || SECRET_KEYS.contains(&key)
}

/// All leaves by dotted key.
pub(crate) type Table = BTreeMap<String, Setting>;

/// The layers, merged.
pub(crate) struct Merged {
    pub(crate) table: Table,
    /// The files that were read, later ones win. One that sets nothing is among them.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads and merges all layers; later ones win.
pub(crate) fn merge(sources: &Sources) -> Result<Merged, SettingsError> {
    let mut table = Table::new();
    Layer { text: DEFAULTS, file: None }.insert_into(&mut table)?;
    let files = files::find(sources)?;
    for file in &files {
        let text = std::fs::read_to_string(&file.path).map_err(|error| {
            let (path, why) = (file.path.display(), file.why);
            SettingsError(format!("the configuration file {path}{why} cannot be read: {error}"))
        })?;
        Layer { text: &text, file: Some(file) }.insert_into(&mut table)?;
    }
    for (key, variable, text) in variables(&sources.variables)? {
        let setting = Setting::new(&key, Value::String(text), Origin::Variable(variable));
        table.insert(key, setting);
    }
    for (key, value, option) in &sources.overrides {
        let setting = Setting::new(key, value.clone(), Origin::Option(option));
        table.insert((*key).to_owned(), setting);
    }
    Ok(Merged { table, files: files.into_iter().map(|file| file.path).collect() })
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

/// A text in TOML, of a file or of the program itself.
struct Layer<'text> {
    text: &'text str,
    file: Option<&'text files::ConfigFile>,
}

impl Layer<'_> {
    fn insert_into(&self, table: &mut Table) -> Result<(), SettingsError> {
        let refused = |error: toml::de::Error| {
            let place = self.origin(error.span().map_or(0, |span| span.start));
            // Messages of more than one line list what was expected.
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            SettingsError(format!("the configuration in {place} is not TOML: {message}"))
        };
        let values = DeTable::parse(self.text).map_err(refused)?;
        self.flatten(table, "", values.get_ref()).map_err(refused)
    }

    fn flatten(&self, table: &mut Table, prefix: &str, values: &DeTable<'_>) -> Result<(), toml::de::Error> {
        for (name, value) in values {
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(children) if !children.is_empty() => {
                    self.flatten(table, &format!("{key}."), children)?;
                }
                _ => {
                    let leaf = Value::deserialize(ValueDeserializer::from(value.clone()))?;
                    let leaf = match self.file {
                        Some(file) => paths::below(&file.base, &key, leaf),
                        None => leaf,
                    };
                    let setting = Setting::new(&key, leaf, self.origin(name.span().start));
                    table.insert(key, setting);
                }
            }
        }
        Ok(())
    }

    /// What begins so many bytes into the text.
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        match self.file {
            Some(file) => Origin::File { path: file.path.clone(), line: before + 1 },
            None => Origin::Default,
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
        system: PathBuf::from("/etc"),
        file: file.map(Path::to_owned),
        variables: std::env::vars_os().collect(),
        overrides,
    }
}
