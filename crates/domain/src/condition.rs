//! What is wrong with a storage as a whole or with a process, so that records wait which it keeps from being judged.

use crate::time::Timestamp;

/// What a condition is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionSubject {
    /// The configured storage of this name cannot be read.
    Storage(String),
    /// A process lacks what it needs to read anything.
    Process,
}

/// Something that keeps records from being judged, as one host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is of.
    pub subject: ConditionSubject,
    /// The host that reported it.
    pub host: String,
    /// What is wrong, for people.
    pub reason: String,
    /// When it was first reported.
    pub since: Timestamp,
    /// When it was last reported.
    pub reported_at: Timestamp,
}
