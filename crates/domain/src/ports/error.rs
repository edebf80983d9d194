//! Why a store of ours could not do what was asked.

use std::error::Error;
use std::fmt;

/// Why a store of ours could not do what was asked; each variant tells the caller what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be used for now. Try again later.
    #[error("the database {}", .0.outage)]
    Unavailable(#[source] Unavailable),
    /// The database's schema is not the one this program needs. Migrate, or use the matching program.
    #[error("the database schema does not fit this program: {0}")]
    Schema(String),
    /// A fault of ours or of the stored data. Trying again does not help; the source says more.
    #[error("the database refused or returned something unexpected")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

/// What keeps a database from being used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Nothing of it can be reached.
    Unreachable,
    /// It can be reached, and does not answer in time.
    Silent,
    /// It takes no changes: it is a standby, or was made read-only.
    ReadOnly,
    /// What others changed at the same time kept this from being done.
    Contended,
    /// The disk or the file system of an embedded database does not let it work. Often somebody has to act.
    Disk,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "is unreachable",
            Self::Silent => "does not answer in time",
            Self::ReadOnly => "takes no changes",
            Self::Contended => "is busy with other changes",
            Self::Disk => "cannot be used",
        })
    }
}

/// An outage of the database and its cause.
#[derive(Debug)]
pub struct Unavailable {
    /// What kind of outage it is.
    pub outage: Outage,
    /// What the adapter knows of it.
    pub cause: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// An outage with its cause.
    pub fn new(outage: Outage, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { outage, cause: cause.into() }
    }
}

/// A database that cannot be reached, for this reason.
impl From<&str> for Unavailable {
    fn from(reason: &str) -> Self {
        Self::new(Outage::Unreachable, reason)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}
