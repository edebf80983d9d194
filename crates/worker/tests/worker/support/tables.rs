//! The tables of the queue in memory: which records there are, which of them are due, and the leases on
//! ranges of their keys, from which `started` is derived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stocktake_domain::ports::{ClaimFilter, ClaimedRecord, Lease, LeaseId, LeaseTerms, Renewal, StoreError};
use stocktake_domain::{
    Failed, Model, Pending, Record, RecordKey, Started, State, Status, Timestamp, Verification,
};

/// How calls of the queue fail while it is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing answers.
    Outage,
    /// Results are refused, all else works.
    Refusal,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) record: Record,
    pub(crate) due_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) model: Model,
    pub(crate) storage: String,
    pub(crate) first: RecordKey,
    pub(crate) last: RecordKey,
    pub(crate) due_from: Timestamp,
    pub(crate) claimed_at: Timestamp,
    pub(crate) alive_until: Timestamp,
    pub(crate) deadline: Timestamp,
}

/// All that the queue knows, and what tests want to know of its use.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<(Model, RecordKey), Row>,
    pub(crate) leases: BTreeMap<LeaseId, Held>,
    cursors: BTreeMap<(Model, String), (u64, Option<RecordKey>)>,
    pub(crate) claims: u64,
    pub(crate) writes: Vec<usize>,
    pub(crate) renewals: Vec<Renewal>,
    pub(crate) trouble: Option<Trouble>,
    /// How long the answer to a write takes to come.
    pub(crate) slow_answers: Duration,
    pub(crate) failed_calls: u64,
    /// The most leases held at once, by storage.
    pub(crate) most_held: BTreeMap<String, usize>,
}

impl Held {
    fn covers(&self, row: &Row) -> bool {
        let record = &row.record;
        record.model == self.model
            && record.location.storage == self.storage
            && (&self.first..=&self.last).contains(&&record.key)
    }

    pub(crate) fn has(&self, row: &Row) -> bool {
        self.covers(row) && row.due_at.is_some_and(|due| (self.due_from..=self.claimed_at).contains(&due))
    }
}

impl Tables {
    pub(crate) fn check(&mut self, writes: bool) -> Result<(), StoreError> {
        let error = match self.trouble {
            Some(Trouble::Outage) => StoreError::Unavailable("pulled the plug".into()),
            Some(Trouble::Refusal) if writes => StoreError::Internal("no such digest".into()),
            Some(Trouble::Refusal) | None => return Ok(()),
        };
        self.failed_calls += 1;
        Err(error)
    }

    fn is_leased(&self, row: &Row) -> bool {
        self.leases.values().any(|held| held.has(row))
    }

    /// The record as the catalogue shows it: started if a lease has it.
    pub(crate) fn shown(&self, model: Model, key: &RecordKey) -> Option<Record> {
        let row = self.rows.get(&(model, key.clone()))?;
        let mut record = row.record.clone();
        if self.is_leased(row) {
            record.status = Status::Started(claimed(&record.status));
        }
        Some(record)
    }

    pub(crate) fn states(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        for (model, key) in self.rows.keys() {
            let state = self.shown(*model, key).unwrap().state();
            *counts.entry(state).or_default() += 1;
        }
        counts
    }

    pub(crate) fn count(&self, state: State) -> usize {
        self.states().get(&state).copied().unwrap_or(0)
    }

    pub(crate) fn recalculate(&mut self, model: Model, key: &RecordKey, now: Timestamp) -> bool {
        let Some(row) = self.rows.get(&(model, key.clone())) else { return false };
        let over = self.leases.values().filter(|held| held.covers(row)).map(|held| held.claimed_at).max();
        let due = over.map_or(now, |claimed| now.max(Timestamp::from_millis(claimed.millis() + 1)));
        let row = self.rows.get_mut(&(model, key.clone())).unwrap();
        row.record.status = Status::Pending(row.record.status.clone().recalculate());
        row.due_at = Some(due);
        true
    }

