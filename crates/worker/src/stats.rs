//! Counts of what an engine recorded, and who is notified of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stocktake_domain::FailureKind;

/// What an engine recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records found good.
    pub succeeded: u64,
    /// Those of the good of which only what an object store says was looked at, not the content.
    pub metadata_only: u64,
    /// Records found bad, by kind; never a kind with none.
    pub failed: BTreeMap<FailureKind, u64>,
    /// Bytes of the content of these records, as far as it was read.
    pub bytes: u64,
}

impl Stats {
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

/// Is notified of the progress of an engine.
pub trait Progress: Send + Sync {
    /// Results were written; `done` counts all so far. Must not block.
    fn advanced(&self, done: &Stats);
}

/// Counts what was recorded and notifies a [`Progress`].
#[derive(Default)]
pub(crate) struct Recorder {
    stats: Mutex<Stats>,
    progress: Option<Arc<dyn Progress>>,
}

impl Recorder {
    /// One that notifies `progress`.
    pub(crate) fn notifying(progress: Arc<dyn Progress>) -> Self {
        Self { stats: Mutex::default(), progress: Some(progress) }
    }

    /// Adds what was recorded.
    pub(crate) fn add(&self, recorded: &Stats) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.add(recorded);
        if let Some(progress) = &self.progress {
            progress.advanced(&stats);
        }
    }

    /// All that was recorded so far.
    pub(crate) fn stats(&self) -> Stats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
