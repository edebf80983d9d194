//! A database in memory whose sync state can be watched, and made to fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::contract::MemoryStore;
use stocktake_domain::ports::{
    Counted, CountedTo, MockCatalogue, ModelSyncState, StoreError, SyncApplied, SyncBatch, SyncState,
    WorkerId,
};
use stocktake_domain::{Clock, Model};
use tokio::sync::watch;

use super::sooner_or_later;

/// What was asked, and how it is to be answered.
#[derive(Default)]
pub(crate) struct Seen {
    /// Whether the database does not answer.
    pub(crate) away: bool,
    /// Rows of this model are refused.
    pub(crate) refused: Option<Model>,
    /// The batch with this number is applied, but its answer never comes.
    pub(crate) hangs_at: Option<u64>,
    /// Batches applied.
    pub(crate) batches: u64,
    pub(crate) failed: u64,
}

/// The catalogue and the sync state of a database in memory.
pub(crate) struct TestStore {
    pub(crate) memory: Arc<MemoryStore>,
    seen: Arc<Mutex<Seen>>,
    applied: watch::Sender<()>,
}

fn check(seen: &Mutex<Seen>) -> Result<(), StoreError> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.failed += u64::from(seen.away);
    if seen.away { Err(StoreError::Unavailable("no answer".into())) } else { Ok(()) }
}

impl TestStore {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { memory: MemoryStore::new(clock), seen: Arc::default(), applied: watch::Sender::new(()) }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of the model's records.
    pub(crate) fn keys(&self, model: Model) -> Vec<i64> {
        self.memory.source_records(model).iter().map(|row| row.key.as_integer().unwrap()).collect()
    }

    /// The keys of the model's records that were recalculated, each with how often.
    pub(crate) fn recalculated(&self, model: Model) -> Vec<(i64, u64)> {
        let rows = self.memory.source_records(model).into_iter();
        let records = rows.filter_map(|row| self.memory.record(model, &row.key));
        let counted = records.map(|record| (record.key.as_integer().unwrap(), record.history().attempt));
        counted.filter(|(_, attempts)| *attempts > 0).collect()
    }

    /// The state of the model's sync, if it was ever synced.
    pub(crate) fn state(&self, model: Model) -> Option<ModelSyncState> {
        self.memory.sync_state_of(model)
    }

    /// Returns when this holds; looks after each batch.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut applied = self.applied.subscribe();
        while !holds(self) {
            sooner_or_later(applied.changed()).await.unwrap();
        }
    }

    /// The catalogue, of which a sync only counts records.
    pub(crate) fn catalogue(&self) -> MockCatalogue {
        let mut catalogue = MockCatalogue::new();
        let (memory, seen) = (Arc::clone(&self.memory), Arc::clone(&self.seen));
        catalogue.expect_count().returning(move |model, _, _| {
            check(&seen)?;
            let matches = u64::try_from(memory.source_records(model).len()).unwrap();
            Ok(Counted { matches, to: CountedTo::End })
        });
        catalogue
    }
}

#[async_trait]
impl SyncState for TestStore {
    async fn acquire_leader_lease(
        &self,
        instance: &WorkerId,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        check(&self.seen)?;
        self.memory.acquire_leader_lease(instance, duration).await
    }

    async fn release_leader_lease(&self, instance: &WorkerId) -> Result<(), StoreError> {
        check(&self.seen)?;
        self.memory.release_leader_lease(instance).await
    }

    async fn states(&self) -> Result<Vec<ModelSyncState>, StoreError> {
        check(&self.seen)?;
        self.memory.states().await
    }

    async fn apply(
        &self,
        instance: &WorkerId,
        batch: SyncBatch,
        state: &ModelSyncState,
    ) -> Result<Option<SyncApplied>, StoreError> {
        // Whoever waits for a batch before has its turn first.
        tokio::task::yield_now().await;
        assert!(batch.records.is_sorted_by_key(|row| &row.key), "rows come in the order of their keys");
        check(&self.seen)?;
        if self.seen().refused == Some(state.model) && !batch.records.is_empty() {
            return Err(StoreError::Internal("a character that cannot be".into()));
        }
        let applied = self.memory.apply(instance, batch, state).await?;
        if applied.is_some() {
            let hangs = {
                let mut seen = self.seen();
                seen.batches += 1;
                seen.hangs_at == Some(seen.batches)
            };
            self.applied.send_replace(());
            if hangs {
                std::future::pending::<()>().await;
            }
        }
        Ok(applied)
    }
}
