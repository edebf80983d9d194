//! The fixture of the suites of the database ports.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::ports::{Catalogue, Jobs, Queue, SyncState, Tokens, WakeSignal};

/// The ports of one database.
#[derive(Clone)]
pub struct Ports {
    /// All records.
    pub catalogue: Arc<dyn Catalogue>,
    /// What is due, and who verifies it.
    pub queue: Arc<dyn Queue>,
    /// Bulk jobs.
    pub jobs: Arc<dyn Jobs>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// How far the sync with the source is.
    pub sync_state: Arc<dyn SyncState>,
}

/// An empty database of a case's own, ready for use.
#[async_trait]
pub trait DatabaseFixture: Send + Sync {
    /// The database's ports.
    fn ports(&self) -> &Ports;

    /// The ports as another process has them that opens the same database.
    async fn reopen(&self) -> Ports;

    /// Returns when the signals of all that was done before have arrived, and takes them from `signal`.
    async fn settle(&self, signal: &mut dyn WakeSignal);
}

/// A database in memory as a fixture.
pub struct MemoryFixture {
    store: Arc<MemoryStore>,
    ports: Ports,
}

impl MemoryFixture {
    /// An empty database in memory.
    pub fn new() -> Self {
        let store = MemoryStore::new();
        let ports = store.ports();
        Self { store, ports }
    }
}

impl Default for MemoryFixture {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl DatabaseFixture for MemoryFixture {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn reopen(&self) -> Ports {
        self.store.ports()
    }

    async fn settle(&self, signal: &mut dyn WakeSignal) {
        // One more, so that there certainly is one to take; a signal in memory is never late.
        self.store.wake();
        signal.wait().await;
    }
}
