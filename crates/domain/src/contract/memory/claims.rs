//! Claims: which model and storage is served next, and with which range of keys.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Bound;

use super::tables::{Held, Tables, Turn, started, with_baseline};
use crate::digest_rule::DigestRule;
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{ClaimFilter, ClaimedRecord, Lease, LeaseId, LeaseTerms, WorkerId};
use crate::row_part::RowPart;
use crate::time::Timestamp;

/// The records that a claim takes.
pub(super) struct Taken {
    pub(super) model: Model,
    pub(super) storage: String,
    pub(super) keys: Vec<RecordKey>,
}

/// Whether the filter takes this model in this storage.
fn takes(filter: &ClaimFilter, model: Model, storage: &str) -> bool {
    (filter.models.is_empty() || filter.models.contains(&model))
        && filter.storages.as_ref().is_none_or(|names| names.iter().any(|name| name == storage))
        && !filter.except_storages.iter().any(|name| name == storage)
}

impl Tables {
    /// The models and storages that match and have anything due, with the number of due records, each with its turn.
    pub(super) fn due(&self, filter: &ClaimFilter) -> Vec<(u64, Model, String, u64)> {
        let mut due: Vec<(u64, Model, String, u64)> = Vec::new();
        for (model, _, row) in self.rows() {
            let storage = row.storage();
            if !is_due(filter, row.due_at) || !takes(filter, model, storage) {
                continue;
            }
            if let Some((.., count)) = due.iter_mut().find(|(_, of, name, _)| *of == model && name == storage)
            {
                *count += 1;
            } else {
                let served = self.turns.get(&(model, storage.to_owned())).map_or(0, |turn| turn.served);
                due.push((served, model, storage.to_owned(), 1));
            }
        }
        due.sort_unstable();
        due
    }

    /// What the next claim takes.
    pub(super) fn next(&self, filter: &ClaimFilter) -> Option<Taken> {
        self.due(filter).into_iter().find_map(|(_, model, storage, _)| {
            let claimed_to =
                self.turns.get(&(model, storage.clone())).and_then(|turn| turn.claimed_to.clone());
            let behind = claimed_to.clone().map_or(Bound::Unbounded, Bound::Excluded);
            let ahead = self.range(filter, model, &storage, (behind, Bound::Unbounded));
            let keys = match claimed_to {
                Some(last) if ahead.is_empty() => {
                    self.range(filter, model, &storage, (Bound::Unbounded, Bound::Included(last)))
                }
                _ => ahead,
            };
            (!keys.is_empty()).then_some(Taken { model, storage, keys })
        })
    }

    /// The first due records between these bounds, up to the range of the next lease.
    fn range(
        &self,
        filter: &ClaimFilter,
        model: Model,
        storage: &str,
        bounds: (Bound<RecordKey>, Bound<RecordKey>),
    ) -> Vec<RecordKey> {
        let leases = || self.leases.values().filter(|lease| lease.model == model && lease.storage == storage);
        let Some(rows) = self.records.get(&model) else { return Vec::new() };
        let due =
            rows.range(bounds).filter(|(_, row)| row.storage() == storage && is_due(filter, row.due_at));
        let mut free = due
            .map(|(key, _)| key)
            .filter(|key| !leases().any(|lease| lease.covers(model, storage, key)))
            .peekable();
        let Some(first) = free.peek().copied() else { return Vec::new() };
        let next_lease = leases().map(|lease| &lease.first).filter(|key| *key > first).min();
        let limit = usize::try_from(filter.limit.max(1)).unwrap_or(usize::MAX);
        free.take_while(|key| next_lease.is_none_or(|lease| *key < lease)).take(limit).cloned().collect()
    }

    /// Notes that it was the turn of this model and storage, and how far the claim went.
    pub(super) fn serve(&mut self, taken: &Taken) {
        let served = self.turns.values().map(|turn| turn.served).max().unwrap_or(0) + 1;
        let turn = Turn { served, claimed_to: taken.keys.last().cloned() };
        self.turns.insert((taken.model, taken.storage.clone()), turn);
    }

    /// A lease on these records. `None` if there are none.
    pub(super) fn lease(
        &mut self,
        worker: &WorkerId,
        taken: Taken,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Option<Lease> {
        let Taken { model, storage, keys } = taken;
        let (first, last) = (keys.first()?.clone(), keys.last()?.clone());
        let due = keys.iter().filter_map(|key| self.row(model, key)?.due_at);
        let claimed_at = due.fold(now, Timestamp::max);
        let records = keys.iter().filter_map(|key| self.claimed_record(model, key)).collect();
        let member = |key: &RecordKey| Some((key.clone(), started(&self.row(model, key)?.status)));
        let members = keys.iter().filter_map(member).collect();
        let id = LeaseId(random_number());
        let held = Held {
            worker: worker.clone(),
            model,
            storage: storage.clone(),
            first,
            last,
            claimed_at,
            alive_until: now.after(terms.heartbeat_timeout),
            deadline: now.after(terms.duration),
            terms,
            members,
        };
        self.leases.insert(id, held);
        Some(Lease { id, model, storage, records })
    }

    fn claimed_record(&self, model: Model, key: &RecordKey) -> Option<ClaimedRecord> {
        let row = self.row(model, key)?;
        let mut record = row.record(model, row.status.clone());
        for part in &row.damaged {
            match part {
                RowPart::Recorded => record.rule = DigestRule::Stored,
                RowPart::Baseline => record.status = with_baseline(record.status, None),
            }
        }
        let damaged = row.damaged.first().copied();
        Some(ClaimedRecord {
            key: key.clone(),
            reference: damaged.map_or_else(|| Ok(record.reference()), Err),
            path: record.location.path,
            rule: record.rule,
            verification: started(&record.status),
        })
    }
}

fn random_number() -> i64 {
    i64::try_from(RandomState::new().build_hasher().finish() >> 2).unwrap_or(1)
}

fn is_due(filter: &ClaimFilter, due_at: Option<Timestamp>) -> bool {
    due_at.is_some_and(|due_at| filter.due_from.is_none_or(|from| due_at >= from))
}
