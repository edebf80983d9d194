//! What the layers of the configuration are made of.

use std::ffi::OsString;
use std::path::PathBuf;

use toml::Value;

/// A value set by an option of the command line: its dotted key, the value, the option's name.
pub(crate) type Override = (&'static str, Value, &'static str);

/// What decides the layers besides the files' content.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The working directory; empty: that of the process.
    pub(crate) folder: PathBuf,
    /// The folder of the system's own configuration, `/etc`; empty: none is looked for.
    pub(crate) system: PathBuf,
    /// The file given with `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The environment's variables.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The options of the command line.
    pub(crate) overrides: Vec<Override>,
}

impl Sources {
    /// The text of a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&OsString> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text).filter(|text| !text.is_empty())
    }
}
