//! The catalogue and the states of the sync in memory, as their ports promise them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    MockCatalogue, ModelSyncState, ScannedRange, StoreError, SyncApplied, SyncBatch, SyncState, WorkerId,
};
use stocktake_domain::{Model, RecordKey, SourceRecord, Timestamp};
use tokio::sync::watch;

use super::sooner_or_later;

/// What is there, and what was asked.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) records: BTreeMap<(Model, RecordKey), SourceRecord>,
    /// How often records became pending again, because they were touched.
    pub(crate) recalculated: Vec<(Model, i64)>,
    pub(crate) states: BTreeMap<Model, ModelSyncState>,
    pub(crate) hold: Option<(WorkerId, Timestamp)>,
    /// It does not answer.
    pub(crate) away: bool,
    /// Rows of this model are refused.
    pub(crate) refused: Option<Model>,
    /// The batch with this number is applied, but its answer never comes.
    pub(crate) hangs_at: Option<u64>,
    pub(crate) pieces: u64,
    pub(crate) failed: u64,
}

impl Tables {
    pub(crate) fn keys(&self, model: Model) -> Vec<i64> {
        let keys = self.records.keys().filter(|(of, _)| *of == model);
        keys.map(|(_, key)| key.as_integer().unwrap()).collect()
    }

    fn holds(&self, holder: &WorkerId, now: Timestamp) -> bool {
        self.hold.as_ref().is_some_and(|(name, until)| name == holder && *until > now)
    }

    fn check(&mut self) -> Result<(), StoreError> {
        self.failed += u64::from(self.away);
        if self.away { Err(StoreError::Unavailable("no answer".into())) } else { Ok(()) }
    }

    fn apply(&mut self, model: Model, batch: SyncBatch) -> SyncApplied {
        let mut done = SyncApplied::default();
        let keys: Vec<RecordKey> = batch.records.iter().map(|entry| entry.key.clone()).collect();
        assert!(keys.is_sorted(), "entries come in order");
        for entry in batch.records {
            let at = (model, entry.key.clone());
            let content_changed_at = entry.content_changed_at;
            match self.records.insert(at.clone(), entry.clone()) {
                None => done.applied.added += 1,
                Some(before) => {
                    if content_changed_at > before.content_changed_at {
                        self.recalculated.push((model, at.1.as_integer().unwrap()));
                    }
                    let count =
                        if before == entry { &mut done.applied.unchanged } else { &mut done.applied.changed };
                    *count += 1;
                }
            }
        }
        let Some(ScannedRange { after, to, most_deleted }) = batch.scanned_range else { return done };
        let is_in = |key: &RecordKey| {
            after.as_ref().is_none_or(|after| key > after) && to.as_ref().is_none_or(|to| key <= to)
        };
        let gone = self.records.keys().filter(|(of, key)| *of == model && is_in(key) && !keys.contains(key));
        let gone: Vec<_> = gone.cloned().collect();
        let count = u64::try_from(gone.len()).unwrap();
        if count > most_deleted {
            done.kept = count;
        } else {
            done.deleted = count;
            self.records.retain(|at, _| !gone.contains(at));
        }
        done
    }
}

pub(crate) struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    changed: watch::Sender<()>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        Self { tables: Arc::default(), changed: watch::Sender::new(()) }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the tables are so.
    pub(crate) async fn until(&self, so: impl Fn(&Tables) -> bool) {
        let mut changed = self.changed.subscribe();
        while !so(&self.tables()) {
            sooner_or_later(changed.changed()).await.unwrap();
        }
    }

    pub(crate) fn catalogue(&self) -> MockCatalogue {
        let mut catalogue = MockCatalogue::new();
        let tables = Arc::clone(&self.tables);
        catalogue.expect_count().returning(move |model, _, _| {
            let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
            tables.check()?;
            Ok(u64::try_from(tables.keys(model).len()).unwrap())
        });
        catalogue
    }
}

#[async_trait]
impl SyncState for MemoryStore {
    async fn acquire_leader_lease(
        &self,
        holder: &WorkerId,
        span: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        tables.check()?;
        let free = tables.hold.as_ref().is_none_or(|(name, until)| name == holder || *until <= now);
        if free {
            tables.hold = Some((holder.clone(), now.after(span)));
        }
        Ok(free)
    }

    async fn release_leader_lease(&self, holder: &WorkerId) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.check()?;
        tables.hold.take_if(|(name, _)| name == holder);
        Ok(())
    }

    async fn states(&self) -> Result<Vec<ModelSyncState>, StoreError> {
        let mut tables = self.tables();
        tables.check()?;
        Ok(tables.states.values().cloned().collect())
    }

    async fn apply(
        &self,
        holder: &WorkerId,
        batch: SyncBatch,
        state: &ModelSyncState,
        now: Timestamp,
    ) -> Result<Option<SyncApplied>, StoreError> {
        tokio::task::yield_now().await;
        let (done, hangs) = {
            let mut tables = self.tables();
            tables.check()?;
            if !tables.holds(holder, now) {
                return Ok(None);
            }
            if tables.refused == Some(state.model) && !batch.records.is_empty() {
                return Err(StoreError::Internal("a character that cannot be".into()));
            }
            tables.pieces += 1;
            let done = tables.apply(state.model, batch);
            tables.states.insert(state.model, state.clone());
            (done, tables.hangs_at == Some(tables.pieces))
        };
        self.changed.send_replace(());
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(Some(done))
    }
}
