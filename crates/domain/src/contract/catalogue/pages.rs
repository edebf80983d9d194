//! `Catalogue::page`.

use crate::contract::support::{
    MODEL, at, claim, claim_by, composite, count, entry, entry_in, entry_of, fail_all, get, import,
    import_numbers, in_state, key, numbers_in, page, state, with_numbers,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{Beyond, ClaimFilter, Page, PageRequest, PageStart, ScanLimit, SortOrder};
use crate::{Model, RecordKey, Selection, SourceRecord, State};

fn keys(page: &Page) -> Vec<RecordKey> {
    page.records.iter().map(|record| record.key.clone()).collect()
}

fn flags(page: &Page) -> (bool, bool) {
    (page.previous == Beyond::Matches, page.next == Beyond::Matches)
}

pub async fn composite_and_mixed_keys_are_in_numeric_order(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let mut sorted: Vec<RecordKey> = [-1, 0, 9, 10, i64::MIN, i64::MAX].into_iter().map(key).collect();
    sorted.extend([&[5, 9][..], &[5, 100], &[-5, 1], &[5, i64::MIN], &[5, 9, 0], &[9, 1]].map(composite));
    sorted.push(key(5));
    import(store, sorted.iter().rev().cloned().map(entry_of).collect(), 100).await;
    sorted.sort();
    let all = page(store, Selection::default(), PageStart::First, 100).await;
    assert_eq!(keys(&all), sorted);
    assert_eq!(flags(&all), (false, false));
    assert_eq!(store.catalogue.largest_key(MODEL).await.unwrap(), sorted.last().cloned());
    for (index, key) in sorted.iter().enumerate() {
        let behind = page(store, Selection::default(), PageStart::After(key.clone()), 100).await;
        assert_eq!(keys(&behind), sorted[index + 1..]);
    }
    // Claims go by the same order.
    let lease = claim(store, 100, 100).await.unwrap();
    assert_eq!(lease.records.iter().map(|record| record.key.clone()).collect::<Vec<_>>(), sorted);
}

/// All pages of a list, forwards and then backwards.
async fn walk(store: &Ports, selection: &Selection, order: SortOrder, limit: u32) -> (Vec<Page>, Vec<Page>) {
    let request = |start| PageRequest {
        model: MODEL,
        selection: selection.clone(),
        order,
        start,
        limit,
        scan_at_most: ScanLimit::PAGE,
    };
    let mut forwards = vec![store.catalogue.page(&request(PageStart::First)).await.unwrap()];
    while let Some(next) = forwards.last().and_then(Page::after) {
        forwards.push(store.catalogue.page(&request(next)).await.unwrap());
    }
    let mut backwards = vec![forwards.last().unwrap().clone()];
    while let Some(previous) = backwards.last().and_then(Page::before) {
        backwards.push(store.catalogue.page(&request(previous)).await.unwrap());
    }
    backwards.reverse();
    (forwards, backwards)
}

pub async fn pages_walk_both_ways_in_both_orders(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=20, 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    store
        .queue
        .complete(lease.id, &crate::contract::support::successes(&lease, 100)[..8], false)
        .await
        .unwrap();
    let selections = [
        (Selection::default(), (1..=20).collect::<Vec<_>>()),
        (in_state(State::Succeeded), (1..=8).collect()),
        (in_state(State::Started), vec![9, 10]),
        (in_state(State::Pending), (11..=20).collect()),
        (in_state(State::Failed), vec![]),
        (with_numbers(&[17, 3, 99, 5, 3]), vec![3, 5, 17]),
        (Selection { state: Some(State::Succeeded), ..with_numbers(&[17, 3, 9, 5]) }, vec![3, 5]),
        (Selection { state: Some(State::Started), ..with_numbers(&[17, 3, 9, 5]) }, vec![9]),
    ];
    for (selection, mut expected) in selections {
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            for limit in [1, 2, 3, 5, 100] {
                let (forwards, backwards) = walk(store, &selection, order, limit).await;
                let found: Vec<RecordKey> = forwards.iter().flat_map(keys).collect();
                assert_eq!(found, expected.iter().copied().map(key).collect::<Vec<_>>());
                let back: Vec<RecordKey> = backwards.iter().flat_map(keys).collect();
                assert_eq!(back, found);
                let last = forwards.len() - 1;
                for (index, page) in forwards.iter().enumerate() {
                    assert_eq!(flags(page), (index > 0, index < last));
                }
            }
            expected.reverse();
        }
    }
}

