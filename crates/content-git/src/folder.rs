//! A folder that belongs to a repository, and what is said of the files in it.

use std::fmt;

use rustix::io::Errno;
use stocktake_content::{NOT_REGULAR, OUTSIDE, Root, locked_folder, storage_root};
use stocktake_domain::{ContentError, NotJudged};

use crate::error::{ReadError, display_name};

/// A folder of the storage: a repository, or the folder of objects of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepoFolder {
    /// The path below the storage's root.
    path: Vec<u8>,
    /// What is put before the names of its files in texts.
    label: String,
}

impl RepoFolder {
    pub(crate) fn new(path: &[u8], label: &str) -> Self {
        Self { path: path.to_owned(), label: label.to_owned() }
    }

    /// The path below the storage's root of a file in this folder; of the folder itself if the name is empty.
    pub(crate) fn path(&self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() { self.path.clone() } else { [&self.path, name].join(&b'/') }
    }

    /// The name of a file in texts; of the folder itself if the name is empty.
    pub(crate) fn display(&self, name: &[u8]) -> String {
        if name.is_empty() {
            display_name(&self.path)
        } else {
            format!("{}{}", self.label, display_name(name))
        }
    }

    /// A folder in this one. Its files are named as seen from here.
    pub(crate) fn folder(&self, name: &[u8]) -> Self {
        Self { path: self.path(name), label: format!("{}{}/", self.label, display_name(name)) }
    }

    /// What is reported of a repository that is not found.
    pub(crate) fn missing(&self, root: &Root) -> ContentError {
        locked_folder(root, &self.path)
            .map_or(ContentError::MissingRepository, |locked| NotJudged::Folder(locked).into())
    }

    /// The error when the system refuses to open or read a file.
    pub(crate) fn refused(&self, name: &[u8], error: Errno) -> ReadError {
        match error {
            OUTSIDE => {
                ReadError::invalid(format!("{}: leaves its storage through a link", self.display(name)))
            }
            // It has been replaced, on a network file system.
            Errno::STALE => ReadError::Changed,
            NOT_REGULAR => self.damaged(name, "not a regular file"),
            error => match storage_root::not_judged(self.display(name), error) {
                Some(not_judged) => not_judged.into(),
                None => self.damaged(name, error),
            },
        }
    }

    /// The error for a file that is not as it must be.
    pub(crate) fn damaged(&self, name: &[u8], reason: impl fmt::Display) -> ReadError {
        ReadError::unreadable(format!("{}: {reason}", self.display(name)))
    }

    /// The error for a file that is not as it must be, but which git may be writing.
    pub(crate) fn suspect(&self, name: &[u8], reason: impl fmt::Display) -> ReadError {
        ReadError::Suspect(ContentError::Unreadable(format!("{}: {reason}", self.display(name))))
    }
}
