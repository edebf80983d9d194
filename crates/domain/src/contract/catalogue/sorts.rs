//! `Catalogue::sorted_page`.

use std::num::NonZeroU32;

use crate::contract::support::{
    MODEL, at, claim, entry, fail_all, failures, get, import, import_numbers, in_state, key, page, successes,
    with_numbers,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{
    Beyond, Page, PageStart, ScanLimit, SortField, SortLimit, SortOrder, SortedPage, SortedPageRequest,
    SortedStart,
};
use crate::{FailureKind, Record, RecordFilter, Selection, SourceRecord, State};

const ORDERS: [SortOrder; 2] = [SortOrder::Ascending, SortOrder::Descending];

fn limit_of(records: u32) -> SortLimit {
    SortLimit::new(NonZeroU32::new(records).unwrap())
}

fn request(
    selection: &Selection,
    (field, order): (SortField, SortOrder),
    start: SortedStart,
    limit: u32,
) -> SortedPageRequest {
    SortedPageRequest {
        model: MODEL,
        selection: selection.clone(),
        field,
        order,
        start,
        limit,
        sorted_at_most: SortLimit::PAGE,
        scan_at_most: ScanLimit::PAGE,
    }
}

async fn sorted(store: &Ports, request: &SortedPageRequest) -> Page {
    match store.catalogue.sorted_page(request).await.unwrap() {
        SortedPage::Page(page) => page,
        other => panic!("{request:?}: {other:?}"),
    }
}

fn flags(page: &Page) -> (bool, bool) {
    (page.previous == Beyond::Matches, page.next == Beyond::Matches)
}

fn numbers(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.key.as_integer().unwrap()).collect()
}

/// The numbers of the first records of a list.
async fn first(store: &Ports, field: SortField, order: SortOrder) -> Vec<i64> {
    let request = request(&Selection::default(), (field, order), SortedStart::First, 100);
    numbers(&sorted(store, &request).await.records)
}

/// Walks a list forwards and back, and compares it with what the domain makes of all records.
async fn assert_sorted(store: &Ports, selection: &Selection, by: (SortField, SortOrder), limit: u32) {
    let (field, order) = by;
    let mut expected = page(store, selection.clone(), PageStart::First, 1000).await.records;
    expected.sort_by(|a, b| field.position(a).compare(&field.position(b), order));
    let ask = |start| request(selection, by, start, limit);
    let mut forwards = vec![sorted(store, &ask(SortedStart::First)).await];
    while let Some(last) = forwards.last().filter(|page| flags(page).1).and_then(|page| page.records.last()) {
        let behind = SortedStart::After(field.position(last));
        forwards.push(sorted(store, &ask(behind)).await);
    }
    let found: Vec<Record> = forwards.iter().flat_map(|page| page.records.clone()).collect();
    assert_eq!(numbers(&found), numbers(&expected), "{by:?} {selection:?}");
    assert_eq!(found, expected);
    let ends = forwards.len() - 1;
    for (index, page) in forwards.iter().enumerate() {
        assert_eq!(flags(page), (index > 0, index < ends), "{by:?}");
    }
    let mut backwards = forwards.last().unwrap().clone();
    let mut seen = backwards.records.clone();
    while flags(&backwards).0 {
        let before = SortedStart::Before(field.position(&backwards.records[0]));
        backwards = sorted(store, &ask(before)).await;
        assert!(flags(&backwards).1);
        seen.splice(0..0, backwards.records.clone());
    }
    assert_eq!(seen, expected);
}

