//! Which records somebody wants to see or to have read: one filter for commands and for the API.

use crate::failure::FailureKind;
use crate::path_glob::PathGlob;
use crate::record::Record;
use crate::time::Timestamp;

/// What records have in common that are meant; all parts must hold, and an absent or empty part holds for all.
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

    /// Whether the record is meant.
    pub fn matches(&self, record: &Record) -> bool {
        let kind = record.status.last_failure().map(|failure| failure.kind());
        let ended = record.history().last_checksum_at();
        (self.kinds.is_empty() || kind.is_some_and(|kind| self.kinds.contains(&kind)))
            && (self.storages.is_empty() || self.storages.contains(&record.location.storage))
            && self.path.as_ref().is_none_or(|path| path.matches(&record.location.path))
            && self.owner.as_deref().is_none_or(|owner| is_of(record.owner.as_deref(), owner))
            && self.since.is_none_or(|since| ended.is_some_and(|at| at >= since))
            && self.before.is_none_or(|before| ended.is_none_or(|at| at < before))
    }
}

/// Whether a record of this project or group is the wanted one's.
fn is_of(owner: Option<&str>, wanted: &str) -> bool {
    let rest = owner.and_then(|owner| owner.strip_prefix(wanted));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
