//! Taking settings out of what a file says.

use std::path::{Path, PathBuf};

use super::dialect::{Dialect, Setting};
use super::error::InstallationError;
use super::node::{Node, Source, Value, Why};

/// A file, and what is to be told of it.
pub(super) struct Reading<'f> {
    file: &'f Path,
    pub(super) dialect: Dialect,
    root: Node,
    /// What relative paths are relative to.
    folder: Option<PathBuf>,
    pub(super) notes: Vec<String>,
}

impl<'f> Reading<'f> {
    pub(super) fn new(file: &'f Path, dialect: Dialect, source: Source, folder: Option<&Path>) -> Self {
        let mut reading = Self {
            file,
            dialect,
            root: source.root,
            folder: folder.map(ToOwned::to_owned),
            notes: Vec::new(),
        };
        for (line, why) in source.passed_over {
            reading.note(line, &why);
        }
        reading
    }

    /// Adds a sentence about a line, once.
    pub(super) fn note(&mut self, line: usize, sentence: &str) {
        let note = format!("{}, line {line}: {sentence}", self.file.display());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds that a setting is passed over, and what can be written into Stocktake's own configuration.
    pub(super) fn pass_over(&mut self, setting: &Setting, line: usize, why: &str, hint: &str) {
        let name = self.dialect.name(&setting.0);
        self.note(
            line,
            &format!(
                "`{name}` {why}, so it was passed over: write `{hint}` into Stocktake's configuration instead"
            ),
        );
    }

    /// The value of a setting, unless it is nothing. One that is not known is passed over.
    pub(super) fn value(&mut self, setting: &Setting, hint: &str) -> Option<Node> {
        let (node, keys) = self.find(setting);
        let Value::Unread(why) = node?.value else { return node.filter(|node| !node.is_empty()).cloned() };
        let line = node?.line;
        let known = Setting(setting.0.iter().take(keys).cloned().collect());
        self.pass_over(&known, line, why.text(), hint);
        None
    }

    /// Whether anything is said, be it known or not.
    pub(super) fn is_said(&self, setting: &Setting) -> bool {
        self.find(setting).0.is_some_and(|node| !node.is_empty())
    }

    /// Why a value within another is not known, if it is not.
    pub(super) fn unread(node: &Node) -> Option<Why> {
        match node.value {
            Value::Unread(why) => Some(why),
            _ => None,
        }
    }

    /// A setting that is a text.
    pub(super) fn text(
        &mut self,
        setting: &Setting,
        hint: &str,
    ) -> Result<Option<String>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        self.text_of(&node, setting).map(Some)
    }

    /// A setting that is `true` or `false`.
    pub(super) fn flag(&mut self, setting: &Setting, hint: &str) -> Result<Option<bool>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        match &node.value {
            Value::Flag(flag) => Ok(Some(*flag)),
            Value::Text(text) if text == "true" => Ok(Some(true)),
            Value::Text(text) if text == "false" => Ok(Some(false)),
            _ => Err(self.wrong(&node, setting, "must be true or false")),
        }
    }

    /// A setting that is a folder or a file.
    pub(super) fn path(
        &mut self,
        setting: &Setting,
        hint: &str,
    ) -> Result<Option<PathBuf>, InstallationError> {
        let Some(node) = self.value(setting, hint) else { return Ok(None) };
        self.path_of(&node, setting, hint)
    }

    /// The text that a value is.
    pub(super) fn text_of(&self, node: &Node, setting: &Setting) -> Result<String, InstallationError> {
        match &node.value {
            Value::Text(text) | Value::Number(text) => Ok(text.clone()),
            _ => Err(self.wrong(node, setting, "must be a text")),
        }
    }

    /// The path that a value is, if it can be told which.
    pub(super) fn path_of(
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
            self.pass_over(setting, node.line, "is relative to a folder that is not known", hint);
        }
        // Without a slash at the end.
        Ok(whole.map(|path| path.components().collect()))
    }

    /// That a setting is not what it must be.
    pub(super) fn wrong(&self, node: &Node, setting: &Setting, why: &str) -> InstallationError {
        let name = self.dialect.name(&setting.0);
        InstallationError::line(self.file, node.line, format!("`{name}` {why}"))
    }

    /// What is at a setting, or above it and not known; and how many of its keys lead there.
    fn find(&self, setting: &Setting) -> (Option<&Node>, usize) {
        let mut node = &self.root;
        for (keys, key) in setting.0.iter().enumerate() {
            if Self::unread(node).is_some() {
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
