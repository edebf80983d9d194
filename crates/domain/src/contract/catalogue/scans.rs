//! How many records are looked at where no index finds what matches.

use std::num::NonZeroU32;

use crate::contract::support::{
    MODEL, at, claim, entry, entry_in, fail_all, import, import_numbers, in_state, key, succeed_all,
    with_numbers,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{
    Beyond, CountLimit, Counted, CountedTo, Page, PageRequest, PageStart, SCANNED_FOR_EACH, SCATTERED,
    ScanLimit, SortField, SortLimit, SortOrder, SortedPage, SortedPageRequest, SortedStart, first_matching,
};
use crate::{FailureKind, Record, RecordFilter, RecordKey, Selection, SourceRecord, State};

const ORDERS: [SortOrder; 2] = [SortOrder::Ascending, SortOrder::Descending];

fn at_most(records: u32) -> ScanLimit {
    ScanLimit::new(NonZeroU32::new(records).unwrap())
}

fn with_text(text: &str) -> Selection {
    Selection::filtered(RecordFilter { text: Some(text.to_owned()), ..RecordFilter::default() })
}

fn numbers(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.key.as_integer().unwrap()).collect()
}

/// Records 1 to `all`, of which those with these numbers have a path with `needle` in it, and an owner.
async fn hay(store: &Ports, all: i64, needles: &[i64]) {
    let entries = (1..=all).map(|number| {
        let mut entry = entry(number);
        if needles.contains(&number) {
            entry.location.path = format!("needle/{number}");
            entry.owner = Some("group".to_owned());
        }
        entry
    });
    import(store, entries.collect(), 100).await;
}

async fn page(
    store: &Ports,
    (selection, order): (&Selection, SortOrder),
    start: PageStart,
    limit: u32,
    scan_at_most: ScanLimit,
) -> Page {
    let selection = selection.clone();
    let request = PageRequest { model: MODEL, selection, order, start, limit, scan_at_most };
    store.catalogue.page(&request).await.unwrap()
}

fn not_searched(number: i64) -> Beyond {
    Beyond::NotSearched(key(number))
}

pub async fn a_filter_without_an_index_looks_at_so_many_records(db: &dyn DatabaseFixture) {
    let store = db.ports();
    hay(store, 20, &[3, 4, 18]).await;
    let of_owner = RecordFilter { owner: Some("group".to_owned()), ..RecordFilter::default() };
    let with_path = RecordFilter { path: Some("needle/*".parse().unwrap()), ..RecordFilter::default() };
    let pending = Selection { state: Some(State::Pending), ..with_text("needle") };
    let selections = [
        (with_text("needle"), 1),
        (Selection::filtered(of_owner), 1),
        (Selection::filtered(with_path), 1),
        (pending, SCATTERED),
    ];
    for (selection, each) in selections {
        let look = async |order, start, limit, scanned: u32| {
            let found = page(store, (&selection, order), start, limit, at_most(scanned * each)).await;
            (numbers(&found.records), found.previous, found.next)
        };
        let (up, down) = (SortOrder::Ascending, SortOrder::Descending);
        // As far as ten records: two match, and what comes then nobody knows.
        let found = look(up, PageStart::First, 5, 10).await;
        assert_eq!(found, (vec![3, 4], Beyond::Nothing, not_searched(10)), "{selection:?}");
        // A page that is full knows that there are more.
        let found = look(up, PageStart::First, 1, 10).await;
        assert_eq!(found, (vec![3], Beyond::Nothing, Beyond::Matches));
        // The limit is just what there is.
        let found = look(up, PageStart::First, 5, 20).await;
        assert_eq!(found, (vec![3, 4, 18], Beyond::Nothing, Beyond::Nothing));
        let found = look(up, PageStart::After(key(10)), 5, 9).await;
        assert_eq!(found, (vec![18], Beyond::Matches, not_searched(19)));
        let found = look(up, PageStart::After(key(10)), 5, 5).await;
        assert_eq!(found, (vec![], not_searched(6), not_searched(15)));
        let found = look(up, PageStart::Before(key(17)), 5, 5).await;
        assert_eq!(found, (vec![], not_searched(12), Beyond::Matches));
        let found = look(down, PageStart::First, 5, 10).await;
        assert_eq!(found, (vec![18], Beyond::Nothing, not_searched(11)));
        let found = look(down, PageStart::After(key(11)), 5, 7).await;
        assert_eq!(found, (vec![4], not_searched(17), not_searched(4)));
        let found = look(down, PageStart::Before(key(11)), 5, 6).await;
        assert_eq!(found, (vec![], not_searched(17), not_searched(6)));
        // Behind an offset as many are looked at as without one.
        let found = look(up, PageStart::Offset(2), 5, 10).await;
        assert_eq!(found, (vec![], Beyond::Matches, not_searched(12)));
        let found = look(up, PageStart::Offset(2), 5, 18).await;
        assert_eq!(found, (vec![18], Beyond::Matches, Beyond::Nothing));
    }
}

