//! What the database in memory keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acceptance::Acceptance;
use crate::condition::{Condition, ConditionSubject};
use crate::job::Job;
use crate::key::RecordKey;
use crate::model::Model;
use crate::orphan::{Orphan, OrphanWalk, SearchedRegistry, WalkedStorage};
use crate::ports::{LeaseId, LeaseTerms, ModelSyncState, MountBelow, StorageShare, WorkerId};
use crate::record::{Record, SourceRecord};
use crate::row_part::RowPart;
use crate::selection::{Selection, State};
use crate::session::{Session, SessionDigest};
use crate::time::Timestamp;
use crate::token::Token;
use crate::unreferenced::Unreferenced;
use crate::verification::{Baseline, History, Origin, Pending, Started, Status, Verification};

/// A record.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// What was last said of it, by an import or by the source.
    pub(super) said: SourceRecord,
    /// See [`Record::accepted`].
    pub(super) accepted: bool,
    /// Its status while nobody holds it: never `started`.
    pub(super) status: Status,
    pub(super) due_at: Option<Timestamp>,
    /// Whether the source is known to have it.
    pub(super) from_source: bool,
    /// The parts that are not what was written there.
    pub(super) damaged: BTreeSet<RowPart>,
    /// Whether its content was good before its source said another digest of it.
    pub(super) was_good: bool,
    /// The success that it had when its model was marked, if it has no other status since.
    pub(super) marked_success: Option<Timestamp>,
}

impl Row {
    /// The row of a record; one that is started counts as what it was before.
    pub(super) fn of(record: Record, due_at: Option<Timestamp>) -> Self {
        let status = match record.status {
            Status::Started(verification) => verification.release(),
            other => other,
        };
        let said = SourceRecord {
            created_at: record.created_at,
            file_size: record.file_size,
            expected: record.expected,
            rule: record.rule,
            mutable: record.mutable,
            disabled: status.state() == State::Disabled,
            owner: record.owner,
            source_checksum: record.source_checksum,
            ..SourceRecord::new(record.key, record.location)
        };
        Self {
            said,
            accepted: record.accepted,
            status,
            due_at,
            from_source: false,
            damaged: BTreeSet::new(),
            was_good: false,
            marked_success: None,
        }
    }

    pub(super) fn storage(&self) -> &str {
        &self.said.location.storage
    }

    /// The record in this status.
    pub(super) fn record(&self, model: Model, status: Status) -> Record {
        Record { accepted: self.accepted, status, ..Record::new(model, self.said.clone()) }
    }
}

/// A lease.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) worker: WorkerId,
    pub(super) model: Model,
    pub(super) storage: String,
    pub(super) first: RecordKey,
    pub(super) last: RecordKey,
    pub(super) claimed_at: Timestamp,
    pub(super) alive_until: Timestamp,
    pub(super) deadline: Timestamp,
    /// How long it lasts from its claim, or from the last renewal.
    pub(super) terms: LeaseTerms,
    /// What it holds.
    pub(super) members: BTreeMap<RecordKey, Verification<Started>>,
}

impl Held {
    /// Whether it is over, and if so, whether what it holds has timed out: its worker lives, and made no progress for too
    /// long. What is to end later than the terms allow was written by a clock that was ahead, and is over.
    pub(super) fn end(&self, now: Timestamp) -> Option<LeaseEnd> {
        let LeaseTerms { duration, heartbeat_timeout } = self.terms;
        let is_dead = self.alive_until <= now || self.alive_until > now.latest_end(heartbeat_timeout);
        if is_dead || self.deadline > now.latest_end(duration) {
            return Some(LeaseEnd::Released);
        }
        (self.deadline <= now).then_some(LeaseEnd::TimedOut)
    }

    /// Whether the key lies in the lease's range, whether it is held or not.
    pub(super) fn covers(&self, model: Model, storage: &str, key: &RecordKey) -> bool {
        self.model == model && self.storage == storage && (&self.first..=&self.last).contains(&key)
    }
}

/// How a lease ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseEnd {
    Released,
    TimedOut,
}