/// Records 1 to 20: sizes of four values and of none; 1 to 5 good at 100, 6 to 8 good at 200, 9 to 12 failed at 300 and 9 again at
/// 400,000; 13 and 14 under a lease, the others never read.
async fn mixed(store: &Ports) {
    let sized = |number: i64| SourceRecord {
        file_size: (number % 5 != 0).then(|| u64::try_from(number % 4).unwrap() * 1_000_000_000_000),
        owner: (number % 2 == 0).then(|| "group/project".to_owned()),
        ..entry(number)
    };
    import(store, (1..=20).map(sized).collect(), 50).await;
    for (count, now) in [(5, 100), (3, 200)] {
        let lease = claim(store, count, now).await.unwrap();
        store.as_of(at(now)).queue.complete(lease.id, &successes(&lease, now), true).await.unwrap();
    }
    let lease = claim(store, 4, 300).await.unwrap();
    store.as_of(at(300)).queue.complete(lease.id, &failures(&lease, 300), true).await.unwrap();
    store.as_of(at(400_000)).queue.recalculate(MODEL, &key(9)).await.unwrap();
    let leased = claim(store, 2, 400_000).await.unwrap();
    let again = leased.records.iter().find(|record| record.key == key(9));
    assert!(again.is_none(), "claims go on behind the last one");
}

pub async fn each_sort_walks_both_ways_and_in_both_orders(db: &dyn DatabaseFixture) {
    let store = db.ports();
    mixed(store).await;
    for field in SortField::ALL {
        for order in ORDERS {
            for limit in [1, 2, 3, 7, 100] {
                assert_sorted(store, &Selection::default(), (field, order), limit).await;
            }
        }
    }
}

pub async fn records_without_a_value_are_last(db: &dyn DatabaseFixture) {
    let store = db.ports();
    mixed(store).await;
    let ascending = first(store, SortField::LastCheck, SortOrder::Ascending).await;
    assert_eq!(ascending, (1..=20).collect::<Vec<_>>());
    let mut descending: Vec<i64> = (1..=12).rev().collect();
    descending.extend((13..=20).rev());
    assert_eq!(first(store, SortField::LastCheck, SortOrder::Descending).await, descending);
    for order in ORDERS {
        let sizes = first(store, SortField::Size, order).await;
        let mut unknown = sizes[16..].to_vec();
        unknown.sort_unstable();
        assert_eq!(unknown, [5, 10, 15, 20]);
        let failing = first(store, SortField::FirstFailure, order).await;
        assert!(failing[..4].iter().all(|number| (9..=12).contains(number)), "{failing:?}");
    }
}

pub async fn pages_cross_records_of_the_same_value(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let same = |number| SourceRecord { file_size: Some(7), ..entry(number) };
    import(store, (1..=9).map(same).collect(), 50).await;
    for order in ORDERS {
        for limit in [1, 2, 4] {
            assert_sorted(store, &Selection::default(), (SortField::Size, order), limit).await;
        }
    }
    assert_eq!(first(store, SortField::Size, SortOrder::Descending).await, (1..=9).rev().collect::<Vec<_>>());
}

pub async fn sorts_go_with_every_filter(db: &dyn DatabaseFixture) {
    let store = db.ports();
    mixed(store).await;
    let selections = State::ALL.into_iter().map(in_state).chain([
        with_numbers(&[17, 3, 99, 9, 5, 3]),
        Selection { state: Some(State::Succeeded), ..with_numbers(&[17, 3, 9, 5]) },
        Selection::filtered(RecordFilter { kinds: vec![FailureKind::Missing], ..RecordFilter::default() }),
        Selection::filtered(RecordFilter {
            kinds: vec![FailureKind::Missing],
            storages: vec!["main".to_owned()],
            ..RecordFilter::default()
        }),
        Selection::filtered(RecordFilter { owner: Some("group".to_owned()), ..RecordFilter::default() }),
        Selection::filtered(RecordFilter { text: Some("1".to_owned()), ..RecordFilter::default() }),
        Selection::filtered(RecordFilter { path: Some("*.bin".parse().unwrap()), ..RecordFilter::default() }),
        Selection::filtered(RecordFilter { before: Some(at(250)), ..RecordFilter::default() }),
        Selection::filtered(RecordFilter { since: Some(at(150)), ..RecordFilter::default() }),
    ]);
    for selection in selections {
        for field in SortField::ALL {
            for order in ORDERS {
                assert_sorted(store, &selection, (field, order), 2).await;
            }
        }
    }
}

