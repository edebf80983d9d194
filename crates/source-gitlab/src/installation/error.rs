//! Why a file of GitLab's could not be read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file of GitLab's that could not be read, or that says what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{}{} {why}", file.display(), Line(*line))]
pub struct InstallationError {
    file: PathBuf,
    line: Option<usize>,
    why: String,
}

impl InstallationError {
    /// What is wrong with the file; `why` begins with a verb.
    pub(super) fn file(file: &Path, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, why: why.into() }
    }

    /// What is wrong in a line of it.
    pub(super) fn line(file: &Path, line: usize, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), why: why.into() }
    }

    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self::file(file, format!("cannot be read: {error}"))
    }
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, ", line {line}:"),
            None => Ok(()),
        }
    }
}
