//! The work queue: which records are due, and who is at them.
//!
//! A worker leases a *range of keys* of one model in one storage; the records in it that were due at the
//! moment of the claim are `started`, which is derived from the lease and written in no record. So a claim
//! costs one row, whatever the number of records, and giving back costs one row as well. What a lease cannot
//! do is overwrite anything newer: each result carries its attempt's number.
//!
//! A record that becomes due while a lease covers its key (recalculated, marked with its model, retried, expired, imported,
//! synced, timed out under another lease) must become due *after* that lease was claimed, also if the clock stood still or went
//! back: else it would count as held by a worker that never took it. `tests/lease_protocol.rs` explores the rules, and
//! `tests/lease_clocks.rs` when a lease ends.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::digest::Digest;
use crate::digest_rule::DigestRule;
use crate::key::RecordKey;
use crate::model::Model;
use crate::row_part::RowPart;
use crate::selection::Selection;
use crate::time::Timestamp;
use crate::verdict::Reference;
use crate::verification::{Failed, Started, Succeeded, Verification};

/// The name of one worker process, unique among all that ever ran.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerId(pub String);

impl WorkerId {
    /// Which process has this name, for people.
    pub fn process(&self) -> String {
        match self.0.rsplitn(3, ':').collect::<Vec<_>>().as_slice() {
            [_, process, host] => format!("process {process} on {host}"),
            // Of an earlier version.
            _ => self.0.clone(),
        }
    }
}

/// A lease's number, never used twice: random, so that a database that was restored from a copy does not give out the number
/// of a lease that a worker still works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

/// How many records are looked at, at most, for each one that [`Queue::recalculate_next`] or
/// [`Jobs::advance`](super::Jobs::advance) may mark.
pub const SCANNED_FOR_EACH: u32 = 100;

/// How long a lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The lease passes its deadline this long after it was claimed, or last renewed with progress.
    pub duration: Duration,
    /// Its worker is taken for dead this long after the claim or the last renewal.
    pub heartbeat_timeout: Duration,
}

/// Which records a worker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimFilter {
    /// Only these models; empty: all.
    pub models: Vec<Model>,
    /// Only these storages; `None`: all, also ones that no configuration names.
    pub storages: Option<Vec<String>>,
    /// None of these storages (they are busy, or outside their hours).
    pub except_storages: Vec<String>,
    /// Only records that became due at this time of the database or later.
    pub due_from: Option<Timestamp>,
    /// The most records, at least 1.
    pub limit: u32,
}

impl ClaimFilter {
    /// Takes whatever is due, at most `limit` records.
    pub fn any(limit: u32) -> Self {
        Self { models: Vec::new(), storages: None, except_storages: Vec::new(), due_from: None, limit }
    }
}

/// A record that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRecord {
    /// The primary key.
    pub key: RecordKey,
    /// The path or key within the lease's storage.
    pub path: String,
    /// What the recorded digest and size are of.
    pub rule: DigestRule,
    /// What the content is compared with, or the part of the row that is not what was written there: then nothing is read
    /// or compared, and the attempt fails as [`RowPart::failure`] says.
    pub reference: Result<Reference, RowPart>,
    /// The verification, for the worker to finish.
    pub verification: Verification<Started>,
}

/// A lease: the due records of a range of keys, held by one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The number.
    pub id: LeaseId,
    /// The model.
    pub model: Model,
    /// The storage that all its records lie in.
    pub storage: String,
    /// The records, in the order of their keys; at least one.
    pub records: Vec<ClaimedRecord>,
}

/// How a claimed record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Good.
    Succeeded(Verification<Succeeded>),
    /// Not good.
    Failed(Verification<Failed>),
}

impl Outcome {
    /// The checksum, if good.
    pub fn checksum(&self) -> Option<Digest> {
        match self {
            Self::Succeeded(verification) => verification.history().checksum(),
            Self::Failed(_) => None,
        }
    }

    /// When the attempt ended, and whether well.
    fn end(&self) -> (Option<Timestamp>, bool) {
        match self {
            Self::Succeeded(done) => (done.history().baseline().map(|baseline| baseline.at), true),
            Self::Failed(done) => (done.history().failed_at(), false),
        }
    }
}

