//! The port `Queue`.

use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;

use super::claims::Taken;
use super::tables::{LeaseEnd, Tables, just_after};
use super::{MemoryStore, storable, without_nul};
use crate::failure::{Failure, FailureCause};
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{
    ClaimFilter, Holder, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, Results, StoreError,
    WakeSignal, WorkerId,
};
use crate::row_part::RowPart;
use crate::selection::Selection;
use crate::time::Timestamp;
use crate::verification::{Baseline, Failed, History, Status, Verification};

#[async_trait]
impl Queue for MemoryStore {
    async fn claim(
        &self,
        worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.now();
        storable(&worker.0, "worker")?;
        let claim = |tables: &mut Tables| {
            let taken = tables.next(filter)?;
            tables.serve(&taken);
            tables.lease(worker, taken, terms, now)
        };
        Ok(self.step(claim).await)
    }

    async fn claim_one(
        &self,
        worker: &WorkerId,
        model: Model,
        key: &RecordKey,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.now();
        storable(&worker.0, "worker")?;
        let claim = |tables: &mut Tables| {
            tables.recalculate(model, key, now);
            let storage = tables.row(model, key)?.storage().to_owned();
            tables.lease(worker, Taken { model, storage, keys: vec![key.clone()] }, terms, now)
        };
        Ok(self.step(claim).await)
    }

    async fn recalculate(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError> {
        let now = self.now();
        let recalculate = |tables: &mut Tables| {
            let found = tables.recalculate(model, key, now);
            (found, found)
        };
        Ok(self.waking_step(recalculate).await)
    }

    async fn recalculate_next(
        &self,
        model: Model,
        selection: &Selection,
        share: Option<u32>,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let now = self.now();
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let recalculate = |tables: &mut Tables| {
            let (mut batch, next) = tables.next_batch(model, selection, after.as_ref(), limit);
            batch.retain(|key| share.is_none_or(|share| lot(key) < share));
            tables.retain_recalculated(model, selection, &mut batch);
            for key in &batch {
                tables.recalculate(model, key, now);
            }
            let marked = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            ((next, marked), marked > 0)
        };
        Ok(self.waking_step(recalculate).await)
    }

    async fn renew(&self, renewals: &[Renewal], terms: LeaseTerms) -> Result<Vec<LeaseId>, StoreError> {
        let now = self.now();
        let mut gone = self.step(|tables: &mut Tables| tables.renew(renewals, terms, now)).await;
        gone.sort_unstable();
        Ok(gone)
    }

    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError> {
        Ok(self.waking_step(|tables: &mut Tables| tables.complete(lease, outcomes, last)).await)
    }

    async fn reap(&self, lease: Duration) -> Result<Reaped, StoreError> {
        let now = self.now();
        Ok(self.waking_step(|tables: &mut Tables| tables.reap(lease, now)).await)
    }

    async fn retry_failed(&self, models: &[Model], limit: u32) -> Result<u64, StoreError> {
        let now = self.now();
        Ok(self.waking_step(|tables: &mut Tables| tables.retry_failed(models, limit, now)).await)
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        older_than: Duration,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let now = self.now();
        let expire = |tables: &mut Tables| {
            let outcome = tables.expire(model, after, older_than, limit, now);
            let any = outcome.1 > 0;
            (outcome, any)
        };
        Ok(self.waking_step(expire).await)
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        let count = |tables: &mut Tables| tables.due(filter).iter().map(|(.., count)| count).sum::<u64>();
        Ok(self.step(count).await.min(at_most))
    }

    async fn holder_besides(
        &self,
        worker: &WorkerId,
        models: &[Model],
    ) -> Result<Option<Holder>, StoreError> {
        let now = self.now();
        let holder = |tables: &mut Tables| {
            let others = tables
                .leases
                .values()
                .filter(|held| held.worker != *worker && (models.is_empty() || models.contains(&held.model)));
            let holders = others.map(|held| Holder {
                worker: held.worker.clone(),
                lasts: held.alive_until.min(held.deadline).since(now),
            });
            holders.max_by_key(|holder| holder.lasts)
        };
        Ok(self.step(holder).await)
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        self.wakes.signal()
    }
}

/// A number below a million that looks like chance, and is the same each time.
fn lot(key: &RecordKey) -> u32 {
    let hash = key.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u32::try_from((hash >> 20) % 1_000_000).unwrap_or(0)
}

impl Tables {
    fn renew(&mut self, renewals: &[Renewal], terms: LeaseTerms, now: Timestamp) -> Vec<LeaseId> {
        let mut gone = Vec::new();
        for renewal in renewals {
            let Some(held) = self.leases.get_mut(&renewal.lease) else {
                gone.push(renewal.lease);
                continue;
            };
            held.alive_until = now.after(terms.heartbeat_timeout);
            held.terms.heartbeat_timeout = terms.heartbeat_timeout;
            if renewal.progressed {
                held.deadline = now.after(terms.duration);
                held.terms.duration = terms.duration;
            }
        }
        gone
    }

