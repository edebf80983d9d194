//! The look-ups of `Catalogue`, one by one.

use crate::contract::support::{
    GOOD, MODEL, TERMS, acceptance, at, claim, composite, entry, entry_in, entry_of, fail_all, get, import,
    import_into, import_numbers, key, state, succeed_all, successes,
};
use crate::contract::tasks::{collect, next};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{ModelSummary, Outcome};
use crate::{
    Digest, EvidenceLevel, Failure, FailureKind, Location, Metadata, Model, SourceRecord, Stage as _, State,
};

pub async fn nothing_is_none(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let catalogue = &store.catalogue;
    assert_eq!(catalogue.get(MODEL, &key(1)).await.unwrap(), None);
    assert_eq!(catalogue.largest_key(MODEL).await.unwrap(), None);
    assert_eq!(
        store
            .as_of(at(1))
            .catalogue
            .accept(MODEL, &key(1), &acceptance(crate::contract::support::GOOD, Some(1)))
            .await
            .unwrap(),
        None
    );
    assert!(catalogue.summary().await.unwrap().is_empty());
    assert!(!store.as_of(at(1)).queue.recalculate(MODEL, &key(1)).await.unwrap());
    assert!(claim(store, 10, 1).await.is_none());
    let worker = crate::contract::support::worker("w");
    assert!(store.as_of(at(1)).queue.claim_one(&worker, MODEL, &key(1), TERMS).await.unwrap().is_none());
    import_numbers(store, [1], 1).await;
    assert_eq!(catalogue.get(Model::Projects, &key(1)).await.unwrap(), None);
    assert_eq!(catalogue.get(MODEL, &composite(&[1, 1])).await.unwrap(), None);
}

pub async fn records_in_a_storage_are_counted(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 0..5, 1).await;
    import(store, vec![entry_in("other", 100)], 1).await;
    import_into(store, Model::Projects, vec![entry(1)], 1).await;
    for (storage, count) in [("main", 6), ("other", 1), ("none", 0)] {
        assert_eq!(store.catalogue.count_in_storage(storage).await.unwrap(), count, "{storage}");
    }
}

pub async fn shapes_are_known(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let knows = async |key| store.catalogue.knows_shape(MODEL, &key).await.unwrap();
    assert!(knows(key(1)).await);
    assert!(knows(composite(&[1, 2, 3])).await);
    import_numbers(store, [1, 9], 1).await;
    assert!(knows(key(5)).await);
    assert!(!knows(composite(&[1, 2])).await);
    let between = composite(&[5, 5]);
    import(store, vec![entry_of(between.clone())], 1).await;
    assert!(knows(between).await);
    import(store, vec![entry_of(composite(&[99, 5]))], 1).await;
    assert!(knows(composite(&[1, 2])).await);
    assert!(knows(key(5)).await);
}