/// When a model in a storage was last served by a claim.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn {
    pub(super) served: u64,
    pub(super) claimed_to: Option<RecordKey>,
}

/// A bulk job.
#[derive(Debug, Clone)]
pub(super) struct StoredJob {
    pub(super) job: Job,
    pub(super) selection: Selection,
    /// The key behind which it goes on.
    pub(super) marked_to: Option<RecordKey>,
}

/// What a worker last said of one of its storages.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    pub(super) at: Timestamp,
    /// `None`: it has ended.
    pub(super) over: Option<Duration>,
    pub(super) share: StorageShare,
}

/// A walk in search of orphans.
#[derive(Debug, Clone)]
pub(super) struct StoredWalk {
    pub(super) walk: OrphanWalk,
    /// Who is at it, until when.
    pub(super) runner: Option<(WorkerId, Timestamp)>,
    pub(super) storages: BTreeMap<String, WalkedStorage>,
    /// By storage and path.
    pub(super) orphans: BTreeMap<(String, String), Orphan>,
    /// How far it is in each registry.
    pub(super) registries: BTreeMap<String, SearchedRegistry>,
    /// What it found there, by storage and path.
    pub(super) pieces: BTreeMap<(String, String), Unreferenced>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) records: BTreeMap<Model, BTreeMap<RecordKey, Row>>,
    pub(super) leases: BTreeMap<LeaseId, Held>,
    pub(super) turns: BTreeMap<(Model, String), Turn>,
    pub(super) jobs: Vec<StoredJob>,
    pub(super) tokens: Vec<Token>,
    /// In the order in which they were made.
    pub(super) acceptances: BTreeMap<(Model, RecordKey), Vec<Acceptance>>,
    pub(super) sessions: BTreeMap<SessionDigest, Session>,
    pub(super) states: BTreeMap<Model, ModelSyncState>,
    pub(super) leader: Option<(WorkerId, Timestamp)>,
    /// By subject and host.
    pub(super) conditions: BTreeMap<(ConditionSubject, String), Condition>,
    /// By storage and host.
    pub(super) identities: BTreeMap<(String, String), String>,
    /// By worker and storage.
    pub(super) announced: BTreeMap<(String, String), Announced>,
    /// In the order in which they were asked for.
    pub(super) walks: Vec<StoredWalk>,
    /// What is mounted below the root of each storage.
    pub(super) mounts: BTreeSet<(String, MountBelow)>,
    /// How many attempts ended well and badly, by day and model.
    pub(super) results: BTreeMap<(i64, Model), (u64, u64)>,
}

impl Tables {
    pub(super) fn row(&self, model: Model, key: &RecordKey) -> Option<&Row> {
        self.records.get(&model)?.get(key)
    }

    pub(super) fn row_mut(&mut self, model: Model, key: &RecordKey) -> Option<&mut Row> {
        self.records.get_mut(&model)?.get_mut(key)
    }

