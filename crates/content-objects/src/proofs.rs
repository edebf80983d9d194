//! What proves that a storage as a whole can be read.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What was seen of the storage as a whole.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    seen: Mutex<Seen>,
    /// The last look: when it began, and why the storage cannot be read, if it cannot. Locked while one is under way.
    pub(crate) look: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The object that was read last.
    pub(crate) read: Option<String>,
    /// When a listing last proved that it is the service that answers.
    pub(crate) service: Option<Instant>,
}

impl Proofs {
    /// The object with this key begins to arrive.
    pub(crate) fn read(&self, key: &str) {
        self.update(|seen| seen.read = Some(key.to_owned()));
    }

    /// Reads or changes what was seen.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
