//! A database in memory as a fixture of the suites.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::tables::with_baseline;
use crate::contract::{DatabaseFixture, ManualClock, Ports, RowValue};
use crate::digest::Digest;
use crate::key::RecordKey;
use crate::ports::WakeSignal;
use crate::time::Timestamp;
use crate::verification::Baseline;

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

    async fn damage(&self, key: &RecordKey, value: RowValue) {
        let mut tables = self.store.tables();
        let row = tables.records.values_mut().find_map(|rows| rows.get_mut(key)).unwrap();
        row.damaged.insert(value.part());
        let baseline = row.status.history().baseline;
        match value {
            RowValue::Expected => row.said.expected = row.said.expected.map(flipped),
            RowValue::FileSize => row.said.file_size = row.said.file_size.map(|size| size ^ 1),
            RowValue::Accepted => row.accepted = !row.accepted,
            RowValue::Baseline => {
                let baseline = baseline.map(|of| Baseline { digest: flipped(of.digest), ..of });
                row.status = with_baseline(row.status.clone(), baseline);
            }
            RowValue::BaselineAt => {
                let flip = |at: Timestamp| Timestamp::from_millis(at.millis() ^ 1);
                let baseline = baseline.map(|of| Baseline { at: flip(of.at), ..of });
                row.status = with_baseline(row.status.clone(), baseline);
            }
        }
    }

    async fn settle(&self, signal: &mut dyn WakeSignal) {
        // One more, so that there certainly is one to take; a signal in memory is never late.
        self.store.wake();
        signal.wait().await;
    }
}

/// The digest with one bit of its first byte turned over.
fn flipped(mut digest: Digest) -> Digest {
    match &mut digest {
        Digest::Sha256(bytes) => bytes[0] ^= 1,
        Digest::Md5(bytes) => bytes[0] ^= 1,
        Digest::Sha1(bytes) | Digest::Gitaly(bytes) => bytes[0] ^= 1,
        Digest::Metadata(kept) => panic!("the suites damage digests of content, not {kept:?}"),
    }
    digest
}
