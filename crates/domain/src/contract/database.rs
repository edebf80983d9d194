//! The fixture of the suites of the database ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use crate::key::RecordKey;
use crate::ports::{
    Catalogue, Conditions, Jobs, OrphanWalks, Queue, Sessions, SyncState, Tokens, WakeSignal,
};
use crate::row_part::RowPart;
use crate::time::{Clock, Timestamp};

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
    /// Who signed in.
    pub sessions: Arc<dyn Sessions>,
    /// How far the sync with the source is.
    pub sync_state: Arc<dyn SyncState>,
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
    /// Walks in search of content that nothing claims.
    pub orphan_walks: Arc<dyn OrphanWalks>,
    /// The database's clock, which all processes share.
    pub clock: Arc<ManualClock>,
}

impl Ports {
    /// These ports, once the database's clock shows this time.
    pub fn as_of(&self, time: Timestamp) -> &Self {
        self.clock.set(time);
        self
    }
}

/// A clock that shows what it was set to; at first 1970-01-01T00:00:00Z.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Sets the clock, forwards or back.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A value of a row of the catalogue that tests change behind the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowValue {
    /// The first byte of the recorded digest, which there must be.
    Expected,
    /// The recorded size, which there must be.
    FileSize,
    /// Whether other content was accepted.
    Accepted,
    /// The first byte of our own last good checksum, which there must be.
    Baseline,
    /// When that was calculated.
    BaselineAt,
}

impl RowValue {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Expected, Self::FileSize, Self::Accepted, Self::Baseline, Self::BaselineAt];

    /// The part of the row that it belongs to.
    pub const fn part(self) -> RowPart {
        match self {
            Self::Expected | Self::FileSize | Self::Accepted => RowPart::Recorded,
            Self::Baseline | Self::BaselineAt => RowPart::Baseline,
        }
    }
}

/// An empty database of a case's own, ready for use, whose time is that of [`Ports::clock`].
#[async_trait]
pub trait DatabaseFixture: Send + Sync {
    /// The database's ports.
    fn ports(&self) -> &Ports;

    /// The ports as another process has them that opens the same database.
    async fn reopen(&self) -> Ports;

    /// Changes a value in the row of the only record with this key, as a failing disk does.
    async fn damage(&self, key: &RecordKey, value: RowValue);

    /// Returns when the signals of all that was done before have arrived, and takes them from `signal`.
    async fn settle(&self, signal: &mut dyn WakeSignal);
}
