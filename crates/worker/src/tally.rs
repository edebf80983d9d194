//! Counts of what an engine recorded.

use std::collections::BTreeMap;

use stocktake_domain::FailureKind;

/// What an engine recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records found good.
    pub succeeded: u64,
    /// Those of the good of which only what an object store says was looked at, not the content.
    pub metadata_only: u64,
    /// Records found bad, by kind; never a kind with none.
    pub failed: BTreeMap<FailureKind, u64>,
    /// Bytes of the content of these records, as far as it was read.
    pub bytes: u64,
}

impl Tally {
    /// Records, good and bad.
    pub fn records(&self) -> u64 {
        self.succeeded + self.failures()
    }

    /// Records found bad.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.metadata_only += other.metadata_only;
        self.bytes += other.bytes;
        for (kind, count) in &other.failed {
            *self.failed.entry(*kind).or_default() += count;
        }
    }
}

/// Is told how far an engine is.
pub trait Progress: Send + Sync {
    /// Results were written; `done` counts all so far. Must not block.
    fn advanced(&self, done: &Tally);
}
