//! Accepting content, and taking that back.

use super::tables::Tables;
use crate::acceptance::{Acceptance, NewAcceptance, Replaced, TakenBack};
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;
use crate::row_part::RowPart;
use crate::selection::State;
use crate::time::Timestamp;
use crate::verification::{FailureTimes, History, Pending, Status, Verification};

impl Tables {
    /// Accepts content of a record; `None` if there is no such record.
    pub(super) fn accept(
        &mut self,
        model: Model,
        key: &RecordKey,
        accepted: NewAcceptance,
        now: Timestamp,
    ) -> Option<Record> {
        let record = self.record(model, key)?;
        let mut replaced = Replaced::of(&record);
        let is_damaged = self.row(model, key)?.damaged.contains(&RowPart::Baseline);
        if is_damaged {
            replaced.baseline = None;
        }
        let is_good = accepted.checksum.is_some_and(|checksum| record.status.is_good_with(checksum));
        if record.accepted && is_good && !is_damaged {
            return Some(record);
        }
        let status = match accepted.checksum {
            Some(checksum) => Status::Succeeded(record.status.accept(checksum, now)),
            None => record.status.disable(),
        };
        self.set(model, key, status, None);
        let row = self.row_mut(model, key)?;
        row.accepted |= accepted.checksum.is_some();
        row.said.file_size = accepted.size.or(row.said.file_size);
        row.damaged.clear();
        let acceptance = Acceptance { at: now, accepted, replaced, taken_back: None };
        self.acceptances.entry((model, key.clone())).or_default().push(acceptance);
        self.record(model, key)
    }

    /// Takes back the last acceptance that stands.
    pub(super) fn take_back(
        &mut self,
        model: Model,
        key: &RecordKey,
        taken_back: TakenBack,
    ) -> Option<Record> {
        let row = self.row(model, key)?;
        let (is_accepted, is_off) = (row.accepted, row.status.state() == State::Disabled);
        let now = taken_back.at;
        let kept = self.acceptances.get_mut(&(model, key.clone()))?;
        let stands = |acceptance: &&mut Acceptance| {
            acceptance.taken_back.is_none() && (is_off || acceptance.accepted.checksum.is_some())
        };
        let standing = kept.iter_mut().rev().find(stands)?;
        if standing.accepted.checksum.is_some() && !is_accepted {
            return None;
        }
        standing.taken_back = Some(taken_back);
        let replaced = standing.replaced.clone();
        self.recalculate(model, key, now);
        let row = self.row_mut(model, key)?;
        let history = History {
            baseline: replaced.baseline,
            failures: replaced.failed_at.map(FailureTimes::once),
            ..*row.status.history()
        };
        let stage = Pending { last_failure: replaced.failure };
        row.status = Status::Pending(Verification::restore(history, stage));
        (row.accepted, row.said.file_size) = (replaced.accepted, replaced.file_size);
        self.record(model, key)
    }
}
