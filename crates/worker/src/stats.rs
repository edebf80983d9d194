//! Counts of what an engine recorded, and who is notified of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

    /// Records whose content was looked for: all but the invalid ones.
    pub(crate) fn looked_at(&self) -> u64 {
        self.records() - self.failed.get(&FailureKind::Invalid).copied().unwrap_or_default()
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

/// How a drain in the foreground ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// What was recorded.
    pub stats: Stats,
    /// The storages that could not be read as wholes, in the order of their names.
    pub closed: Vec<ClosedStorage>,
    /// What the process lacked to read on, if it gave up for that.
    pub shortage: Option<String>,
}

/// What keeps an engine from getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A storage cannot be read as a whole, and is looked at again from time to time.
    Storage {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// What this process lacks.
    Process(String),
    /// Another worker holds records, perhaps one that has ended and did not give them back.
    Holder {
        /// Which process that is, for people.
        process: String,
        /// How long it holds them without another sign of life.
        lasts: Duration,
    },
}

/// A storage that could not be read as a whole. Its records are as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedStorage {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Its records that were to be read and wait.
    pub waiting: u64,
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
