//! Up to which key all rows were read for good.
//!
//! Keys are handed out before their rows are committed, so that a row may appear with a smaller key than one that
//! was already seen. A key therefore counts only once it is [`SETTLED_AFTER`]; until then the rows up to it are read
//! again and again.

use std::collections::VecDeque;
use std::time::Duration;

use stocktake_domain::{RecordKey, SourceRecord, Timestamp};

use crate::page::SourceRows;

/// How long a row may be written without being committed, and still be seen as soon as it is.
const SETTLED_AFTER: Duration = Duration::from_secs(300);

/// How far a pass over the pages of a model is.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// The end of the page before this one, if rows behind it make it old enough.
    end: Option<RecordKey>,
}

impl Pass {
    /// Takes in the next page; `read_to` moves on to the end of the page before if this one has rows behind it.
    /// The last page's end is never taken: its rows may be of this moment.
    pub(crate) fn advance(&mut self, read_to: &mut Option<RecordKey>, page: &SourceRows, now: Timestamp) {
        let end = self.end.take();
        if !page.rows.is_empty() {
            raise(read_to, end);
        }
        let young = |row: &SourceRecord| row.created_at.is_some_and(|time| time > now.before(SETTLED_AFTER));
        if !page.rows.last().is_some_and(young) {
            self.end.clone_from(&page.read_to);
        }
    }
}

/// The ends that were seen lately, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ends(VecDeque<(Timestamp, RecordKey)>);

impl Ends {
    /// `read_to` moves on to the last end that was seen long enough ago.
    pub(crate) fn settle(&mut self, read_to: &mut Option<RecordKey>, now: Timestamp) {
        let old = now.before(SETTLED_AFTER);
        while self.0.front().is_some_and(|(seen, _)| *seen <= old) {
            raise(read_to, self.0.pop_front().map(|(_, end)| end));
        }
    }

    /// All rows up to this key were seen now.
    pub(crate) fn note(&mut self, end: Option<&RecordKey>, read_to: Option<&RecordKey>, now: Timestamp) {
        let newest = self.0.back().map(|(_, end)| end).or(read_to);
        if end > newest {
            self.0.extend(end.map(|end| (now, end.clone())));
        }
    }

    /// Rows are no more behind this key: what was seen there is nothing to go on from.
    pub(crate) fn cut(&mut self, end: Option<&RecordKey>) {
        self.0.retain(|(_, seen)| Some(seen) <= end);
    }
}

fn raise(read_to: &mut Option<RecordKey>, end: Option<RecordKey>) {
    if end > *read_to {
        *read_to = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::Location;
    use stocktake_domain::ports::SourcePage;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key(value: i64) -> RecordKey {
        RecordKey::integer(value)
    }

    fn page(after: i64, rows: &[i64], full: bool, created_at: Option<Timestamp>) -> SourceRows {
        let location = Location { storage: "s".to_owned(), path: "p".to_owned() };
        let entry = |row: &i64| SourceRecord { created_at, ..SourceRecord::new(key(*row), location.clone()) };
        let read_to = rows.last().filter(|_| full).map(|row| key(*row));
        let page = SourcePage { rows: rows.iter().map(entry).collect(), read_to };
        SourceRows::new(Some(key(after)), page).unwrap()
    }

    #[test]
    fn an_end_counts_when_rows_lie_behind_it() {
        let (mut pass, mut read_to) = (Pass::default(), None);
        let mut after = |page: &SourceRows| {
            pass.advance(&mut read_to, page, NOW);
            read_to.clone()
        };
        assert_eq!(after(&page(0, &[1, 2], true, None)), None);
        assert_eq!(after(&page(2, &[3, 4], true, None)), Some(key(2)));
        assert_eq!(after(&page(4, &[5, 6], true, None)), Some(key(4)));
        assert_eq!(after(&page(6, &[], false, None)), Some(key(4)));
    }

    #[test]
    fn an_end_of_this_moment_does_not_count() {
        let (mut pass, mut read_to) = (Pass::default(), None);
        let mut after = |page: &SourceRows| {
            pass.advance(&mut read_to, page, NOW);
            read_to.clone()
        };
        let minutes = |count: u64| Some(NOW.before(Duration::from_secs(60 * count)));
        assert_eq!(after(&page(0, &[1, 2], true, minutes(9))), None);
        assert_eq!(after(&page(2, &[3, 4], true, minutes(4))), Some(key(2)));
        assert_eq!(after(&page(4, &[5, 6], true, minutes(3))), Some(key(2)));
        assert_eq!(after(&page(6, &[7], false, minutes(0))), Some(key(2)));
    }

    #[test]
    fn ends_settle_when_they_are_old_and_only_forwards() {
        let minute = |count: u64| NOW.after(Duration::from_secs(60 * count));
        let (mut ends, mut read_to) = (Ends::default(), Some(key(3)));
        ends.note(Some(&key(3)), read_to.as_ref(), minute(0));
        ends.note(Some(&key(5)), read_to.as_ref(), minute(1));
        ends.note(Some(&key(5)), read_to.as_ref(), minute(2));
        ends.note(Some(&key(8)), read_to.as_ref(), minute(3));
        for (now, expected) in [(5, 3), (6, 5), (7, 5), (8, 8), (20, 8)] {
            ends.settle(&mut read_to, minute(now));
            assert_eq!(read_to, Some(key(expected)), "after {now} minutes");
        }
        ends.note(Some(&key(9)), read_to.as_ref(), minute(21));
        ends.cut(Some(&key(7)));
        ends.settle(&mut read_to, minute(90));
        assert_eq!(read_to, Some(key(8)));
    }
}