    /// All records, in the order of models and keys.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Model, &RecordKey, &Row)> {
        self.records.iter().flat_map(|(model, rows)| rows.iter().map(|(key, row)| (*model, key, row)))
    }

    /// The record's status, `started` if a lease holds it.
    pub(super) fn status(&self, model: Model, key: &RecordKey) -> Option<Status> {
        let row = self.row(model, key)?;
        let mut leases = self.leases.values().filter(|lease| lease.model == model);
        let held = leases.find_map(|lease| lease.members.get(key));
        Some(held.map_or_else(|| row.status.clone(), |running| Status::Started(running.clone())))
    }

    pub(super) fn record(&self, model: Model, key: &RecordKey) -> Option<Record> {
        Some(self.row(model, key)?.record(model, self.status(model, key)?))
    }

    /// The model's records that match, in the order of their keys.
    pub(super) fn matching(&self, model: Model, selection: &Selection) -> Vec<Record> {
        let rows = self.records.get(&model).into_iter().flatten();
        let keys: Vec<&RecordKey> = match &selection.keys {
            None => rows.map(|(key, _)| key).collect(),
            Some(wanted) => {
                let mut keys: Vec<&RecordKey> = wanted.iter().collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            }
        };
        let records = keys.into_iter().filter_map(|key| self.record(model, key));
        let is_meant = |record: &Record| {
            selection.state.is_none_or(|state| record.state() == state)
                && record.is_meant_by(&selection.filter)
        };
        records.filter(is_meant).collect()
    }

    /// No lease holds the record any more.
    pub(super) fn leave_leases(&mut self, model: Model, key: &RecordKey) {
        for lease in self.leases.values_mut().filter(|lease| lease.model == model) {
            lease.members.remove(key);
        }
    }

    /// Gives the record a status, out of any lease.
    pub(super) fn set(&mut self, model: Model, key: &RecordKey, status: Status, due_at: Option<Timestamp>) {
        self.leave_leases(model, key);
        if let Some(row) = self.row_mut(model, key) {
            (row.status, row.due_at, row.marked_success) = (status, due_at, None);
        }
    }

    /// When a record becomes due if that happens now: after the claim of any lease that covers its key.
    pub(super) fn due_at(&self, model: Model, storage: &str, key: &RecordKey, now: Timestamp) -> Timestamp {
        let covering = self.leases.values().filter(|lease| lease.covers(model, storage, key));
        covering.map(|lease| just_after(lease.claimed_at)).fold(now, Timestamp::max)
    }

    /// Recalculates the record; false if there is none.
    pub(super) fn recalculate(&mut self, model: Model, key: &RecordKey, now: Timestamp) -> bool {
        let Some(status) = self.status(model, key) else { return false };
        let storage = self.row(model, key).map(|row| row.storage().to_owned()).unwrap_or_default();
        let due_at = self.due_at(model, &storage, key, now);
        self.set(model, key, Status::Pending(status.recalculate()), Some(due_at));
        true
    }

    /// Marks the records of the model that are not switched off, later than the claim of any lease; returns how many.
    pub(super) fn mark_all(&mut self, model: Model, now: Timestamp) -> u64 {
        let (mut came_at, mut held) = (now, BTreeSet::new());
        for lease in self.leases.values_mut().filter(|lease| lease.model == model) {
            came_at = came_at.max(just_after(lease.claimed_at));
            held.extend(std::mem::take(&mut lease.members).into_keys());
        }
        let rows = self.records.get_mut(&model).into_iter().flat_map(BTreeMap::values_mut);
        let mut marked = 0;
        for row in rows.filter(|row| row.status.state() != State::Disabled) {
            if row.status.state() == State::Succeeded {
                row.marked_success = row.status.history().baseline.map(|baseline| baseline.at);
            }
            // What is pending and not held is due since it became so.
            if row.status.state() != State::Pending
                || row.marked_success.is_some()
                || held.contains(&row.said.key)
            {
                row.due_at = row.due_at.max(Some(came_at));
            }
            row.status = Status::Pending(row.status.clone().expire());
            marked += 1;
        }
        marked
    }
}

/// The next point in time.
pub(super) fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis().saturating_add(1))
}

/// The next attempt at a record in this status, whatever the clocks say of its retry time.
pub(super) fn started(status: &Status) -> Verification<Started> {
    let origin = match status {
        Status::Failed(verification) => Origin::Failed(verification.stage().clone()),
        _ => Origin::Pending(Pending { last_failure: status.last_failure().cloned() }),
    };
    let history = *status.history();
    let history = History { attempt: history.attempt.saturating_add(1), ..history };
    Verification::restore(history, Started { origin })
}

/// The status with another baseline.
pub(super) fn with_baseline(status: Status, baseline: Option<Baseline>) -> Status {
    let history = History { baseline, ..*status.history() };
    match status {
        Status::Pending(of) => Status::Pending(Verification::restore(history, of.stage().clone())),
        Status::Started(of) => Status::Started(Verification::restore(history, of.stage().clone())),
        Status::Succeeded(of) => Status::Succeeded(Verification::restore(history, *of.stage())),
        Status::Failed(of) => Status::Failed(Verification::restore(history, of.stage().clone())),
        Status::Disabled(of) => Status::Disabled(Verification::restore(history, *of.stage())),
    }
}
