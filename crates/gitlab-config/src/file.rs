//! Reads a configuration file of GitLab's, and says what is wrong with it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest file that is read, in bytes. The commented template of `gitlab.rb` is less than a fifth of that.
const LONGEST: u64 = 1024 * 1024;

/// The text of a file.
pub(crate) fn text(file: &Path) -> Result<String, InstallationError> {
    let unreadable = |error| InstallationError::unreadable(file, &error);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(InstallationError::file(
            file,
            "is longer than 1 MiB, the most that is read of a configuration file",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| InstallationError::file(file, "is not UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text))
}

/// Whether a file's extension is that of YAML.
pub(crate) fn is_yaml(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yml", "yaml"].iter().any(|yaml| ending.eq_ignore_ascii_case(yaml)))
}

/// A configuration file that cannot be read, or in which a value is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{}{} {why}", file.display(), Line(*line))]
pub struct InstallationError {
    file: PathBuf,
    line: Option<usize>,
    why: String,
}

impl InstallationError {
    /// An error about the whole file; `why` is the predicate of the sentence.
    pub(crate) fn file(file: &Path, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, why: why.into() }
    }

    /// An error in one line, counted from 1.
    pub(crate) fn line(file: &Path, line: usize, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), why: why.into() }
    }

    /// What is wrong, as the predicate of a sentence.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    fn unreadable(file: &Path, error: &io::Error) -> Self {
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