    /// Also says whether the end of the lease leaves anything due.
    fn complete(&mut self, id: LeaseId, outcomes: &[(RecordKey, Outcome)], last: bool) -> (u64, bool) {
        let Some(held) = self.leases.get(&id) else { return (0, false) };
        let (model, range) = (held.model, held.first.clone()..=held.last.clone());
        let mut written = 0;
        for (key, outcome) in outcomes {
            let running = self.leases.get(&id).and_then(|held| held.members.get(key));
            let Some(row) = self.row(model, key) else { continue };
            let status = kept(outcome, row.status.history().baseline);
            if running.is_some_and(|running| running.attempt() == status.history().attempt) {
                self.set(model, key, status, None);
                if let (Outcome::Succeeded(_), Some(row)) = (outcome, self.row_mut(model, key)) {
                    row.damaged.remove(&RowPart::Baseline);
                }
                written += 1;
            }
        }
        self.count_results(model, &Results::of(outcomes).written(written));
        let ended = last.then(|| self.leases.remove(&id)).flatten();
        let left = ended.is_some_and(|lease| {
            let mut rows = self.records.get(&model).into_iter().flat_map(|rows| rows.range(range.clone()));
            rows.any(|(_, row)| row.storage() == lease.storage && row.due_at.is_some())
        });
        (written, left)
    }

    fn count_results(&mut self, model: Model, results: &Results) {
        for (day, succeeded, failed) in results.by_day() {
            let counts = self.results.entry((day, model)).or_default();
            *counts = (counts.0 + succeeded, counts.1 + failed);
        }
    }

    /// Also says whether any lease ended.
    fn reap(&mut self, lease: Duration, now: Timestamp) -> (Reaped, bool) {
        let mut reaped = Reaped::default();
        let over = self.leases.iter().filter_map(|(id, held)| Some((*id, held.end(now)?)));
        let over: Vec<(LeaseId, LeaseEnd)> = over.collect();
        for (id, end) in &over {
            let Some(held) = self.leases.remove(id) else { continue };
            if *end == LeaseEnd::Released {
                reaped.released += 1;
                continue;
            }
            let due_at = just_after(held.claimed_at).max(now);
            for (key, running) in held.members {
                let failed = Status::Failed(running.time_out(lease, now));
                self.set(held.model, &key, failed, Some(due_at));
                self.count_results(held.model, &Results::failures(now, 1));
                reaped.timed_out += 1;
            }
        }
        (reaped, !over.is_empty())
    }

    /// Also says whether there were any.
    fn retry_failed(&mut self, models: &[Model], limit: u32, now: Timestamp) -> (u64, bool) {
        let mut ripe: Vec<(Timestamp, Model, RecordKey)> = self
            .rows()
            .filter(|(model, _, row)| models.contains(model) && row.due_at.is_none())
            .filter_map(|(model, key, row)| match &row.status {
                Status::Failed(failed) => Some((failed.stage(), model, key)),
                _ => None,
            })
            .filter(|(failed, ..)| failed.is_due(now))
            .map(|(failed, model, key)| (failed.retry_at, model, key.clone()))
            .collect();
        ripe.sort_unstable();
        ripe.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, model, key) in &ripe {
            let storage = self.row(*model, key).map(|row| row.storage().to_owned()).unwrap_or_default();
            let due_at = self.due_at(*model, &storage, key, now);
            if let Some(row) = self.row_mut(*model, key) {
                row.due_at = Some(due_at);
            }
        }
        (u64::try_from(ripe.len()).unwrap_or(u64::MAX), !ripe.is_empty())
    }

    fn expire(
        &mut self,
        model: Model,
        after: Option<RecordKey>,
        older_than: Duration,
        limit: u32,
        now: Timestamp,
    ) -> (Option<RecordKey>, u64) {
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let rows =
            self.records.get(&model).into_iter().flat_map(|rows| rows.range(behind.clone())).take(limit);
        let seen: Vec<(RecordKey, Status)> =
            rows.map(|(key, row)| (key.clone(), row.status.clone())).collect();
        let next = seen.last().filter(|_| seen.len() == limit).map(|(key, _)| key.clone());
        let mut expired = 0;
        for (key, status) in seen {
            let Status::Succeeded(done) = status else { continue };
            let is_old = |at: Timestamp| at < now.before(older_than) || at > now.latest_end(Duration::ZERO);
            if !done.history().baseline.is_some_and(|baseline| is_old(baseline.at)) {
                continue;
            }
            let storage = self.row(model, &key).map(|row| row.storage().to_owned()).unwrap_or_default();
            let due_at = self.due_at(model, &storage, &key, now);
            self.set(model, &key, Status::Pending(done.expire()), Some(due_at));
            expired += 1;
        }
        (next, expired)
    }
}

/// The status of an outcome as databases keep it, of a record that has this baseline.
fn kept(outcome: &Outcome, baseline: Option<Baseline>) -> Status {
    match outcome.clone() {
        Outcome::Succeeded(done) => Status::Succeeded(done),
        Outcome::Failed(done) => {
            let (history, retry_at) = (History { baseline, ..*done.history() }, done.stage().retry_at);
            let failure = failure_without_nul(&done.stage().failure);
            Status::Failed(Verification::restore(history, Failed { failure, retry_at }))
        }
    }
}

fn failure_without_nul(failure: &Failure) -> Failure {
    Failure::new(match failure.cause() {
        FailureCause::MissingFile { at } => FailureCause::MissingFile { at: without_nul(at) },
        FailureCause::MissingPart { what } => FailureCause::MissingPart { what: without_nul(what) },
        FailureCause::Altered { what } => FailureCause::Altered { what: without_nul(what) },
        FailureCause::Unreadable { reason } => FailureCause::Unreadable { reason: without_nul(reason) },
        FailureCause::Invalid { reason } => FailureCause::Invalid { reason: without_nul(reason) },
        other => other.clone(),
    })
}
