//! A database in memory whose queue can be watched, and made to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::contract::MemoryStore;
use stocktake_domain::ports::{
    ClaimFilter, Holder, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, StoreError, WakeSignal,
    WorkerId,
};
use stocktake_domain::{Clock, Model, RecordKey, Selection, State};
use tokio::sync::watch;

use super::sooner_or_later;

/// How calls of the queue fail while they are made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The database cannot be reached.
    Unreachable,
    /// Results are refused; everything else works.
    Refusing,
}

/// What the queue was asked, and how it is to answer.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Leases given.
    pub(crate) claims: u64,
    /// Results in each call that brought some.
    pub(crate) writes: Vec<usize>,
    pub(crate) renewals: Vec<Renewal>,
    /// The most leases there were at once, by storage.
    pub(crate) most_held: BTreeMap<String, usize>,
    pub(crate) failed_calls: u64,
    pub(crate) failing: Option<Failing>,
    /// How long the answer to results takes.
    pub(crate) slow_answers: Duration,
}

/// The queue of a database in memory.
pub(crate) struct TestQueue {
    pub(crate) store: Arc<MemoryStore>,
    seen: Mutex<Seen>,
    called: watch::Sender<()>,
}

impl TestQueue {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { store: MemoryStore::new(clock), seen: Mutex::default(), called: watch::Sender::new(()) }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records are in this state.
    pub(crate) fn count(&self, state: State) -> usize {
        self.store.count_in(state)
    }

    /// How many leases there are.
    pub(crate) fn leases(&self) -> usize {
        self.store.leased_storages().len()
    }

    /// Returns when this holds; looks after each call.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut called = self.called.subscribe();
        while !holds(self) {
            sooner_or_later(called.changed()).await.unwrap();
        }
    }

    /// Releases all leases, as another process does that heard nothing of the worker for too long.
    pub(crate) fn lose_leases(&self) {
        self.store.release_leases();
    }

    /// Fails if calls are made to.
    fn check(&self, results: bool) -> Result<(), StoreError> {
        let mut seen = self.seen();
        let error = match seen.failing {
            Some(Failing::Unreachable) => StoreError::Unavailable("no answer".into()),
            Some(Failing::Refusing) if results => StoreError::Internal("no such digest".into()),
            Some(Failing::Refusing) | None => return Ok(()),
        };
        seen.failed_calls += 1;
        Err(error)
    }

    /// Calls the database unless calls are made to fail, and then lets whoever waits look.
    async fn call<T>(
        &self,
        results: bool,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let outcome = match self.check(results) {
            Ok(()) => call.await,
            Err(error) => Err(error),
        };
        self.called.send_replace(());
        outcome
    }

    /// Counts a lease.
    fn given(&self, lease: Option<Lease>) -> Option<Lease> {
        let storage = lease.as_ref()?.storage.clone();
        let held = self.store.leased_storages().into_iter().filter(|name| *name == storage).count();
        let mut seen = self.seen();
        seen.claims += 1;
        let most = seen.most_held.entry(storage).or_default();
        *most = held.max(*most);
        lease
    }
}

#[async_trait]
impl Queue for TestQueue {
    async fn claim(
        &self,
        worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError> {
        let claim = async { Ok(self.given(self.store.claim(worker, filter, terms).await?)) };
        self.call(false, claim).await
    }

    async fn claim_one(
        &self,
        worker: &WorkerId,
        model: Model,
        key: &RecordKey,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError> {
        let claim = async { Ok(self.given(self.store.claim_one(worker, model, key, terms).await?)) };
        self.call(false, claim).await
    }

    async fn recalculate(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError> {
        self.call(false, self.store.recalculate(model, key)).await
    }

    async fn recalculate_next(
        &self,
        model: Model,
        selection: &Selection,
        share: Option<u32>,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        self.call(false, self.store.recalculate_next(model, selection, share, after, limit)).await
    }

    async fn renew(&self, renewals: &[Renewal], terms: LeaseTerms) -> Result<Vec<LeaseId>, StoreError> {
        let renew = async {
            self.seen().renewals.extend_from_slice(renewals);
            self.store.renew(renewals, terms).await
        };
        self.call(false, renew).await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError> {
        let complete = async {
            self.seen().writes.push(outcomes.len());
            self.store.complete(lease, outcomes, last).await
        };
        let written = self.call(!outcomes.is_empty(), complete).await?;
        let slow = self.seen().slow_answers;
        tokio::time::sleep(slow).await;
        Ok(written)
    }

    async fn reap(&self, lease: Duration) -> Result<Reaped, StoreError> {
        self.call(false, self.store.reap(lease)).await
    }

    async fn retry_failed(&self, models: &[Model], limit: u32) -> Result<u64, StoreError> {
        self.call(false, self.store.retry_failed(models, limit)).await
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        older_than: Duration,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        self.call(false, self.store.expire_succeeded(model, after, older_than, limit)).await
    }

    async fn holder_besides(
        &self,
        worker: &WorkerId,
        models: &[Model],
    ) -> Result<Option<Holder>, StoreError> {
        self.store.holder_besides(worker, models).await
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        self.call(false, self.store.outstanding(filter, at_most)).await
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        self.store.wake_signal()
    }
}
