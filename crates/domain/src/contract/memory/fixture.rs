//! A database in memory as a fixture of the suites.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::contract::{DatabaseFixture, ManualClock, Ports};
use crate::ports::WakeSignal;

/// A database in memory as a fixture.
pub struct MemoryFixture {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    ports: Ports,
}

impl MemoryFixture {
    /// An empty database in memory.
    pub fn new() -> Self {
        let clock = Arc::<ManualClock>::default();
        let store = MemoryStore::new(clock.clone());
        let ports = store.ports(&clock);
        Self { store, clock, ports }
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
        self.store.ports(&self.clock)
    }

    async fn settle(&self, signal: &mut dyn WakeSignal) {
        // One more, so that there certainly is one to take; a signal in memory is never late.
        self.store.wake();
        signal.wait().await;
    }
}