    /// The due rows that a claim takes: of the pair that has waited longest, in key order behind its cursor,
    /// up to the range of another lease.
    pub(crate) fn next_range(
        &self,
        filter: &ClaimFilter,
        now: Timestamp,
    ) -> Option<(Model, String, Vec<RecordKey>)> {
        let mut pairs: Vec<(u64, Model, String)> = self
            .pairs()
            .into_iter()
            .map(|(model, storage)| {
                let served = self.cursors.get(&(model, storage.clone())).map_or(0, |cursor| cursor.0);
                (served, model, storage)
            })
            .collect();
        pairs.retain(|(_, model, storage)| matches(filter, *model, storage));
        pairs.sort();
        pairs.into_iter().find_map(|(_, model, storage)| {
            let cursor = self.cursors.get(&(model, storage.clone())).and_then(|cursor| cursor.1.clone());
            let keys = self.range_behind(model, &storage, cursor.as_ref(), filter, now);
            let keys =
                if keys.is_empty() { self.range_behind(model, &storage, None, filter, now) } else { keys };
            (!keys.is_empty()).then_some((model, storage, keys))
        })
    }

    fn range_behind(
        &self,
        model: Model,
        storage: &str,
        cursor: Option<&RecordKey>,
        filter: &ClaimFilter,
        now: Timestamp,
    ) -> Vec<RecordKey> {
        let mut keys = Vec::new();
        for row in self.rows.values() {
            let record = &row.record;
            let here = record.model == model && record.location.storage == storage;
            if !here || cursor.is_some_and(|cursor| record.key <= *cursor) {
                continue;
            }
            if self.leases.values().any(|held| held.covers(row)) {
                if keys.is_empty() {
                    continue;
                }
                break;
            }
            if row.due_at.is_some_and(|due| due <= now && filter.due_from.is_none_or(|from| due >= from)) {
                keys.push(record.key.clone());
            }
            if keys.len() >= usize::try_from(filter.limit).unwrap() {
                break;
            }
        }
        keys
    }

    fn pairs(&self) -> BTreeSet<(Model, String)> {
        self.rows.values().map(|row| (row.record.model, row.record.location.storage.clone())).collect()
    }

    pub(crate) fn lease(
        &mut self,
        (model, storage, keys): (Model, String, Vec<RecordKey>),
        due_from: Timestamp,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Lease {
        self.claims += 1;
        let id = LeaseId(i64::try_from(self.claims).unwrap());
        let rows = keys.iter().map(|key| &self.rows[&(model, key.clone())]);
        let claimed_at = rows.filter_map(|row| row.due_at).max().unwrap().max(now);
        let (first, last) = (keys.first().unwrap().clone(), keys.last().unwrap().clone());
        self.cursors.insert((model, storage.clone()), (self.claims, Some(last.clone())));
        let (alive_until, deadline) = (now.after(terms.heartbeat_timeout), now.after(terms.duration));
        let held = Held {
            model,
            storage: storage.clone(),
            first,
            last,
            due_from,
            claimed_at,
            alive_until,
            deadline,
        };
        self.leases.insert(id, held);
        let held = self.leases.values().filter(|held| held.storage == storage).count();
        let most = self.most_held.entry(storage.clone()).or_default();
        *most = held.max(*most);
        let records = keys.into_iter().map(|key| claimed_record(&self.rows[&(model, key)].record)).collect();
        Lease { id, model, storage, records }
    }
}

pub(crate) fn matches(filter: &ClaimFilter, model: Model, storage: &String) -> bool {
    (filter.models.is_empty() || filter.models.contains(&model))
        && filter.storages.as_ref().is_none_or(|only| only.contains(storage))
        && !filter.except_storages.contains(storage)
}

/// The verification as its next attempt, whatever kept it from being due.
pub(crate) fn claimed(status: &Status) -> Verification<Started> {
    match status {
        Status::Failed(verification) => {
            let stage = Failed { retry_at: Timestamp::from_millis(0), ..verification.stage().clone() };
            Verification::restore(*verification.history(), stage).claim(Timestamp::from_millis(0)).unwrap()
        }
        other => Verification::restore(*other.history(), Pending).claim(),
    }
}

fn claimed_record(record: &Record) -> ClaimedRecord {
    ClaimedRecord {
        key: record.key.clone(),
        path: record.location.path.clone(),
        rule: record.rule.clone(),
        reference: record.reference(),
        verification: claimed(&record.status),
    }
}
