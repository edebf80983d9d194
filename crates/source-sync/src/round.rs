//! A round of looking at all rows of a model: what may be deleted in it, and when its next piece is due.
//!
//! A failed query never comes here, so nothing is deleted because of one. Against a source that answers and is
//! wrong (another database, a table emptied by accident), a round that finds no row at all deletes nothing, and
//! any other at most [`FEW`] records or half of the model's. A source that has gone back in time (a replica that lags
//! behind took the place of another) ends before rows that were read already: the records behind its end stay, until
//! another round finds the same end.

use std::time::Duration;

use stocktake_domain::ports::{AllOf, Round, SyncApplied};
use stocktake_domain::{RecordKey, Timestamp};

use crate::reading::Reading;

/// So many records may be deleted in any round.
const FEW: u64 = 10;

/// A round that begins, of a model that has this many records.
pub(crate) fn begin(before: &Round, records: u64) -> Round {
    Round { at: None, records, deleted: 0, kept: 0, due_at: before.due_at, ended_at: before.ended_at }
}

/// The range that was read, and how many records may be deleted in it. All up to `known` were read before.
pub(crate) fn all_of(
    round: &Round,
    reading: &Reading,
    known: Option<&RecordKey>,
    accept_deletions: bool,
) -> AllOf {
    let went_back = !accept_deletions && reading.is_last() && known > reading.end();
    let to = if went_back { reading.end() } else { reading.read_to.as_ref() };
    let seems_empty = reading.after.is_none() && reading.rows.is_empty() && reading.is_last();
    let most_deleted = match (accept_deletions, seems_empty) {
        (true, _) => u64::MAX,
        (false, true) => 0,
        (false, false) => FEW.max(round.records / 2).saturating_sub(round.deleted),
    };
    AllOf { after: reading.after.clone(), to: to.cloned(), most_deleted }
}

/// Goes on behind the page that was read, to the round's end if it is the last.
pub(crate) fn advance(round: &mut Round, reading: &Reading, now: Timestamp) {
    round.at.clone_from(&reading.read_to);
    if reading.is_last() {
        round.ended_at = Some(now);
    }
}

/// Counts what a page changed; whether that is anything to be kept.
pub(crate) fn count(round: &mut Round, applied: &SyncApplied) -> bool {
    round.deleted = round.deleted.saturating_add(applied.deleted);
    round.kept = round.kept.saturating_add(applied.kept);
    applied.deleted > 0 || applied.kept > 0
}

/// How rounds are spread over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// In which time all rows are looked at once.
    pub(crate) round: Duration,
    /// By how much a piece that is late may be made up for.
    pub(crate) lateness: Duration,
}

impl Pace {
    /// When the next piece is due after this one, which was looked at in its turn. `before` is the round as it was.
    pub(crate) fn next(self, before: &Round, round: &Round, reading: &Reading, now: Timestamp) -> Timestamp {
        let due = before.due_at.unwrap_or(now).max(now.before(self.lateness));
        let is_whole = reading.after.is_none() && reading.is_last();
        let rows = if is_whole { u64::MAX } else { reading.count() };
        let next = due.after(self.share(rows, round.records.max(reading.count())));
        // However wrong the number of records was, rounds do not follow each other more closely than they should.
        let begins = before.ended_at.filter(|_| reading.is_last()).map(|ended| ended.after(self.round));
        begins.map_or(next, |begins| begins.max(next))
    }

    /// When the first piece of the next round is due after a round that was looked at in one go.
    pub(crate) fn after_a_whole_round(self, records: u64, batch: u32, now: Timestamp) -> Timestamp {
        now.after(self.share(u64::from(batch), records))
    }

    /// What part of the time is for so many rows, if there are `all`.
    fn share(self, rows: u64, all: u64) -> Duration {
        let millis = self.round.as_millis();
        let part = millis * u128::from(rows.min(all)) / u128::from(all.max(1));
        if all == 0 { self.round } else { Duration::from_millis(u64::try_from(part).unwrap_or(u64::MAX)) }
    }
}

#[cfg(test)]
mod tests;
