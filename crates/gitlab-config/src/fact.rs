//! What is known of a place, and what is not.

use std::fmt;

/// What GitLab's configuration says of a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// There is no such place.
    #[default]
    Absent,
    /// It is this.
    Known(T),
    /// It is set, but not in a way that can be understood. Nothing may be assumed in its place.
    Unknown(Unknown),
}

impl<T> Fact<T> {
    /// The place, if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Why the place is unknown, if it is.
    pub const fn unknown(&self) -> Option<&Unknown> {
        match self {
            Self::Unknown(unknown) => Some(unknown),
            Self::Absent | Self::Known(_) => None,
        }
    }

    /// The same of another value.
    pub(crate) fn map<U>(&self, change: impl FnOnce(&T) -> U) -> Fact<U> {
        match self {
            Self::Absent => Fact::Absent,
            Self::Known(value) => Fact::Known(change(value)),
            Self::Unknown(unknown) => Fact::Unknown(unknown.clone()),
        }
    }

    /// The same, with another setting of Stocktake's that says it instead.
    pub(crate) fn instead(self, key: &str) -> Self {
        match self {
            Self::Unknown(unknown) => Self::Unknown(Unknown { key: key.to_owned(), ..unknown }),
            other => other,
        }
    }
}

/// Why something is unknown, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The setting of Stocktake's that says it instead, for example `storages.gitlab-lfs.root`.
    pub key: String,
    /// What is wrong, as a sentence that begins with the file and the line.
    pub sentence: String,
    /// The same as the second half of a sentence, for example `gitlab.rb calculates it in line 3`.
    pub(crate) cause: String,
}

/// As the reason of a record whose place is unknown: `set storages.gitlab-lfs.root: gitlab.rb calculates it in line 3`.
impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {}: {}", self.key, self.cause)
    }
}
