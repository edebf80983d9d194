//! Reads settings out of a file's tree of values.

use std::path::{Path, PathBuf};

use crate::dialect::{Dialect, Setting};
use crate::file::InstallationError;
use crate::node::{Document, Node, UnknownReason, Value};

/// A file's values, and the notes about them.
pub(crate) struct SettingsReader<'f> {
    file: &'f Path,
    pub(crate) dialect: Dialect,
    root: Node,
    /// What relative paths are relative to.
    folder: Option<PathBuf>,
    pub(crate) notes: Vec<String>,
}

impl<'f> SettingsReader<'f> {
    pub(crate) fn new(file: &'f Path, dialect: Dialect, document: Document, folder: Option<&Path>) -> Self {
        let mut reader = Self {
            file,
            dialect,
            root: document.root,
            folder: folder.map(ToOwned::to_owned),
            notes: Vec::new(),
        };
        for (line, why) in document.ignored {
            reader.note(line, &why);
        }
        reader
    }

    /// Notes a sentence about a line, once.
    pub(crate) fn note(&mut self, line: usize, sentence: &str) {
        let note = format!("{}, line {line}: {sentence}", self.file.display());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes that a setting is ignored, and which of Stocktake's own settings replaces it.
    pub(crate) fn ignore(&mut self, setting: &Setting, line: usize, why: &str, hint: &str) {
        let name = self.dialect.name(&setting.0);
        self.note(
            line,
            &format!("`{name}` {why}, so it was ignored: set `{hint}` in Stocktake's configuration instead"),
        );
    }

    /// The value of a setting, unless it is empty. An unknown value is ignored with a note.
    pub(crate) fn value(&mut self, setting: &Setting, hint: &str) -> Option<Node> {
        let (node, keys) = self.find(setting);
        let Value::Unknown(why) = node?.value else { return node.filter(|node| !node.is_empty()).cloned() };
        let line = node?.line;
        let known = Setting(setting.0.iter().take(keys).cloned().collect());
        self.ignore(&known, line, why.text(), hint);
        None
    }

    /// Whether the setting has a value, known or unknown.
    pub(crate) fn is_set(&self, setting: &Setting) -> bool {
        self.find(setting).0.is_some_and(|node| !node.is_empty())
    }

    /// Why a value is unknown, if it is.
    pub(crate) fn unknown_reason(node: &Node) -> Option<UnknownReason> {
        match node.value {
            Value::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// A setting that is a text.
    pub(crate) fn text(
        &mut self,
        setting: &Setting,
        hint: &str,
    ) -> Result<Option<String>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        self.text_of(&node, setting).map(Some)
    }

    /// A setting that is `true` or `false`.
    pub(crate) fn flag(&mut self, setting: &Setting, hint: &str) -> Result<Option<bool>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        match &node.value {
            Value::Flag(flag) => Ok(Some(*flag)),
            Value::Text(text) if text == "true" => Ok(Some(true)),
            Value::Text(text) if text == "false" => Ok(Some(false)),
            _ => Err(self.wrong(&node, setting, "must be true or false")),
        }
    }

    /// A setting that is a folder or a file.
    pub(crate) fn path(
        &mut self,
        setting: &Setting,
        hint: &str,
    ) -> Result<Option<PathBuf>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        self.path_of(&node, setting, hint)
    }

    /// A value as a text.
    pub(crate) fn text_of(&self, node: &Node, setting: &Setting) -> Result<String, InstallationError> {
        match &node.value {
            Value::Text(text) | Value::Number(text) => Ok(text.clone()),
            _ => Err(self.wrong(node, setting, "must be a text")),
        }
    }

    /// A value as an absolute path; `None`, with a note, if it is relative to an unknown folder.
    pub(crate) fn path_of(
        &mut self,
        node: &Node,
        setting: &Setting,
        hint: &str,
    ) -> Result<Option<PathBuf>, InstallationError> {
        let Value::Text(text) = &node.value else {
            return Err(self.wrong(node, setting, "must be a path"));
        };
        let path = Path::new(text);
        let whole = if path.is_absolute() {
            Some(path.to_owned())
        } else {
            self.folder.as_ref().map(|folder| folder.join(path))
        };
        if whole.is_none() {
            self.ignore(setting, node.line, "is relative to an unknown folder", hint);
        }
        // Without a trailing slash.
        Ok(whole.map(|path| path.components().collect()))
    }

    /// The error that a setting has an unusable value.
    pub(crate) fn wrong(&self, node: &Node, setting: &Setting, why: &str) -> InstallationError {
        let name = self.dialect.name(&setting.0);
        InstallationError::line(self.file, node.line, format!("`{name}` {why}"))
    }

    /// The value of a setting, or the unknown value above it; and how many of its keys lead there.
    fn find(&self, setting: &Setting) -> (Option<&Node>, usize) {
        let mut node = &self.root;
        for (keys, key) in setting.0.iter().enumerate() {
            if Self::unknown_reason(node).is_some() {
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