/// How many attempts ended well and badly, by day ([`Timestamp::day`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results(BTreeMap<i64, (u64, u64)>);

impl Results {
    /// Counts these outcomes.
    pub fn of(outcomes: &[(RecordKey, Outcome)]) -> Self {
        let mut results = Self::default();
        for (_, outcome) in outcomes {
            if let (Some(at), is_good) = outcome.end() {
                let (succeeded, failed) = results.0.entry(at.day()).or_default();
                *(if is_good { succeeded } else { failed }) += 1;
            }
        }
        results
    }

    /// So many of both at one time.
    pub fn at(at: Timestamp, succeeded: u64, failed: u64) -> Self {
        let counts = Some((succeeded, failed)).filter(|counts| *counts != (0, 0));
        Self(counts.into_iter().map(|counts| (at.day(), counts)).collect())
    }

    /// So many failures at one time.
    pub fn failures(at: Timestamp, count: u64) -> Self {
        Self(BTreeMap::from([(at.day(), (0, count))]))
    }

    /// Those that counted, if only so many were not void. Which ones is not known: the good ones are taken for void first,
    /// so that no failure is passed over.
    #[must_use]
    pub fn written(mut self, written: u64) -> Self {
        let all: u64 = self.0.values().map(|(succeeded, failed)| succeeded + failed).sum();
        let mut void = all.saturating_sub(written);
        let (succeeded, failed): (Vec<_>, Vec<_>) =
            self.0.values_mut().map(|(good, bad)| (good, bad)).unzip();
        for count in succeeded.into_iter().chain(failed) {
            let fewer = void.min(*count);
            *count -= fewer;
            void -= fewer;
        }
        self.0.retain(|_, counts| *counts != (0, 0));
        self
    }

    /// Day, successes and failures, in the order of the days.
    pub fn by_day(&self) -> impl Iterator<Item = (i64, u64, u64)> {
        self.0.iter().map(|(day, (succeeded, failed))| (*day, *succeeded, *failed))
    }
}

/// A heartbeat for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The lease.
    pub lease: LeaseId,
    /// Whether bytes were read or records finished since the last renewal. A lease that does not get on
    /// keeps its deadline, however alive its worker is.
    pub progressed: bool,
}

/// A worker that holds records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub worker: WorkerId,
    /// How long what it holds lasts without another sign of life.
    pub lasts: Duration,
}

/// What [`Queue::reap`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reaped {
    /// Records whose lease ran out, now failed and due again.
    pub timed_out: u64,
    /// Leases of workers without a heartbeat, whose records are due again as they were.
    pub released: u64,
}

