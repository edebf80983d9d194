//! What a full scan may delete, and how it is spread over time.

use stocktake_domain::ports::SourcePage;
use stocktake_domain::{Location, RecordKey, SourceRecord};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const PACE: ScanSchedule =
    ScanSchedule { full_scan: Duration::from_secs(24 * 3_600), lateness: Duration::from_secs(120) };

/// Rows with the keys from behind `after` on.
fn page(after: Option<i64>, rows: i64, is_last: bool) -> SourceRows {
    let location = Location { storage: "s".to_owned(), path: "p".to_owned() };
    let first = after.unwrap_or(0) + 1;
    let keys = (first..first + rows).map(RecordKey::integer);
    let rows: Vec<SourceRecord> = keys.map(|key| SourceRecord::new(key, location.clone())).collect();
    let read_to = rows.last().filter(|_| !is_last).map(|row| row.key.clone());
    SourceRows::new(after.map(RecordKey::integer), SourcePage { rows, read_to }).unwrap()
}

fn full_scan(records: u64, deleted: u64) -> FullScan {
    FullScan { deleted, ..begin(&FullScan::default(), records) }
}

#[test]
fn what_may_be_deleted_is_bounded() {
    let (empty, some, tail) = (page(None, 0, true), page(None, 5, false), page(Some(5), 0, true));
    for (what, records, deleted, page, accepted, most) in [
        ("an empty table", 10, 0, &empty, false, 0),
        ("an empty table that is right", 10, 0, &empty, true, u64::MAX),
        ("a small table", 10, 0, &some, false, 10),
        ("what a full scan has left", 1_000, 400, &some, false, 100),
        ("a large table", 10_000, 0, &some, false, 5_000),
        ("nothing left", 10_000, 5_000, &some, false, 0),
        ("more than was to be", 10_000, 6_000, &some, false, 0),
        ("no rows behind others", 10_000, 0, &tail, false, 5_000),
        ("all that is missing", 10_000, 6_000, &some, true, u64::MAX),
    ] {
        assert_eq!(
            scanned_range(&full_scan(records, deleted), page, None, accepted).most_deleted,
            most,
            "{what}"
        );
    }
    let range = scanned_range(&full_scan(1, 0), &page(Some(3), 2, false), None, false);
    assert_eq!((range.after, range.to), (Some(RecordKey::integer(3)), Some(RecordKey::integer(5))));
}

#[test]
fn a_source_that_went_back_in_time_loses_nothing_behind_its_end() {
    let key = RecordKey::integer;
    for (what, page, known, accepted, to) in [
        ("an end before what was read already", page(Some(3), 2, true), Some(9), false, Some(5)),
        ("the same, and that is right", page(Some(3), 2, true), Some(9), true, None),
        ("an end behind it", page(Some(3), 2, true), Some(4), false, None),
        ("nothing was read yet", page(Some(3), 2, true), None, false, None),
        ("no end at all", page(Some(3), 2, false), Some(9), false, Some(5)),
    ] {
        let range = scanned_range(&full_scan(10, 0), &page, known.map(key).as_ref(), accepted);
        assert_eq!(range.to, to.map(key), "{what}");
    }
}

#[test]
fn a_round_goes_on_and_ends() {
    let mut at = full_scan(9, 3);
    advance(&mut at, &page(None, 5, false), NOW);
    assert_eq!((at.at.clone(), at.ended_at), (Some(RecordKey::integer(5)), None));
    assert!(!count(&mut at, &SyncApplied::default()));
    assert!(count(&mut at, &SyncApplied { deleted: 1, kept: 0, ..SyncApplied::default() }));
    assert!(count(&mut at, &SyncApplied { deleted: 0, kept: 2, ..SyncApplied::default() }));
    advance(&mut at, &page(Some(5), 1, true), NOW);
    assert_eq!((at.at.clone(), at.ended_at, at.deleted, at.kept), (None, Some(NOW), 4, 2));
    let next = begin(&at, 7);
    assert_eq!((next.records, next.deleted, next.kept, next.ended_at), (7, 0, 0, Some(NOW)));
}

#[test]
fn pieces_are_due_by_their_share_of_the_rows() {
    let next = |before: &FullScan, page: &SourceRows| {
        let mut after = before.clone();
        advance(&mut after, page, NOW);
        PACE.next(before, &after, page, NOW)
    };
    let due = |due_at| FullScan { due_at, ..full_scan(20, 0) };
    let quarter = page(None, 5, false);
    assert_eq!(next(&due(None), &quarter), NOW.after(6 * HOUR));
    let minute = Duration::from_secs(60);
    assert_eq!(next(&due(Some(NOW.before(minute))), &quarter), NOW.after(6 * HOUR).before(minute));
    assert_eq!(next(&due(Some(NOW.before(HOUR))), &quarter), NOW.after(6 * HOUR).before(2 * minute));
    // A model that is one page, or empty, is looked at once in a full scan, whatever the catalogue has.
    assert_eq!(next(&due(None), &page(None, 5, true)), NOW.after(24 * HOUR));
    assert_eq!(next(&full_scan(0, 0), &page(None, 0, true)), NOW.after(24 * HOUR));
    // The first piece of the next full scan follows the last one's share.
    assert_eq!(next(&due(None), &page(Some(15), 5, true)), NOW.after(6 * HOUR));
    assert_eq!(next(&due(None), &page(Some(20), 0, true)), NOW);
    // More rows than there were records.
    assert_eq!(next(&full_scan(2, 0), &page(None, 5, false)), NOW.after(24 * HOUR));
}

#[test]
fn rounds_do_not_follow_each_other_too_closely() {
    let before = FullScan { ended_at: Some(NOW.before(HOUR)), ..full_scan(1_000_000, 0) };
    let last = page(Some(5), 5, true);
    let mut after = before.clone();
    advance(&mut after, &last, NOW);
    assert_eq!(PACE.next(&before, &after, &last, NOW), NOW.after(23 * HOUR));
    let between = page(Some(5), 5, false);
    assert!(PACE.next(&before, &after, &between, NOW) < NOW.after(HOUR));
}

#[test]
fn after_a_whole_full_scan_the_next_begins_at_its_leisure() {
    assert_eq!(PACE.after_complete_scan(10_000, 5_000, NOW), NOW.after(12 * HOUR));
    assert_eq!(PACE.after_complete_scan(10, 5_000, NOW), NOW.after(24 * HOUR));
    assert_eq!(PACE.after_complete_scan(0, 5_000, NOW), NOW.after(24 * HOUR));
}
