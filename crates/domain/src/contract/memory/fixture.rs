//! A database in memory as a fixture of the suites.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::WakeSignal;

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