/// The work queue.
///
/// A record that became due stays due, also if the clock goes back: [`Queue::claim`] does not compare the moment it became
/// due with now. A record that becomes due while a lease covers its key is not held by that lease,
/// and nobody claims it until the lease ends.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Queue: Send + Sync {
    /// Leases the next due records of one model in one storage. `None` if nothing is due and free that the filter takes.
    ///
    /// It is the turn of the model and storage that was served longest ago, of those never served before any other. Taken are
    /// the due records next behind its last claim in key order, and once there are none behind it the first ones; at most
    /// [`ClaimFilter::limit`], and none beyond the next range that another lease covers. Claims at the same time share no
    /// record. [`ClaimFilter::due_from`] is inclusive; older due records in between are not held, and are claimed after the
    /// lease has ended.
    ///
    /// Each record's row is held against its check values. One that was written by a version without them has none until it is
    /// written again, and counts as whole.
    ///
    /// The lease ends as its terms say, counted from now. Its number is larger than that of any lease before it.
    async fn claim(
        &self,
        worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError>;

    /// Recalculates this one record ([`crate::Verification::recalculate`]) and leases it, in one step,
    /// whatever its state and whoever holds it. `None` if there is no such record.
    ///
    /// If another lease holds it, that lease goes on with its other records, and its result for this one is void. The turns
    /// of [`Queue::claim`] stay as they are.
    async fn claim_one(
        &self,
        worker: &WorkerId,
        model: Model,
        key: &RecordKey,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, StoreError>;

    /// Marks this one record for recalculation, whatever its state, and wakes waiting workers. False if there is
    /// no such record. Each call counts as an attempt, and makes one that is running void.
    async fn recalculate(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError>;

    /// The same for the next records of a selection behind a key, at most `limit` of them. With a `share`,
    /// chance takes so many of a million of them. Returns the key to go on behind, `None` at the end, and how many were
    /// marked. The batches follow the keys, so that each record is come to once, whatever its marking does to its state. At most
    /// [`SCANNED_FOR_EACH`] records are looked at for each of `limit`, so that a batch may mark none and go on. What is switched
    /// off is passed over unless it is meant ([`Selection::recalculates_disabled`]).
    async fn recalculate_next(
        &self,
        model: Model,
        selection: &Selection,
        share: Option<u32>,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError>;

    /// Keeps leases alive: each until [`LeaseTerms::heartbeat_timeout`] from now, and with [`Renewal::progressed`] its
    /// deadline until [`LeaseTerms::duration`] from now. A lease that is over but was not reaped yet is renewed as well.
    /// Returns those that are gone, in the order of their numbers; their worker must drop the work.
    async fn renew(&self, renewals: &[Renewal], terms: LeaseTerms) -> Result<Vec<LeaseId>, StoreError>;

    /// Records results. Each is written only if the lease still is, the attempt is still the record's own, and the
    /// record became due no later than the lease was claimed (one that was deleted and added again counts its attempts
    /// anew); else it is thrown away, so that the same result sent twice is written once. With `last`, the lease ends in the
    /// same transaction, what it holds unfinished is due again as it was, and waiting workers are woken if anything is.
    /// Returns how many results were written. A failure leaves the baseline as it is, damaged or not.
    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError>;

    /// Ends leases that are over. At the end of their worker's last sign of life (inclusive) they are released and their
    /// records are due again as they were: what became of a worker says nothing of the content, however late it is noticed.
    /// Of a worker that lives, at the deadline of its lease (inclusive), the records that the lease still holds time out
    /// ([`crate::Verification::time_out`]) and are due again at once. A lease that is to end later than its own terms allow
    /// is released. Wakes waiting workers if any lease ended. `lease` is the duration that the failure names.
    async fn reap(&self, lease: Duration) -> Result<Reaped, StoreError>;

    /// Makes failed records of these models due whose retry time has come ([`crate::Failed::is_due`]), at most `limit`, the longest due first. Returns how
    /// many. They stay failed until they are claimed. Wakes waiting workers if there are any; a second call finds none of
    /// them again.
    async fn retry_failed(&self, models: &[Model], limit: u32) -> Result<u64, StoreError>;

    /// Looks at up to `limit` records of the model behind `after` in key order, and makes those pending whose last success
    /// is longer ago than `older_than` ([`crate::Verification::expire`]), or is in the future, so that nobody knows when it
    /// was. Returns the key to go on behind, and how many became pending. The key is `None` if there were fewer than `limit`
    /// records to look at. Wakes waiting workers if any became pending.
    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        older_than: Duration,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError>;

    /// How many records match the filter that are due or leased to anybody, counting no further than
    /// `at_most`.
    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError>;

    /// Of the workers besides this one that hold records of these models (none: of any), the one whose lease lasts longest
    /// without another sign of life. A lease that is over and was not reaped yet lasts no time at all.
    async fn holder_besides(&self, worker: &WorkerId, models: &[Model])
    -> Result<Option<Holder>, StoreError>;

    /// A signal that is given when records become due or a job is enqueued, from this moment on, by this process or by
    /// another one on the same database.
    fn wake_signal(&self) -> Box<dyn WakeSignal>;
}

/// Waits for work. A signal given between two waits is not lost.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WakeSignal: Send {
    /// Returns when there may be work: at once for each signal since the last return. That it never fails and is never early
    /// is not promised: callers look at the queue, and also look from time to time by themselves. Dropping the future loses
    /// no signal of this process.
    async fn wait(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_process_also_of_a_host_with_colons() {
        let name = |text: &str| WorkerId(text.to_owned()).process();
        assert_eq!(name("files:17:1700000000000-00ff"), "process 17 on files");
        assert_eq!(name("fe80::1:17:1700000000000-00ff"), "process 17 on fe80::1");
        assert_eq!(name("worker-17-1700000000000-00ff"), "worker-17-1700000000000-00ff");
    }
}