pub async fn paths_come_in_byte_order(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let names = ["b", "Z", "a/b", "a.b", "ä", "a", "_", "é", "Ä"];
    let placed = |(number, name): (i64, &str)| {
        let mut entry = entry(number);
        name.clone_into(&mut entry.location.path);
        entry
    };
    let mut entries: Vec<SourceRecord> = (0..).zip(names).map(placed).collect();
    entries.push(entry_in("other", 100));
    entries.extend((1000..4000).map(entry));
    import(store, entries.clone(), 1).await;
    import_into(store, Model::Projects, vec![entry(1)], 1).await;
    let all = async |model| {
        let stream = store.catalogue.paths(model, "main").await.unwrap();
        collect(stream).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let found = all(Some(MODEL)).await;
    let of_main = entries.iter().filter(|entry| entry.location.storage == "main");
    let mut expected: Vec<_> =
        of_main.map(|entry| (entry.location.path.clone(), entry.key.clone())).collect();
    expected.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    assert_eq!(found, expected);
    // Of all models, those of the other at their place among them.
    let at = expected.partition_point(|(path, _)| path.as_str() < "1.bin");
    expected.insert(at, ("1.bin".to_owned(), key(1)));
    assert_eq!(all(None).await, expected);
    // One who stops listening stops the reading.
    let mut stream = store.catalogue.paths(Some(MODEL), "main").await.unwrap();
    assert!(next(&mut stream).await.is_some());
    drop(stream);
    let none = store.catalogue.paths(Some(MODEL), "nowhere").await.unwrap();
    assert_eq!(collect(none).await.len(), 0);
}

/// Ends everything that is due well, the records of even numbers other than the source's own checksum says, and
/// those of multiples of three without a comparison.
async fn compare_all(store: &Ports, now: i64) {
    while let Some(lease) = claim(store, 1000, now).await {
        let mut outcomes = Vec::new();
        for record in &lease.records {
            let number = record.key.as_integer().unwrap();
            let matches_source = (number % 3 != 0).then_some(number % 2 != 0);
            let done = record.verification.clone().succeed(GOOD, at(now)).with_source_match(matches_source);
            outcomes.push((record.key.clone(), Outcome::Succeeded(done)));
        }
        store.queue.complete(lease.id, &outcomes, true).await.unwrap();
    }
}

pub async fn mismatches_are_found_in_pages(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=11, 100).await;
    import_into(store, Model::Projects, vec![entry(2)], 100).await;
    compare_all(store, 200).await;
    let mismatched = async |after: Option<i64>, limit| {
        let found = store.catalogue.mismatched(MODEL, after.map(key), limit).await.unwrap();
        assert!(found.iter().all(|record| record.matches_source() == Some(false) && record.model == MODEL));
        found.into_iter().map(|record| record.key.as_integer().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(mismatched(None, 10).await, [2, 4, 8, 10]);
    assert_eq!(mismatched(None, 2).await, [2, 4]);
    assert_eq!(mismatched(Some(4), 1).await, [8]);
    assert_eq!(mismatched(Some(10), 10).await, [0_i64; 0]);
    assert_eq!(get(store, 1).await.matches_source(), Some(true));
    assert_eq!(get(store, 3).await.matches_source(), None);
    assert_eq!(store.catalogue.mismatched(MODEL, None, 1).await.unwrap(), [get(store, 2).await]);
    // Only of one that is good is it known; and what is taken for good differs from nothing.
    store.as_of(at(300)).queue.recalculate(MODEL, &key(2)).await.unwrap();
    store.as_of(at(300)).catalogue.accept(MODEL, &key(4), &acceptance(GOOD, None)).await.unwrap();
    assert_eq!(mismatched(None, 10).await, [8, 10]);
    let summary = store.catalogue.summary().await.unwrap();
    assert_eq!(summary.iter().map(|summary| summary.mismatched).collect::<Vec<_>>(), [1, 2]);
    fail_all(store, 400).await;
    assert_eq!((mismatched(None, 10).await, get(store, 2).await.matches_source()), (vec![8, 10], None));
    // Recalculated, it compares anew.
    store.as_of(at(500)).queue.recalculate(MODEL, &key(2)).await.unwrap();
    compare_all(store, 500).await;
    assert_eq!(mismatched(None, 10).await, [2, 8, 10]);
}

pub async fn what_was_good_is_counted_while_it_is_read_again(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 100).await;
    let counts = async || {
        let summary = store.catalogue.summary().await.unwrap().pop().unwrap();
        (summary.good_before, summary.rereading.iter().map(|(_, count)| count).sum::<u64>())
    };
    assert_eq!(counts().await, (0, 0));
    succeed_all(store, 200).await;
    assert_eq!(counts().await, (0, 0));
    for number in [1, 2] {
        store.as_of(at(300)).queue.recalculate(MODEL, &key(number)).await.unwrap();
    }
    import_numbers(store, [4], 300).await;
    assert_eq!(counts().await, (2, 0));
    // Also while a worker has them, and until there is a result.
    let lease = claim(store, 10, 400).await.unwrap();
    assert_eq!(counts().await, (2, 0));
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert_eq!(counts().await, (2, 0));
    fail_all(store, 500).await;
    assert_eq!(counts().await, (0, 0));
    store.as_of(at(600)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_eq!(counts().await, (0, 1));
}

pub async fn a_finding_stands_until_a_new_result(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=5, 100).await;
    import_into(store, Model::Projects, vec![entry(2)], 100).await;
    fail_all(store, 200).await;
    let findings = async |after: Option<i64>, limit| {
        let found = store.catalogue.findings(MODEL, after.map(key), limit).await.unwrap();
        assert!(found.iter().all(|record| record.status.last_failure().is_some() && record.model == MODEL));
        found.into_iter().map(|record| record.key.as_integer().unwrap()).collect::<Vec<_>>()
    };
    let kinds = async || {
        let summary = store.catalogue.summary().await.unwrap();
        let uploads = summary.into_iter().find(|summary| summary.model == MODEL).unwrap();
        let count = |kinds: &[(FailureKind, u64)]| kinds.iter().map(|(_, count)| count).sum::<u64>();
        (count(&uploads.failures), count(&uploads.rereading))
    };
    assert_eq!((findings(None, 10).await, kinds().await), (vec![1, 2, 3, 4, 5], (5, 0)));
    assert_eq!(findings(None, 2).await, [1, 2]);
    assert_eq!(findings(Some(2), 2).await, [3, 4]);
    assert_eq!(findings(Some(5), 2).await, [0_i64; 0]);

    // Asked for again, or meant to lie elsewhere.
    store.as_of(at(300)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let location = Location { storage: "main".to_owned(), path: "elsewhere".to_owned() };
    import(store, vec![SourceRecord { location, ..entry(2) }], 300).await;
    for number in [1, 2] {
        let status = get(store, number).await.status;
        assert_eq!((status.state(), status.failure()), (State::Pending, None));
        assert_eq!(status.last_failure().map(Failure::kind), Some(FailureKind::Missing));
    }
    assert_eq!((findings(None, 10).await, kinds().await), (vec![1, 2, 3, 4, 5], (3, 2)));
    // Under way, given back, and asked for once more.
    let lease = claim(store, 10, 400).await.unwrap();
    assert_eq!(state(store, 1).await, State::Started);
    assert_eq!((findings(None, 10).await, kinds().await), (vec![1, 2, 3, 4, 5], (3, 2)));
    store.queue.complete(lease.id, &[], true).await.unwrap();
    store.as_of(at(500)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_eq!((findings(None, 10).await, kinds().await), (vec![1, 2, 3, 4, 5], (3, 2)));
    // A failed record whose time to be read again has come.
    store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap();
    let lease = claim(store, 1, 1_000_000).await.unwrap();
    assert_eq!(findings(None, 10).await, [1, 2, 3, 4, 5]);
    store.queue.complete(lease.id, &[], true).await.unwrap();

    // Replaced by a success, switched off, taken for good.
    let one = crate::contract::support::worker("x");
    let lease =
        store.as_of(at(1_000_100)).queue.claim_one(&one, MODEL, &key(1), TERMS).await.unwrap().unwrap();
    assert!(lease.records.iter().all(|record| record.verification.stage().last_failure().is_some()));
    store.queue.complete(lease.id, &successes(&lease, 1_000_100), true).await.unwrap();
    import(store, vec![SourceRecord { disabled: true, ..entry(3) }], 1_000_200).await;
    store.as_of(at(1_000_200)).catalogue.accept(MODEL, &key(4), &acceptance(GOOD, None)).await.unwrap();
    assert_eq!(findings(None, 10).await, [2, 5]);
    // What was good is no finding when it is read again.
    store.as_of(at(1_000_300)).queue.recalculate(MODEL, &key(4)).await.unwrap();
    assert_eq!(findings(None, 10).await, [2, 5]);
}

pub async fn the_summary_counts_everything(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let sized = |number, size| SourceRecord { file_size: size, ..entry(number) };
    let large = u64::try_from(i64::MAX).unwrap();
    import(store, vec![sized(1, Some(10)), sized(2, None), sized(3, Some(large))], 100).await;
    succeed_all(store, 200).await;
    let said = Digest::Metadata(Metadata::Size(123));
    let accepted = store
        .as_of(at(250))
        .catalogue
        .accept(MODEL, &key(2), &acceptance(said, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((accepted.history().checksum(), accepted.file_size), (Some(said), None));
    import(store, vec![sized(4, Some(7)), SourceRecord { disabled: true, ..entry(5) }], 300).await;
    fail_all(store, 400).await;
    store.as_of(at(500)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    import_numbers(store, [6, 7], 600).await;
    let other = vec![entry_in("b", 1), entry_in("b", 2)];
    import_into(store, Model::CiSecureFiles, other, 700).await;
    let lease = claim(store, 2, 800).await.unwrap();
    let summary = store.catalogue.summary().await.unwrap();
    let [secure, uploads] = summary.as_slice() else { panic!("{summary:?}") };
    assert_eq!((secure.model, uploads.model), (Model::CiSecureFiles, MODEL));
    assert_eq!(uploads.bytes, large + 17);
    assert_eq!(uploads.failures, [(FailureKind::Missing, 1)]);
    assert_eq!(uploads.oldest_success, Some(at(200)));
    assert_eq!((uploads.metadata_only(), secure.metadata_only()), (1, 0));
    assert_eq!(uploads.resting_on(EvidenceLevel::SizeOnly), 1);
    let count = |summary: &ModelSummary, state| {
        summary.states.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count)
    };
    let (held, free) = if lease.model == MODEL { (uploads, secure) } else { (secure, uploads) };
    assert_eq!(count(held, State::Started), 2);
    assert_eq!(count(held, State::Pending), u64::from(lease.model == MODEL));
    assert_eq!(count(free, State::Started), 0);
    assert_eq!(count(free, State::Pending), if lease.model == MODEL { 2 } else { 3 });
    assert_eq!(count(uploads, State::Succeeded), 2);
    assert_eq!(count(uploads, State::Failed), 1);
    assert_eq!(count(uploads, State::Disabled), 1);
}

pub async fn a_current_schema_passes_the_check(db: &dyn DatabaseFixture) {
    let store = db.ports();
    store.catalogue.check().await.unwrap();
}