pub async fn what_an_index_finds_is_never_cut_short(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 100).await;
    succeed_all(store, 200).await;
    import(store, vec![entry_in("other", 7), entry(8), entry_in("other", 9)], 300).await;
    fail_all(store, 400).await;
    import_numbers(store, 10..=12, 500).await;
    claim(store, 1, 600).await.unwrap();
    let storage = |name: &str| RecordFilter { storages: vec![name.to_owned()], ..RecordFilter::default() };
    let kinds = vec![FailureKind::Missing];
    let selections = State::ALL.into_iter().map(in_state).chain([
        Selection::default(),
        with_numbers(&[2, 9, 11]),
        Selection::filtered(storage("other")),
        Selection::filtered(RecordFilter { kinds, ..storage("other") }),
        Selection { state: Some(State::Started), ..with_text("bin") },
        Selection { keys: Some(vec![key(2), key(9), key(11)]), ..with_text("1") },
    ]);
    for selection in selections {
        let wanted = first_matching(&*store.catalogue, MODEL, &selection, None, 100).await.unwrap();
        for order in ORDERS {
            let all = page(store, (&selection, order), PageStart::First, 100, at_most(1)).await;
            assert_eq!(all.records.len(), wanted.len(), "{selection:?}");
            assert_eq!((all.previous, all.next), (Beyond::Nothing, Beyond::Nothing), "{selection:?}");
        }
    }
}

pub async fn pages_without_matches_lead_on_both_ways(db: &dyn DatabaseFixture) {
    let store = db.ports();
    hay(store, 40, &[1, 22, 23, 40]).await;
    succeed_all(store, 200).await;
    let filter =
        RecordFilter { owner: Some("group".to_owned()), since: Some(at(1)), ..RecordFilter::default() };
    let selections = [
        (with_text("needle"), vec![1, 22, 23, 40]),
        (with_text("no such text"), vec![]),
        (Selection { filter, ..in_state(State::Succeeded) }, vec![1, 22, 23, 40]),
    ];
    for (selection, mut wanted) in selections {
        for order in ORDERS {
            for (limit, scanned) in [(1, 1), (1, 3), (2, 7), (3, 39), (5, 40)] {
                let asked = (&selection, order);
                let mut found = page(store, asked, PageStart::First, limit, at_most(scanned)).await;
                let mut forwards = numbers(&found.records);
                while let Some(next) = found.after() {
                    found = page(store, asked, next, limit, at_most(scanned)).await;
                    forwards.extend(numbers(&found.records));
                }
                assert_eq!(forwards, wanted, "{selection:?} {limit} {scanned}");
                let mut backwards = numbers(&found.records);
                while let Some(previous) = found.before() {
                    found = page(store, asked, previous, limit, at_most(scanned)).await;
                    backwards.splice(0..0, numbers(&found.records));
                }
                assert_eq!(backwards, wanted, "{selection:?} {limit} {scanned}");
            }
            wanted.reverse();
        }
    }
}

pub async fn matches_are_counted_as_far_as_the_limit_says(db: &dyn DatabaseFixture) {
    let store = db.ports();
    hay(store, 20, &[3, 4, 18]).await;
    let count = async |selection: &Selection, matches, scanned| {
        let limit = CountLimit { matches, scanned: at_most(scanned) };
        let Counted { matches, to } = store.catalogue.count(MODEL, selection, limit).await.unwrap();
        (matches, to)
    };
    let needles = with_text("needle");
    assert_eq!(count(&needles, 10, 20).await, (3, CountedTo::End));
    assert_eq!(count(&needles, 10, 19).await, (3, CountedTo::ScanLimit));
    assert_eq!(count(&needles, 10, 10).await, (2, CountedTo::ScanLimit));
    assert_eq!(count(&needles, 10, 2).await, (0, CountedTo::ScanLimit));
    assert_eq!(count(&needles, 2, 10).await, (2, CountedTo::MatchLimit));
    assert_eq!(count(&needles, 0, 10).await, (0, CountedTo::MatchLimit));
    assert_eq!(count(&with_text("no such text"), 10, 20).await, (0, CountedTo::End));
    assert_eq!(count(&with_numbers(&[1, 2, 3, 99]), 10, 1).await, (3, CountedTo::End));
    assert_eq!(count(&with_numbers(&[1, 2, 3, 99]), 2, 1).await, (2, CountedTo::MatchLimit));
}

