//! A queue in memory that keeps the promises of the port: leases on ranges of keys, `started` derived from
//! them, results fenced by lease and attempt.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    ClaimFilter, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, StoreError, WakeSignal,
    WorkerId,
};
use stocktake_domain::{Digest, Model, Pending, Record, RecordKey, Status, Timestamp, Verification};
use tokio::sync::watch;

use super::sooner_or_later;
use super::tables::{Tables, claimed, matches};

/// The queue.
pub(crate) struct MemoryQueue {
    tables: Mutex<Tables>,
    wake: watch::Sender<()>,
    changed: watch::Sender<()>,
}

impl MemoryQueue {
    pub(crate) fn new() -> Self {
        Self { tables: Mutex::default(), wake: watch::Sender::new(()), changed: watch::Sender::new(()) }
    }

    /// The tables, without anybody being told of changes.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the tables and tells whoever watches them.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        let result = change(&mut self.tables());
        self.changed.send_replace(());
        result
    }

    /// Gives the signal that there is work.
    pub(crate) fn wake(&self) {
        self.wake.send_replace(());
    }

    /// Returns when the tables are so.
    pub(crate) async fn until(&self, so: impl Fn(&Tables) -> bool) {
        let mut changed = self.changed.subscribe();
        while !so(&self.tables()) {
            sooner_or_later(changed.changed()).await.unwrap();
        }
    }

    /// Takes the digest for good, as the catalogue does.
    pub(crate) fn accept(
        &self,
        (model, key): (Model, &RecordKey),
        checksum: Digest,
        size: Option<u64>,
        now: Timestamp,
    ) -> Option<Record> {
        self.change(|tables| {
            let row = tables.rows.get_mut(&(model, key.clone()))?;
            let verification = match row.record.status.clone() {
                Status::Failed(verification) => verification.accept(checksum, now),
                other => Verification::restore(*other.history(), Pending).accept(checksum, now),
            };
            row.record.status = Status::Succeeded(verification);
            (row.record.file_size, row.record.accepted, row.due_at) =
                (size.or(row.record.file_size), true, None);
            Some(row.record.clone())
        })
    }
}

struct MemoryWake(watch::Receiver<()>);

#[async_trait]
impl WakeSignal for MemoryWake {
    async fn wait(&mut self) {
        self.0.changed().await.unwrap();
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn claim(
        &self,
        _worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            let due_from = filter.due_from.unwrap_or(Timestamp::from_millis(0));
            let range = tables.next_range(filter, now);
            Ok(range.map(|range| tables.lease(range, due_from, terms, now)))
        })
    }

    async fn claim_one(
        &self,
        _worker: &WorkerId,
        model: Model,
        key: &RecordKey,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            if !tables.recalculate(model, key, now) {
                return Ok(None);
            }
            let row = &tables.rows[&(model, key.clone())];
            let (storage, due) = (row.record.location.storage.clone(), row.due_at.unwrap());
            let range = (model, storage, vec![key.clone()]);
            Ok(Some(tables.lease(range, due, terms, now)))
        })
    }

    async fn recalculate(&self, model: Model, key: &RecordKey, now: Timestamp) -> Result<bool, StoreError> {
        let known = self.change(|tables| {
            tables.check(false)?;
            Ok(tables.recalculate(model, key, now))
        })?;
        self.wake();
        Ok(known)
    }

    async fn renew(
        &self,
        renewals: &[Renewal],
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Vec<LeaseId>, StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            tables.renewals.extend_from_slice(renewals);
            let mut gone = Vec::new();
            for renewal in renewals {
                let Some(held) = tables.leases.get_mut(&renewal.lease) else {
                    gone.push(renewal.lease);
                    continue;
                };
                held.alive_until = now.after(terms.heartbeat_timeout);
                if renewal.progressed {
                    held.deadline = now.after(terms.duration);
                }
            }
            Ok(gone)
        })
    }

    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError> {
        let (written, left) = self.change(|tables| {
            tables.check(!outcomes.is_empty())?;
            let Some(held) = tables.leases.get(&lease).cloned() else { return Ok((0, false)) };
            let mut written = 0;
            for (key, outcome) in outcomes {
                let row = tables.rows.get_mut(&(held.model, key.clone())).unwrap();
                let status = match outcome.clone() {
                    Outcome::Succeeded(verification) => Status::Succeeded(verification),
                    Outcome::Failed(verification) => Status::Failed(verification),
                };
                if held.has(row) && row.record.history().attempt + 1 == status.history().attempt {
                    (row.record.status, row.due_at) = (status, None);
                    written += 1;
                }
            }
            tables.writes.push(outcomes.len());
            let left = last && tables.rows.values().any(|row| held.has(row));
            if last {
                tables.leases.remove(&lease);
            }
            Ok((written, left))
        })?;
        if left {
            self.wake();
        }
        let slow = self.tables().slow_answers;
        tokio::time::sleep(slow).await;
        Ok(written)
    }

    async fn reap(&self, lease: Duration, now: Timestamp) -> Result<Reaped, StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            let mut reaped = Reaped::default();
            let over = tables.leases.iter().filter(|(_, held)| held.deadline.min(held.alive_until) < now);
            for (id, held) in over.map(|(id, held)| (*id, held.clone())).collect::<Vec<_>>() {
                tables.leases.remove(&id);
                if held.deadline >= now {
                    reaped.released += 1;
                    continue;
                }
                for row in tables.rows.values_mut().filter(|row| held.has(row)) {
                    row.record.status = Status::Failed(claimed(&row.record.status).time_out(lease, now));
                    row.due_at = Some(Timestamp::from_millis(held.claimed_at.millis() + 1).max(now));
                    reaped.timed_out += 1;
                }
            }
            Ok(reaped)
        })
    }

    async fn retry_failed(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let count = self.change(|tables| {
            tables.check(false)?;
            let waiting = tables.rows.values_mut().filter(|row| row.due_at.is_none());
            let due =
                waiting.filter(|row| row.record.status.retry_at().is_some_and(|retry_at| retry_at <= now));
            let due = due.take(usize::try_from(limit).unwrap());
            Ok(due.map(|row| row.due_at = Some(now)).count())
        })?;
        if count > 0 {
            self.wake();
        }
        Ok(u64::try_from(count).unwrap())
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        checked_before: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            let behind = tables
                .rows
                .iter_mut()
                .filter(|((of, key), _)| *of == model && after.as_ref().is_none_or(|after| key > after));
            let (mut next, mut looked, mut count) = (None, 0, 0);
            for ((_, key), row) in behind.take(usize::try_from(limit).unwrap()) {
                (next, looked) = (Some(key.clone()), looked + 1);
                if let Status::Succeeded(verification) = row.record.status.clone()
                    && verification.history().last_checksum_at() < Some(checked_before)
                {
                    (row.record.status, row.due_at) = (Status::Pending(verification.expire()), Some(now));
                    count += 1;
                }
            }
            Ok((next.filter(|_| looked == limit), count))
        })
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        self.change(|tables| {
            tables.check(false)?;
            let due = tables.rows.values().filter(|row| {
                matches(filter, row.record.model, &row.record.location.storage)
                    && row.due_at.is_some_and(|due| filter.due_from.is_none_or(|from| due >= from))
            });
            Ok(u64::try_from(due.count()).unwrap().min(at_most))
        })
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        Box::new(MemoryWake(self.wake.subscribe()))
    }
}
