//! Acceptances: an administrator took content for good, and what that replaced, so that it can be told and taken back.

use crate::digest::Digest;
use crate::failure::Failure;
use crate::record::Record;
use crate::time::Timestamp;
use crate::verification::Baseline;

/// Content to be taken for good, or that there is none, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAcceptance {
    /// The digest of the content; `None`: it is right that nothing is there any more, and the record is retired.
    pub checksum: Option<Digest>,
    /// The size of the content in bytes; `None` where it has none of its own, which leaves the recorded size as it is, and
    /// where nothing is there.
    pub size: Option<u64>,
    /// Who accepted it: a user and a host.
    pub by: String,
    /// Why, if that was said.
    pub reason: Option<String>,
}

/// What counted of a record before an acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replaced {
    /// See [`Record::expected`].
    pub expected: Option<Digest>,
    /// See [`Record::file_size`].
    pub file_size: Option<u64>,
    /// See [`crate::History::baseline`].
    pub baseline: Option<Baseline>,
    /// See [`Record::accepted`].
    pub accepted: bool,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Failure>,
    /// When it failed.
    pub failed_at: Option<Timestamp>,
}

impl Replaced {
    /// What counts of the record as it is.
    pub fn of(record: &Record) -> Self {
        Self {
            expected: record.expected,
            file_size: record.file_size,
            baseline: record.history().baseline,
            accepted: record.accepted,
            failure: record.status.last_failure().cloned(),
            failed_at: record.history().failed_at(),
        }
    }
}

/// An acceptance that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// When.
    pub at: Timestamp,
    /// Who took it back: a user and a host.
    pub by: String,
    /// Why, if that was said.
    pub reason: Option<String>,
}

/// An acceptance, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// When the content was accepted.
    pub at: Timestamp,
    /// What was accepted, and who said so.
    pub accepted: NewAcceptance,
    /// What that replaced.
    pub replaced: Replaced,
    /// Whether it was taken back since.
    pub taken_back: Option<TakenBack>,
}
