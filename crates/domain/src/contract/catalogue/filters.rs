//! `RecordFilter`, wherever records are chosen by one: every adapter means the records that the domain means.

use crate::contract::support::{
    MODEL, at, claim, count, entry, fail_all, import, import_into, key, succeed_all,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{Amount, Beyond, ClaimedRecord, Outcome, PageRequest, PageStart};
use crate::{Failure, FailureKind, Model, PathGlob, Record, RecordFilter, Selection, SourceRecord, State};

/// Names that mean something to some pattern, shell, language or screen.
const PATHS: [&str; 22] = [
    "a/b.bin",
    "a/b/c.bin",
    "a/b/c/d.bin",
    "A/b.bin",
    "b.bin",
    ".bin",
    "a/.bin",
    "a/b.binx",
    "a/[b].bin",
    "a/b*.bin",
    "a/b?.bin",
    "a/b\\.bin",
    "a/b%_.bin",
    "a/b\nc.bin",
    "a/b'\"c.bin",
    "a/$(c)|{d,e}^+.bin",
    "a/é.bin",
    "a/\u{1f600}.bin",
    "a/\u{202e}x.bin",
    "a//b.bin",
    "/a/b.bin",
    "a/b.bin/",
];

const PATTERNS: [&str; 30] = [
    "a/*.bin",
    "a/**",
    "**/*.bin",
    "**",
    "*",
    "a/?.bin",
    "a/??.bin",
    "a/[b].bin",
    "a/\\[b\\].bin",
    "a/b\\*.bin",
    "a/b\\?.bin",
    "a/b\\\\.bin",
    "a/b%*",
    "a/b_*",
    "a/b?c.bin",
    "a/[!b]*",
    "a/[a-z]*.bin",
    "a/[+--]*",
    "a/[]b]*",
    "a/[é-\u{1f6ff}].bin",
    "a/$(c)|{d,e}^+.bin",
    "a/**/c.bin",
    "**/c/**",
    "a**bin",
    "a//b.bin",
    "/a/b.bin",
    "*/",
    "***:a",
    "(?i)a/b.bin",
    "a/b.bin$",
];

/// Which of all records the selection means, asked in each way that there is; and which the domain means.
async fn assert_same(store: &Ports, selection: Selection) -> Vec<Record> {
    let page = |selection: Selection, limit| PageRequest::by_key(MODEL, selection, PageStart::First, limit);
    let all = store.catalogue.page(&page(Selection::default(), 1000)).await.unwrap().records;
    let is_meant = |record: &Record| {
        selection.state.is_none_or(|state| record.state() == state)
            && selection.keys.as_ref().is_none_or(|keys| keys.contains(&record.key))
            && record.is_meant_by(&selection.filter)
    };
    let wanted: Vec<Record> = all.into_iter().filter(is_meant).collect();
    let found = store.catalogue.page(&page(selection.clone(), 1000)).await.unwrap();
    assert_eq!(found.records, wanted, "{selection:?}");
    let counted = count(store, selection.clone()).await;
    assert_eq!(usize::try_from(counted).unwrap(), wanted.len(), "{selection:?}");
    let amount = store.catalogue.amount(MODEL, &selection).await.unwrap();
    assert_eq!(amount, wanted.iter().fold(Amount::default(), |sum, one| sum.and(Amount::of(one))));
    // Page by page.
    let mut request = page(selection.clone(), 3);
    let mut walked = Vec::new();
    loop {
        let found = store.catalogue.page(&request).await.unwrap();
        assert_eq!(found.previous == Beyond::Matches, !walked.is_empty(), "{selection:?}");
        let next = found.after();
        walked.extend(found.records);
        match next {
            Some(next) => request.start = next,
            None => break,
        }
    }
    assert_eq!(walked, wanted, "{selection:?}");
    if selection.state.is_none() && selection.keys.is_none() {
        let summary = store.catalogue.summary_of(&selection.filter).await.unwrap();
        let of_model = summary.into_iter().find(|summary| summary.model == MODEL);
        let summed = of_model.iter().flat_map(|model| &model.states).map(|(_, count)| count).sum::<u64>();
        assert_eq!(usize::try_from(summed).unwrap(), wanted.len(), "{selection:?}");
        let bytes: u64 = wanted.iter().filter_map(|record| record.file_size).sum();
        assert_eq!(of_model.map_or(0, |model| model.bytes), bytes, "{selection:?}");
    }
    wanted
}

pub async fn patterns_match_as_the_domain_says(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let entries = (1..).zip(PATHS).map(|(number, path)| {
        let mut entry = entry(number);
        path.clone_into(&mut entry.location.path);
        entry
    });
    import(store, entries.collect(), 100).await;
    let mut matched = 0;
    let patterns = PATTERNS.iter().map(|pattern| pattern.parse::<PathGlob>().unwrap());
    for path in patterns.chain(PATHS.iter().map(|path| PathGlob::literal(path))) {
        let filter = RecordFilter { path: Some(path), ..RecordFilter::default() };
        matched += assert_same(store, Selection::filtered(filter)).await.len();
    }
    assert!(matched > PATHS.len() + PATTERNS.len());
}

/// Records 1 to 9: two storages, three owners, every kind of failure, states of all kinds, read at different times.
async fn many(store: &Ports) {
    let of = |number: i64, storage: &str, owner: &str| {
        let owner = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
        let mut entry = SourceRecord { owner, file_size: Some(1 << number), ..entry(number) };
        storage.clone_into(&mut entry.location.storage);
        entry
    };
    import(store, vec![of(1, "main", "a"), of(2, "attic", "a/b")], 100).await;
    succeed_all(store, 200).await;
    import(store, vec![of(3, "main", "a/b"), of(4, "main", "ab")], 300).await;
    fail_all(store, 400).await;
    import(store, vec![of(5, "main", ""), of(6, "attic", "a/b/c")], 500).await;
    for (now, failure) in
        [(600, Failure::size_mismatch(1, 2)), (700, Failure::timed_out(std::time::Duration::from_secs(5)))]
    {
        let lease = claim(store, 1, now).await.unwrap();
        let fail = |record: &ClaimedRecord| {
            let failed = record.verification.clone().fail(failure.clone(), at(now + 10), 0);
            (record.key.clone(), Outcome::Failed(failed))
        };
        let failed: Vec<_> = lease.records.iter().map(fail).collect();
        store.queue.complete(lease.id, &failed, true).await.unwrap();
    }
    store.as_of(at(800)).queue.recalculate(MODEL, &key(3)).await.unwrap();
    store.as_of(at(800)).queue.recalculate(MODEL, &key(5)).await.unwrap();
    claim(store, 1, 900).await.unwrap();
    import(store, vec![of(7, "main", "é/%"), SourceRecord { disabled: true, ..of(8, "main", "a") }], 950)
        .await;
    import_into(store, Model::Projects, vec![of(1, "main", "a")], 960).await;
}

pub async fn every_part_of_a_filter_holds(db: &dyn DatabaseFixture) {
    let store = db.ports();
    many(store).await;
    let mut filters = vec![RecordFilter::default()];
    for kinds in [
        vec![FailureKind::Altered],
        vec![FailureKind::Missing, FailureKind::TimedOut],
        FailureKind::ALL.to_vec(),
    ] {
        filters.push(RecordFilter { kinds, ..RecordFilter::default() });
    }
    for storages in [vec!["main"], vec!["attic", "main"], vec!["Main"], vec!["' OR 1=1 --"]] {
        let storages = storages.into_iter().map(str::to_owned).collect();
        filters.push(RecordFilter { storages, ..RecordFilter::default() });
    }
    for owner in ["a", "a/b", "a/", "", "A", "%", "é/%", "é"] {
        filters.push(RecordFilter { owner: Some(owner.to_owned()), ..RecordFilter::default() });
    }
    for text in ["bin", "2.b", "does", "1 ", "missing", "sha", "%", "é", ""] {
        filters.push(RecordFilter { text: Some(text.to_owned()), ..RecordFilter::default() });
    }
    for millis in [0, 200, 201, 400, 610, 711, 10_000] {
        filters.push(RecordFilter { since: Some(at(millis)), ..RecordFilter::default() });
        filters.push(RecordFilter { before: Some(at(millis)), ..RecordFilter::default() });
    }
    filters.push(RecordFilter {
        kinds: FailureKind::ALL.to_vec(),
        storages: vec!["main".to_owned()],
        path: Some("*.bin".parse().unwrap()),
        text: Some("bin".to_owned()),
        owner: Some("a".to_owned()),
        since: Some(at(1)),
        before: Some(at(10_000)),
    });
    for filter in filters {
        assert_same(store, Selection::filtered(filter.clone())).await;
        for state in State::ALL {
            assert_same(store, Selection { filter: filter.clone(), ..Selection::in_state(state) }).await;
        }
        let keys = Some(vec![key(1), key(3), key(8), key(99)]);
        assert_same(store, Selection { keys, filter, ..Selection::default() }).await;
    }
    let below = RecordFilter { owner: Some("a/b".to_owned()), ..RecordFilter::default() };
    assert_eq!(assert_same(store, Selection::filtered(below)).await.len(), 3);
    let storages = store.catalogue.storages().await.unwrap();
    let named = [(Model::Projects, "main"), (MODEL, "attic"), (MODEL, "main")];
    assert_eq!(storages, named.map(|(model, name)| (model, name.to_owned())));
}

pub async fn a_selection_is_marked_in_batches(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, (1..=20).map(entry).collect(), 100).await;
    succeed_all(store, 200).await;
    let filter = RecordFilter { path: Some("1*.bin".parse().unwrap()), ..RecordFilter::default() };
    let selection = Selection { filter, ..Selection::in_state(State::Succeeded) };
    let mut after = None;
    let mut sizes = Vec::new();
    loop {
        let now = store.as_of(at(300));
        let (next, marked) = now.queue.recalculate_next(MODEL, &selection, None, after, 4).await.unwrap();
        sizes.push(marked);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 3]);
    let lease = claim(store, 100, 400).await.unwrap();
    let marked: Vec<_> = lease.records.iter().map(|record| record.key.clone()).collect();
    assert_eq!(marked, [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map(key));
    let keys = Selection { keys: Some(vec![key(2), key(3), key(99)]), ..Selection::default() };
    let some = store.as_of(at(500)).queue.recalculate_next(MODEL, &keys, None, None, 2).await.unwrap();
    assert_eq!(some, (Some(key(3)), 2));
    let rest = store.as_of(at(500)).queue.recalculate_next(MODEL, &keys, None, some.0, 2).await.unwrap();
    assert_eq!(rest, (None, 0));
}

pub async fn a_share_is_taken_by_chance(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, (1..=600).map(entry).collect(), 100).await;
    let all = Selection::default();
    let marked =
        async |share| store.as_of(at(300)).queue.recalculate_next(MODEL, &all, share, None, 1000).await;
    assert_eq!(marked(Some(0)).await.unwrap(), (None, 0));
    assert_eq!(marked(Some(1_000_000)).await.unwrap(), (None, 600));
    assert_eq!(marked(None).await.unwrap(), (None, 600));
    // Twelve standard deviations.
    let half = marked(Some(500_000)).await.unwrap().1;
    assert!((150..=450).contains(&half), "{half}");
}
