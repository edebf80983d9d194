//! The fixture of the suites of the database ports.

use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::{Catalogue, Conditions, Jobs, Queue, SyncState, Tokens, WakeSignal};

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
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
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
