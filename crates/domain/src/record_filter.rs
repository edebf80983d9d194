//! What the records have in common that somebody wants to see or to have read: one filter for all commands.

use crate::failure::FailureKind;
use crate::path_glob::PathGlob;
use crate::time::Timestamp;

/// What records have in common that are meant ([`crate::Record::is_meant_by`]); all parts must hold, and an absent or empty
/// part holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Only records whose last attempt failed ([`crate::Status::last_failure`]) in one of these ways.
    pub kinds: Vec<FailureKind>,
    /// Only records in one of these storages.
    pub storages: Vec<String>,
    /// Only records with such a path.
    pub path: Option<PathGlob>,
    /// Only records of this project or group, or of one below it.
    pub owner: Option<String>,
    /// Only records whose last attempt ended at this time or later.
    pub since: Option<Timestamp>,
    /// Only records whose last attempt ended before this time, or that were never read.
    pub before: Option<Timestamp>,
}

impl RecordFilter {
    /// Whether it leaves no record out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
