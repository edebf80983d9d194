//! A full scan over all rows of a model: what may be deleted in it, and when its next batch is due.
//!
//! A failed query never comes here, so nothing is deleted because of one. Against a source that answers and is
//! wrong (another database, a table emptied by accident), a full scan that finds no row at all deletes nothing, and
//! any other at most [`FEW`] records or half of the model's. A source that shows an older state (a replica that lags
//! behind took the place of another) ends before rows that were read already: the records behind its end stay, until
//! another full scan finds the same end.

use std::time::Duration;

use stocktake_domain::ports::{FullScan, ScannedRange, SyncApplied};
use stocktake_domain::{RecordKey, Timestamp};

use crate::page::SourceRows;

/// So many records may be deleted in any full scan.
const FEW: u64 = 10;

/// A full scan that begins, of a model that has this many records.
pub(crate) fn begin(before: &FullScan, records: u64) -> FullScan {
    FullScan { records, due_at: before.due_at, ended_at: before.ended_at, ..FullScan::default() }
}

/// The range that was read, and how many records may be deleted in it. All up to `known` were read before.
pub(crate) fn scanned_range(
    full_scan: &FullScan,
    page: &SourceRows,
    known: Option<&RecordKey>,
    accept_deletions: bool,
) -> ScannedRange {
    let went_back = !accept_deletions && page.is_last() && known > page.end();
    let to = if went_back { page.end() } else { page.read_to.as_ref() };
    let seems_empty = page.after.is_none() && page.rows.is_empty() && page.is_last();
    let most_deleted = match (accept_deletions, seems_empty) {
        (true, _) => u64::MAX,
        (false, true) => 0,
        (false, false) => FEW.max(full_scan.records / 2).saturating_sub(full_scan.deleted),
    };
    ScannedRange { after: page.after.clone(), to: to.cloned(), most_deleted }
}

/// Goes on behind the page that was read, to the full scan's end if it is the last.
pub(crate) fn advance(full_scan: &mut FullScan, page: &SourceRows, now: Timestamp) {
    full_scan.at.clone_from(&page.read_to);
    if page.is_last() {
        full_scan.ended_at = Some(now);
    }
}

/// Counts what a page had no rows for; whether that is anything to be kept.
pub(crate) fn count(full_scan: &mut FullScan, applied: &SyncApplied) -> bool {
    full_scan.deleted = full_scan.deleted.saturating_add(applied.deleted);
    full_scan.kept = full_scan.kept.saturating_add(applied.kept);
    applied.deleted > 0 || applied.kept > 0
}

/// How full scans are spread over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanSchedule {
    /// How long a full scan takes.
    pub(crate) full_scan: Duration,
    /// How much of the time that a batch is late may be caught up.
    pub(crate) lateness: Duration,
}

impl ScanSchedule {
    /// When the next batch is due after this one, which was on schedule. `before` is the full scan as it was.
    pub(crate) fn next(
        self,
        before: &FullScan,
        full_scan: &FullScan,
        page: &SourceRows,
        now: Timestamp,
    ) -> Timestamp {
        // A time after now is of a clock that was ahead.
        let due = before.due_at.unwrap_or(now).clamp(now.before(self.lateness), now);
        let is_whole = page.after.is_none() && page.is_last();
        let rows = if is_whole { u64::MAX } else { page.count() };
        let next = due.after(self.share(rows, full_scan.records.max(page.count())));
        // However wrong the number of records was, full scans do not follow each other more closely than they should.
        let begins = before.ended_at.filter(|_| page.is_last());
        let begins = begins.map(|ended| ended.min(now).after(self.full_scan));
        begins.map_or(next, |begins| begins.max(next))
    }

    /// When the first batch of the next full scan is due after a full scan that ran in one go.
    pub(crate) fn after_complete_scan(self, records: u64, batch: u32, now: Timestamp) -> Timestamp {
        now.after(self.share(u64::from(batch), records))
    }

    /// What part of the time is for so many rows, if there are `all`.
    fn share(self, rows: u64, all: u64) -> Duration {
        let millis = self.full_scan.as_millis();
        let part = millis * u128::from(rows.min(all)) / u128::from(all.max(1));
        if all == 0 { self.full_scan } else { Duration::from_millis(u64::try_from(part).unwrap_or(u64::MAX)) }
    }
}

#[cfg(test)]
mod tests;