pub async fn a_bound_need_not_exist(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [10, 20, 30], 100).await;
    let at_start = |start| page(store, Selection::default(), start, 10);
    let found = at_start(PageStart::After(key(15))).await;
    assert_eq!((keys(&found), flags(&found)), (vec![key(20), key(30)], (true, false)));
    let found = at_start(PageStart::Before(key(15))).await;
    assert_eq!((keys(&found), flags(&found)), (vec![key(10)], (false, true)));
    let found = at_start(PageStart::After(key(5))).await;
    assert_eq!((keys(&found).len(), flags(&found)), (3, (false, false)));
    let found = at_start(PageStart::After(key(30))).await;
    assert_eq!((keys(&found), flags(&found)), (vec![], (true, false)));
    let found = at_start(PageStart::Before(key(10))).await;
    assert_eq!((keys(&found), flags(&found)), (vec![], (false, true)));
    let found = at_start(PageStart::After(composite(&[10, 1]))).await;
    assert_eq!(keys(&found), vec![key(20), key(30)]);
    let found = at_start(PageStart::Before(composite(&[10, 1]))).await;
    assert_eq!(keys(&found), vec![key(10)]);
}

pub async fn offsets_and_empty_pages(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let nothing = page(store, Selection::default(), PageStart::First, 10).await;
    assert_eq!(nothing, Page::default());
    assert_eq!(page(store, Selection::default(), PageStart::Offset(5), 10).await, Page::default());
    import_numbers(store, 1..=10, 100).await;
    let found = page(store, Selection::default(), PageStart::Offset(0), 4).await;
    assert_eq!((keys(&found).len(), flags(&found)), (4, (false, true)));
    let found = page(store, Selection::default(), PageStart::Offset(8), 4).await;
    assert_eq!((keys(&found), flags(&found)), (vec![key(9), key(10)], (true, false)));
    let found = page(store, Selection::default(), PageStart::Offset(10), 4).await;
    assert_eq!((keys(&found), flags(&found)), (vec![], (true, false)));
    let found = page(store, with_numbers(&[2, 4, 6]), PageStart::Offset(1), 1).await;
    assert_eq!((keys(&found), flags(&found)), (vec![key(4)], (true, true)));
    let found = page(store, in_state(State::Failed), PageStart::Offset(u64::MAX), 4).await;
    assert_eq!(found, Page::default());
}

pub async fn states_and_keys_filter_together(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let off = SourceRecord { disabled: true, ..entry(4) };
    import(store, vec![entry(1), entry(2), entry(3), off], 100).await;
    let both = Selection { state: Some(State::Disabled), ..with_numbers(&[3, 4, 5]) };
    assert_eq!(keys(&page(store, both.clone(), PageStart::First, 10).await), [key(4)]);
    assert_eq!(count(store, both).await, 1);
    let many: Vec<i64> = (0..5000).collect();
    assert_eq!(count(store, with_numbers(&many)).await, 4);
    let found = page(store, with_numbers(&many), PageStart::After(key(2)), 1).await;
    assert_eq!((keys(&found), flags(&found)), (vec![key(3)], (true, true)));
}

pub async fn started_is_derived_everywhere(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 100).await;
    import(store, vec![entry_in("other", 3)], 100).await;
    fail_all(store, 200).await;
    assert_eq!(store.as_of(at(100_000)).queue.retry_failed(&Model::ALL, 2).await.unwrap(), 2);
    store.as_of(at(100_000)).queue.recalculate(MODEL, &key(3)).await.unwrap();
    let main = ClaimFilter { storages: Some(vec!["main".to_owned()]), ..ClaimFilter::any(10) };
    let lease = claim_by(store, &main, 100_001).await.unwrap();
    let claimed = crate::contract::support::numbers(&lease);
    assert_eq!(claimed.len(), 2);
    // What lies in the range in another storage is not held.
    assert_eq!(state(store, 3).await, State::Pending);
    assert_eq!(numbers_in(store, State::Started).await, claimed);
    assert_eq!(numbers_in(store, State::Pending).await, [3]);
    assert_eq!(count(store, in_state(State::Started)).await, 2);
    assert_eq!(count(store, in_state(State::Failed)).await, 3);
    assert_eq!(count(store, in_state(State::Pending)).await, 1);
    let all = page(store, Selection::default(), PageStart::First, 10).await;
    for record in all.records {
        let number = record.key.as_integer().unwrap();
        assert_eq!(record.state() == State::Started, claimed.contains(&number));
        assert_eq!(get(store, number).await, record);
        if record.state() == State::Started {
            assert_eq!((record.history().attempt, record.status.failure()), (2, None));
        }
    }
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert_eq!(count(store, in_state(State::Started)).await, 0);
    assert_eq!(count(store, in_state(State::Failed)).await, 5);
}
