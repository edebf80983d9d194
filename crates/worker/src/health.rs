//! What an engine knows of its storages as wholes, and of its process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The state of the storages and of the process, as this engine sees them.
#[derive(Debug, Default)]
pub(crate) struct Health {
    storages: Mutex<BTreeMap<String, StorageHealth>>,
    /// What it lacks.
    process: Mutex<Option<String>>,
}

/// What is known of one storage.
#[derive(Debug, Default)]
pub(crate) struct StorageHealth {
    /// Why it is closed, if it is.
    pub(crate) fault: Option<String>,
    /// Whether the database knows that it is open, and which storage it is.
    pub(crate) is_settled: bool,
    /// Records that were good and would be missing, since the engine began.
    pub(crate) lost: u64,
    /// From how many lost records on they may be more than half of the storage's.
    pub(crate) half: u64,
    /// When it was first closed because of them.
    pub(crate) suspected_at: Option<Instant>,
    /// Whether it was looked at again since, and found whole.
    pub(crate) is_whole: bool,
}

impl Health {
    fn storages(&self) -> MutexGuard<'_, BTreeMap<String, StorageHealth>> {
        self.storages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process lacks.
    pub(crate) fn process(&self) -> MutexGuard<'_, Option<String>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a storage.
    pub(crate) fn update<T>(&self, storage: &str, change: impl FnOnce(&mut StorageHealth) -> T) -> T {
        change(self.storages().entry(storage.to_owned()).or_default())
    }

    /// The closed storages, and why each is.
    pub(crate) fn closed(&self) -> BTreeMap<String, String> {
        let storages = self.storages();
        storages.iter().filter_map(|(name, state)| Some((name.clone(), state.fault.clone()?))).collect()
    }
}
