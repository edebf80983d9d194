//! What imported entries, or the rows of a source, make of the records.

use std::collections::BTreeSet;

use super::tables::{Row, Tables, with_baseline};
use super::{storable, storable_number};
use crate::digest::Digest;
use crate::model::Model;
use crate::ports::{Applied, StoreError};
use crate::record::SourceRecord;
use crate::row_part::RowPart;
use crate::selection::State;
use crate::time::Timestamp;
use crate::verification::{Disabled, History, Status, Verification};

/// Refuses an entry that no database can hold.
pub(super) fn check(entry: &SourceRecord) -> Result<(), StoreError> {
    storable(&entry.location.storage, "storage")?;
    storable(&entry.location.path, "path")?;
    storable(entry.owner.as_deref().unwrap_or_default(), "owner")?;
    storable(entry.rule.text().as_deref().unwrap_or_default(), "rule")?;
    storable_number(entry.file_size.unwrap_or(0), "file_size")
}

impl Tables {
    /// Applies entries, each key once; also says whether anything became due.
    pub(super) fn apply_entries(
        &mut self,
        model: Model,
        entries: Vec<SourceRecord>,
        from_source: bool,
        now: Timestamp,
    ) -> (Applied, bool) {
        let (mut applied, mut due) = (Applied::default(), false);
        for entry in entries {
            let Some(row) = self.row(model, &entry.key).cloned() else {
                due |= !entry.disabled;
                applied.added += 1;
                self.add(model, entry, from_source, now);
                continue;
            };
            let status = self.status(model, &entry.key);
            let started = status.as_ref().is_some_and(|status| status.state() == State::Started);
            let entry = postponed(entry, &row, started);
            let same = SourceRecord { disabled: row.status.state() == State::Disabled, ..row.said.clone() };
            let is_whole = !row.damaged.contains(&RowPart::Recorded);
            if entry == same && is_whole && (!from_source || row.from_source) {
                applied.unchanged += 1;
                continue;
            }
            applied.changed += 1;
            due |= self.change(model, entry, &row, status, from_source, now);
        }
        (applied, due)
    }

    fn add(&mut self, model: Model, entry: SourceRecord, from_source: bool, now: Timestamp) {
        let (status, due_at) = if entry.disabled {
            (Status::Disabled(Verification::restore(History::default(), Disabled)), None)
        } else {
            let due_at = self.due_at(model, &entry.location.storage, &entry.key, now);
            (Status::Pending(Verification::new()), Some(due_at))
        };
        let key = entry.key.clone();
        let row = Row {
            said: entry,
            accepted: false,
            status,
            due_at,
            from_source,
            damaged: BTreeSet::new(),
            was_good: false,
            marked_success: None,
        };
        self.records.entry(model).or_default().insert(key, row);
    }

    /// Changes a known record; also says whether it became due.
    fn change(
        &mut self,
        model: Model,
        entry: SourceRecord,
        row: &Row,
        status: Option<Status>,
        from_source: bool,
        now: Timestamp,
    ) -> bool {
        let key = entry.key.clone();
        let was_disabled = row.status.state() == State::Disabled;
        let mends = row.damaged.contains(&RowPart::Recorded);
        let forgets = entry.expected != row.said.expected;
        let again = mends || forgets || is_touched(&entry, row) || is_moved(&entry, row);
        let mut due = false;
        if let Some(status) = status
            && (entry.disabled != was_disabled || (again && !was_disabled))
        {
            let next = match status {
                status if entry.disabled => status.disable(),
                Status::Disabled(off) if !again => Status::Pending(off.enable()),
                status => Status::Pending(status.recalculate()),
            };
            due = !entry.disabled;
            let due_at = due.then(|| self.due_at(model, &entry.location.storage, &key, now));
            self.set(model, &key, next, due_at);
        }
        if let Some(kept) = self.row_mut(model, &key) {
            kept.damaged.remove(&RowPart::Recorded);
            if forgets {
                kept.was_good |= kept.status.history().baseline.is_some();
                kept.damaged.remove(&RowPart::Baseline);
                kept.status = with_baseline(kept.status.clone(), None);
            }
            if entry.source_checksum != row.said.source_checksum {
                let is_whole = !kept.damaged.contains(&RowPart::Baseline);
                kept.status = compared(kept.status.clone(), entry.source_checksum.filter(|_| is_whole));
            }
            kept.accepted &= !mends && !forgets && entry.rule == row.said.rule;
            kept.from_source |= from_source;
            kept.said = entry;
        }
        due
    }
}

/// The entry without its later time of change if that alone would make a running attempt void: the next batch has it
/// again.
fn postponed(mut entry: SourceRecord, row: &Row, started: bool) -> SourceRecord {
    let alone = entry.expected == row.said.expected && !is_moved(&entry, row);
    let is_whole = !row.damaged.contains(&RowPart::Recorded);
    if started && alone && is_whole && is_touched(&entry, row) {
        entry.content_changed_at = row.said.content_changed_at;
    }
    entry
}

/// Whether the content was changed since that was last known. Of a record that is not yet the source's nothing was.
fn is_touched(entry: &SourceRecord, row: &Row) -> bool {
    entry.content_changed_at > row.said.content_changed_at
        && (row.said.content_changed_at.is_some() || row.from_source)
}

/// Whether other content, or content that is read in another way, is meant.
fn is_moved(entry: &SourceRecord, row: &Row) -> bool {
    entry.location != row.said.location || entry.rule != row.said.rule || entry.mutable != row.said.mutable
}

/// A success, compared anew with what the source now says.
fn compared(status: Status, source_checksum: Option<Digest>) -> Status {
    let Status::Succeeded(done) = status else { return status };
    let ours = done.history().baseline.map(|baseline| baseline.digest);
    let matches = ours.zip(source_checksum).and_then(|(ours, theirs)| ours.compare(&theirs));
    Status::Succeeded(done.with_source_match(matches))
}
