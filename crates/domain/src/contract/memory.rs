//! A database in memory: the reference implementation of the database ports.
//!
//! It passes the same suites as the adapters, serves as the double of a database in the tests of the crates around the
//! domain, and is what random sequences of calls on an adapter are compared with. Unlike the adapters, it derives
//! nothing: a lease lists what it holds, so that an error in deriving `started` cannot be in both.

mod acceptances;
mod catalogue;
mod claims;
mod conditions;
mod entries;
mod fixture;
mod jobs;
mod orphan_walks;
mod pages;
mod queue;
mod sessions;
mod sync_state;
mod tables;
mod tokens;
mod wake;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::tables::{Row, Tables};
use self::wake::Wakes;
use super::tasks::yield_now;
use super::{ManualClock, Ports};
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{ModelSyncState, StoreError, WorkerId};
use crate::record::{Record, SourceRecord};
use crate::selection::State;
use crate::time::{Clock, Timestamp};

pub(super) use self::catalogue::summary_of;
pub use self::fixture::MemoryFixture;

/// A database in memory that keeps the contracts of all database ports.
///
/// Each call lets other tasks run once before it does its work, in one step.
pub struct MemoryStore {
    tables: Mutex<Tables>,
    clock: Arc<dyn Clock>,
    wakes: Arc<Wakes>,
}

impl MemoryStore {
    /// An empty database whose time is this clock's.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { tables: Mutex::default(), clock, wakes: Arc::default() })
    }

    /// The ports of this database, whose clock is this one.
    pub fn ports(self: &Arc<Self>, clock: &Arc<ManualClock>) -> Ports {
        Ports {
            clock: Arc::clone(clock),
            catalogue: self.clone(),
            queue: self.clone(),
            jobs: self.clone(),
            tokens: self.clone(),
            sessions: self.clone(),
            sync_state: self.clone(),
            conditions: self.clone(),
            orphan_walks: self.clone(),
        }
    }

    /// Stores this record in whatever state it is, due at this time or not at all, and gives no signal. A record in the
    /// state `started` counts as what it was before.
    pub fn put(&self, record: Record, due_at: Option<Timestamp>) {
        let (model, key) = (record.model, record.key.clone());
        let mut tables = self.tables();
        tables.leave_leases(model, &key);
        tables.records.entry(model).or_default().insert(key, Row::of(record, due_at));
    }

    /// The record as the catalogue shows it.
    pub fn record(&self, model: Model, key: &RecordKey) -> Option<Record> {
        self.tables().record(model, key)
    }

    /// What the source last said of each record of the model, in the order of their keys.
    pub fn source_records(&self, model: Model) -> Vec<SourceRecord> {
        let tables = self.tables();
        let rows = tables.records.get(&model).into_iter().flatten();
        rows.map(|(_, row)| row.said.clone()).collect()
    }

    /// How far the sync of the model is, if it was ever synced.
    pub fn sync_state_of(&self, model: Model) -> Option<ModelSyncState> {
        self.tables().states.get(&model).cloned()
    }

    /// The process with the leader lease, over or not, and until when it has it.
    pub fn leader(&self) -> Option<(WorkerId, Timestamp)> {
        self.tables().leader.clone()
    }

    /// How many records of all models are in this state.
    pub fn count_in(&self, state: State) -> usize {
        let tables = self.tables();
        let keys = tables.records.iter().flat_map(|(model, rows)| rows.keys().map(|key| (*model, key)));
        keys.filter(|(model, key)| tables.status(*model, key).is_some_and(|status| status.state() == state))
            .count()
    }

    /// The storage of each lease there is, in the order in which they were claimed.
    pub fn leased_storages(&self) -> Vec<String> {
        self.tables().leases.values().map(|lease| lease.storage.clone()).collect()
    }

    /// Ends all leases as those of dead workers, without a signal.
    pub fn release_leases(&self) {
        self.tables().leases.clear();
    }

    /// Gives the signal that there may be work.
    pub fn wake(&self) {
        self.wakes.give();
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database's time.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets others run, and then does this in one step.
    async fn step<T>(&self, step: impl FnOnce(&mut Tables) -> T + Send) -> T {
        yield_now().await;
        step(&mut self.tables())
    }

    /// The same for a step that also says whether records became due or a job was enqueued.
    async fn waking_step<T>(&self, step: impl FnOnce(&mut Tables) -> (T, bool) + Send) -> T {
        let (outcome, due) = self.step(step).await;
        if due {
            self.wakes.give();
        }
        outcome
    }
}

/// A text that databases can store.
fn storable(text: &str, what: &str) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(refused(format!("{what} {text:?} contains a NUL character")));
    }
    Ok(())
}

/// A number that databases can store.
fn storable_number(number: u64, what: &str) -> Result<(), StoreError> {
    i64::try_from(number).map(|_| ()).map_err(|_| refused(format!("{what} {number} is beyond {}", i64::MAX)))
}

/// The text as databases store what a system said: without NUL characters.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn refused(reason: String) -> StoreError {
    StoreError::Internal(reason.into())
}
