//! Reads settings out of a file's tree of values.

use std::path::{Path, PathBuf};

use crate::dialect::{Dialect, Setting};
use crate::fact::{Fact, Unknown};
use crate::file::InstallationError;
use crate::node::{Document, Node, Place, UnknownReason, Value};

/// A file's values, and the notes about them.
pub(crate) struct SettingsReader {
    pub(crate) dialect: Dialect,
    files: Vec<String>,
    root: Node,
    /// What relative paths are relative to.
    folder: Option<PathBuf>,
    pub(crate) notes: Vec<String>,
}

impl SettingsReader {
    pub(crate) fn new(dialect: Dialect, document: Document, folder: Option<&Path>) -> Self {
        let mut reader = Self {
            dialect,
            files: document.files,
            root: document.root,
            folder: folder.map(ToOwned::to_owned),
            notes: Vec::new(),
        };
        for (place, why) in document.ignored {
            reader.note(place, &why);
        }
        reader
    }

    /// Whether the file sets nothing at all.
    pub(crate) fn is_silent(&self) -> bool {
        self.root.is_empty() && self.notes.is_empty()
    }

    fn file(&self, place: Place) -> &str {
        self.files.get(place.file).map_or("", String::as_str)
    }

    /// Notes a sentence about a line, once.
    pub(crate) fn note(&mut self, place: Place, sentence: &str) {
        let note = format!("{}, line {}: {sentence}", self.file(place), place.line);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What is wrong with a setting, for which one of Stocktake's own counts: as a predicate (`is calculated`), and as
    /// what the file does (`calculates it`).
    pub(crate) fn unknown(
        &self,
        setting: &Setting,
        place: Place,
        (predicate, active): (&str, &str),
        key: &str,
    ) -> Unknown {
        let name = self.dialect.name(&setting.0);
        let file = self.file(place);
        let line = place.line;
        Unknown {
            key: key.to_owned(),
            sentence: format!("{file}, line {line}: `{name}` {predicate}"),
            cause: format!("{file} {active} in line {line}"),
        }
    }

    /// A value, unless it is empty.
    pub(crate) fn value(&self, setting: &Setting, key: &str) -> Fact<Node> {
        let (node, keys) = self.find(setting);
        match node {
            None => Fact::Absent,
            Some(Node { value: Value::Unknown(why), place }) => {
                let known = Setting(setting.0.iter().take(keys).cloned().collect());
                Fact::Unknown(self.unknown(&known, *place, texts(*why), key))
            }
            Some(node) if node.is_empty() => Fact::Absent,
            Some(node) => Fact::Known(node.clone()),
        }
    }

    /// A setting that is a text.
    pub(crate) fn text(&self, setting: &Setting, key: &str) -> Result<Fact<String>, InstallationError> {
        self.read(setting, key, |node| self.text_of(node, setting))
    }

    /// A setting that is `true` or `false`.
    pub(crate) fn flag(&self, setting: &Setting, key: &str) -> Result<Fact<bool>, InstallationError> {
        self.read(setting, key, |node| match &node.value {
            Value::Flag(flag) => Ok(*flag),
            Value::Text(text) if text == "true" => Ok(true),
            Value::Text(text) if text == "false" => Ok(false),
            _ => Err(self.wrong(node, setting, "must be true or false")),
        })
    }

    fn read<T>(
        &self,
        setting: &Setting,
        key: &str,
        read: impl FnOnce(&Node) -> Result<T, InstallationError>,
    ) -> Result<Fact<T>, InstallationError> {
        Ok(match self.value(setting, key) {
            Fact::Absent => Fact::Absent,
            Fact::Unknown(unknown) => Fact::Unknown(unknown),
            Fact::Known(node) => Fact::Known(read(&node)?),
        })
    }

    /// A setting that is a folder or a file.
    pub(crate) fn path(&self, setting: &Setting, key: &str) -> Result<Fact<PathBuf>, InstallationError> {
        match self.value(setting, key) {
            Fact::Absent => Ok(Fact::Absent),
            Fact::Unknown(unknown) => Ok(Fact::Unknown(unknown)),
            Fact::Known(node) => self.path_of(&node, setting, key),
        }
    }

    /// A value as a text.
    pub(crate) fn text_of(&self, node: &Node, setting: &Setting) -> Result<String, InstallationError> {
        match &node.value {
            Value::Text(text) | Value::Number(text) => Ok(text.clone()),
            _ => Err(self.wrong(node, setting, "must be a text")),
        }
    }

    /// A value as an absolute path.
    pub(crate) fn path_of(
        &self,
        node: &Node,
        setting: &Setting,
        key: &str,
    ) -> Result<Fact<PathBuf>, InstallationError> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Unknown(why) => {
                return Ok(Fact::Unknown(self.unknown(setting, node.place, texts(*why), key)));
            }
            _ => return Err(self.wrong(node, setting, "must be a path")),
        };
        let path = Path::new(text);
        let whole = if path.is_absolute() {
            Some(path.to_owned())
        } else {
            self.folder.as_ref().map(|folder| folder.join(path))
        };
        Ok(match whole {
            // Without a trailing slash.
            Some(path) => Fact::Known(path.components().collect()),
            None => Fact::Unknown(self.unknown(
                setting,
                node.place,
                ("is relative to an unknown folder", "has it relative to an unknown folder"),
                key,
            )),
        })
    }

    /// The error that a setting has an unusable value.
    pub(crate) fn wrong(&self, node: &Node, setting: &Setting, why: &str) -> InstallationError {
        let name = self.dialect.name(&setting.0);
        let file = Path::new(self.file(node.place));
        InstallationError::line(file, node.place.line, format!("`{name}` {why}"))
    }

    /// The value of a setting, or the unknown value above it; and how many of its keys lead there.
    fn find(&self, setting: &Setting) -> (Option<&Node>, usize) {
        let mut node = &self.root;
        for (keys, key) in setting.0.iter().enumerate() {
            if matches!(node.value, Value::Unknown(_)) {
                return (Some(node), keys);
            }
            match node.get(key) {
                Some(below) => node = below,
                None => return (None, keys),
            }
        }
        (Some(node), setting.0.len())
    }
}

/// The reason why a value is unknown, as a predicate and as what the file does.
pub(crate) const fn texts(why: UnknownReason) -> (&'static str, &'static str) {
    (why.text(), why.active())
}