pub async fn kept_counts_are_exact_whatever_the_limit(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 100).await;
    succeed_all(store, 200).await;
    import(store, vec![entry_in("other", 7), entry(8), entry_in("other", 9)], 300).await;
    fail_all(store, 400).await;
    store.as_of(at(500)).queue.recalculate(MODEL, &key(7)).await.unwrap();
    import_numbers(store, 10..=12, 500).await;
    import(store, vec![SourceRecord { disabled: true, ..entry(13) }], 500).await;
    claim(store, 2, 600).await.unwrap();
    let storages = [vec![], vec!["main"], vec!["other"], vec!["main", "other"], vec!["none"]];
    let kinds = [vec![], vec![FailureKind::Missing], vec![FailureKind::Altered], FailureKind::ALL.to_vec()];
    let states = State::ALL.into_iter().map(Some).chain([None]);
    let mut counted = 0;
    for (state, storages, kinds) in states
        .flat_map(|state| storages.iter().flat_map(move |names| [(state, names)]))
        .flat_map(|(state, names)| kinds.iter().map(move |kinds| (state, names.clone(), kinds.clone())))
    {
        let storages = storages.into_iter().map(str::to_owned).collect();
        let filter = RecordFilter { kinds, storages, ..RecordFilter::default() };
        let selection = Selection { state, filter, ..Selection::default() };
        let limit = CountLimit { matches: 0, scanned: at_most(1) };
        let Counted { matches, to } = store.catalogue.count(MODEL, &selection, limit).await.unwrap();
        let all = first_matching(&*store.catalogue, MODEL, &selection, None, 100).await.unwrap();
        assert_eq!((usize::try_from(matches).unwrap(), to), (all.len(), CountedTo::End), "{selection:?}");
        counted += matches;
    }
    assert!(counted > 100, "{counted}");
}

pub async fn a_sort_looks_at_so_many_records(db: &dyn DatabaseFixture) {
    let store = db.ports();
    hay(store, 20, &[3, 4, 18]).await;
    let sort = async |selection: Selection, matches, scanned| {
        let request = SortedPageRequest {
            model: MODEL,
            selection,
            field: SortField::Size,
            order: SortOrder::Ascending,
            start: SortedStart::First,
            limit: 5,
            sorted_at_most: SortLimit::new(NonZeroU32::new(matches).unwrap()),
            scan_at_most: at_most(scanned),
        };
        store.catalogue.sorted_page(&request).await.unwrap()
    };
    let found = sort(with_text("needle"), 3, 20).await;
    assert!(matches!(&found, SortedPage::Page(page) if page.records.len() == 3), "{found:?}");
    assert_eq!(sort(with_text("needle"), 3, 19).await, SortedPage::NotSearched);
    assert_eq!(sort(with_text("needle"), 2, 20).await, SortedPage::TooMany);
    // Nothing but what matches is looked at.
    let found = sort(in_state(State::Pending), 20, 1).await;
    assert!(matches!(&found, SortedPage::Page(page) if page.records.len() == 5), "{found:?}");
}

pub async fn a_batch_to_mark_looks_at_so_many_records(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let step = i64::from(SCANNED_FOR_EACH);
    hay(store, 3 * step, &[2, step + 1, step + 2]).await;
    succeed_all(store, 200).await;
    let mark = async |after: Option<i64>| {
        let (now, after) = (store.as_of(at(300)), after.map(RecordKey::integer));
        let marked = now.queue.recalculate_next(MODEL, &with_text("needle"), None, after, 1).await;
        let (next, marked) = marked.unwrap();
        (next.and_then(|key| key.as_integer()), marked)
    };
    assert_eq!(mark(None).await, (Some(step), 1));
    assert_eq!(mark(Some(step)).await, (Some(step + 1), 1));
    assert_eq!(mark(Some(step + 1)).await, (Some(2 * step + 1), 1));
    assert_eq!(mark(Some(2 * step + 1)).await, (None, 0));
}