pub async fn a_record_that_moves_between_two_pages_hides_no_other(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 50).await;
    let lease = claim(store, 6, 100).await.unwrap();
    store.as_of(at(100)).queue.complete(lease.id, &successes(&lease, 100), true).await.unwrap();
    let by = (SortField::LastCheck, SortOrder::Ascending);
    let page = sorted(store, &request(&Selection::default(), by, SortedStart::First, 3)).await;
    let place = by.0.position(&page.records[2]);
    // The record at the page's end is read again, and one that is still to come.
    for number in [3, 5] {
        store.as_of(at(200)).queue.recalculate(MODEL, &key(number)).await.unwrap();
    }
    let lease = claim(store, 6, 300).await.unwrap();
    store.as_of(at(300)).queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap();
    let next = sorted(store, &request(&Selection::default(), by, SortedStart::After(place.clone()), 9)).await;
    assert_eq!((numbers(&next.records), flags(&next)), (vec![4, 6, 3, 5], (true, false)));
    let back = sorted(store, &request(&Selection::default(), by, SortedStart::Before(place), 9)).await;
    assert_eq!((numbers(&back.records), flags(&back)), (vec![1, 2], (false, true)));
    // Nothing lies behind a place that is behind everything.
    let last = by.0.position(&next.records[3]);
    let none = sorted(store, &request(&Selection::default(), by, SortedStart::After(last), 9)).await;
    assert_eq!((none.records.len(), flags(&none)), (0, (true, false)));
}

pub async fn the_first_failure_stands_until_a_success(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 50).await;
    fail_all(store, 100).await;
    let times = async |number| {
        let history = *get(store, number).await.history();
        (history.failing_since(), history.failed_at())
    };
    assert_eq!(times(1).await, (Some(at(100)), Some(at(100))));
    store.as_of(at(200)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_eq!(times(1).await, (Some(at(100)), Some(at(100))));
    fail_all(store, 300).await;
    assert_eq!(times(1).await, (Some(at(100)), Some(at(300))));
    // A worker that never came back is one more failure.
    store.as_of(at(400)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let lease = claim(store, 1, 500).await.unwrap();
    let reaped = crate::contract::support::time_out(store, &lease, 500).await;
    assert_eq!(reaped.timed_out, 1, "{reaped:?}");
    assert_eq!(times(1).await.0, Some(at(100)));
    let now = 100_000_000;
    crate::contract::support::succeed_all(store, now).await;
    assert_eq!(times(1).await, (None, None));
    store.as_of(at(now + 1)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    fail_all(store, now + 2).await;
    assert_eq!(times(1).await, (Some(at(now + 2)), Some(at(now + 2))));
}

pub async fn more_than_may_be_sorted_is_said(db: &dyn DatabaseFixture) {
    let store = db.ports();
    mixed(store).await;
    for field in SortField::ALL {
        let by = (field, SortOrder::Ascending);
        let place = field.position(&get(store, 20).await);
        for start in [SortedStart::First, SortedStart::After(place.clone()), SortedStart::Before(place)] {
            let mut asked = request(&Selection::default(), by, start, 5);
            asked.sorted_at_most = limit_of(19);
            assert_eq!(store.catalogue.sorted_page(&asked).await.unwrap(), SortedPage::TooMany);
            asked.sorted_at_most = limit_of(20);
            assert!(matches!(store.catalogue.sorted_page(&asked).await.unwrap(), SortedPage::Page(_)));
            asked.sorted_at_most = limit_of(8);
            asked.selection = in_state(State::Succeeded);
            assert!(matches!(store.catalogue.sorted_page(&asked).await.unwrap(), SortedPage::Page(_)));
        }
    }
}
