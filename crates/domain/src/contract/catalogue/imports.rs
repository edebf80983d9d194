//! `Catalogue::import`.

use crate::contract::DatabaseFixture;
use crate::contract::Ports;
use crate::contract::support::{
    Batch, GOOD, MODEL, acceptance, apply, at, claim, count, entry, entry_in, fail_all, get, import,
    import_numbers, key, state, stream, succeed_all, sync,
};
use crate::contract::tasks::{Task, at_once};
use crate::ports::{Applied, ImportError, ModelSyncState, ScanBasis, ScannedRange, SyncBatch};
use crate::{Digest, DigestRule, KeyData, SourceRecord, State};

fn applied(added: u64, changed: u64, unchanged: u64) -> Applied {
    Applied { added, changed, unchanged }
}

fn full() -> SourceRecord {
    SourceRecord {
        created_at: Some(at(-5)),
        file_size: Some(12),
        expected: Some(Digest::Md5([3; 16])),
        rule: DigestRule::SecureFile(KeyData("ab:cd".to_owned())),
        mutable: true,
        owner: Some("group/project".to_owned()),
        source_checksum: Some(Digest::Gitaly([4; 20])),
        content_changed_at: Some(at(77)),
        ..entry(1)
    }
}

pub async fn new_entries_are_pending_or_disabled(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let off = SourceRecord { disabled: true, ..entry(2) };
    assert_eq!(import(store, vec![full(), off], 100).await, applied(2, 0, 0));
    let record = get(store, 1).await;
    assert_eq!(record.model, MODEL);
    assert_eq!(record.key, key(1));
    assert_eq!(record.created_at, Some(at(-5)));
    assert_eq!(record.file_size, Some(12));
    assert_eq!(record.location, entry(1).location);
    assert_eq!(record.expected, Some(Digest::Md5([3; 16])));
    assert_eq!((record.rule.clone(), record.mutable), (full().rule, true));
    assert_eq!((record.owner, record.source_checksum), (full().owner, full().source_checksum));
    assert!(!record.accepted);
    assert_eq!(record.status.state(), State::Pending);
    assert_eq!(*record.status.history(), crate::History::default());
    assert_eq!(state(store, 2).await, State::Disabled);
    let claimed = claim(store, 10, 100).await.unwrap().records;
    assert_eq!((claimed.len(), &claimed[0].rule), (1, &full().rule));
}

pub async fn the_same_again_changes_nothing(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![full(), entry(2)], 100).await;
    succeed_all(store, 200).await;
    let before = get(store, 1).await;
    assert_eq!(import(store, vec![full(), entry(2), entry(3)], 300).await, applied(1, 0, 2));
    assert_eq!(get(store, 1).await, before);
}

pub async fn a_changed_place_digest_or_rule_recalculates(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let moved_path = |mut entry: SourceRecord| {
        "elsewhere".clone_into(&mut entry.location.path);
        entry
    };
    let moved_storage = |mut entry: SourceRecord| {
        "other".clone_into(&mut entry.location.storage);
        entry
    };
    import_numbers(store, 1..=5, 100).await;
    succeed_all(store, 200).await;
    let changed = vec![
        moved_path(entry(1)),
        moved_storage(entry(2)),
        SourceRecord { expected: Some(GOOD), ..entry(3) },
        SourceRecord { rule: DigestRule::Length(7), ..entry(4) },
        SourceRecord { mutable: true, ..entry(5) },
    ];
    assert_eq!(import(store, changed, 300).await, applied(0, 5, 0));
    for number in 1..=5 {
        let record = get(store, number).await;
        assert_eq!(record.state(), State::Pending);
        assert_eq!(record.history().attempt, 2);
    }
    // The storage of the moved one is a queue now.
    assert_eq!(succeed_all(store, 400).await, 5);
    fail_all(store, 400).await;
}

pub async fn a_changed_digest_forgets_baseline_and_acceptance(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![entry(1), entry(2)], 100).await;
    for number in [1, 2] {
        store
            .as_of(at(150))
            .catalogue
            .accept(MODEL, &key(number), &acceptance(GOOD, Some(5)))
            .await
            .unwrap()
            .unwrap();
    }
    let mut moved = entry(2);
    "elsewhere".clone_into(&mut moved.location.path);
    moved.file_size = Some(5);
    let expects = SourceRecord { expected: Some(GOOD), file_size: Some(5), ..entry(1) };
    assert_eq!(import(store, vec![expects, moved], 200).await, applied(0, 2, 0));
    let record = get(store, 1).await;
    assert!(!record.accepted);
    assert_eq!(record.history().baseline, None);
    let kept = get(store, 2).await;
    assert!(kept.accepted);
    assert_eq!(kept.history().baseline.unwrap().digest, GOOD);
}

pub async fn a_changed_rule_forgets_the_acceptance_alone(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![SourceRecord { rule: DigestRule::Length(100), ..entry(1) }], 100).await;
    store
        .as_of(at(150))
        .catalogue
        .accept(MODEL, &key(1), &acceptance(GOOD, Some(90)))
        .await
        .unwrap()
        .unwrap();
    import(store, vec![SourceRecord { rule: DigestRule::Length(120), ..entry(1) }], 200).await;
    let record = get(store, 1).await;
    assert!(!record.accepted);
    assert_eq!(record.reference().size, Some(120));
    assert_eq!(record.history().baseline.unwrap().digest, GOOD);
}

pub async fn other_changes_keep_the_state(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 100).await;
    let lease = claim(store, 1, 100).await.unwrap();
    let changed =
        (1..=3).map(|number| SourceRecord { file_size: Some(9), created_at: Some(at(7)), ..entry(number) });
    assert_eq!(import(store, changed.collect(), 200).await, applied(0, 3, 0));
    let record = get(store, 1).await;
    assert_eq!((record.file_size, record.created_at), (Some(9), Some(at(7))));
    assert_eq!(record.state(), State::Started);
    let results = crate::contract::support::successes(&lease, 300);
    assert_eq!(store.queue.complete(lease.id, &results, true).await.unwrap(), 1);
    let succeeded = get(store, 1).await;
    assert_eq!(import(store, vec![entry(1)], 400).await, applied(0, 1, 0));
    let after = get(store, 1).await;
    assert_eq!(after.status, succeeded.status);
    assert_eq!((after.file_size, after.created_at), (None, None));
    fail_all(store, 500).await;
    let failed = get(store, 2).await;
    import(store, vec![entry(2)], 600).await;
    assert_eq!(get(store, 2).await.status, failed.status);
}

pub async fn disabled_is_switched_both_ways(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let off = |number| SourceRecord { disabled: true, ..entry(number) };
    import_numbers(store, 1..=2, 100).await;
    let lease = claim(store, 1, 100).await.unwrap();
    assert_eq!(import(store, vec![off(1), off(2)], 200).await, applied(0, 2, 0));
    assert_eq!(state(store, 1).await, State::Disabled);
    assert!(claim(store, 10, 200).await.is_none());
    // The attempt under way was made void.
    let results = crate::contract::support::successes(&lease, 300);
    assert_eq!(store.queue.complete(lease.id, &results, true).await.unwrap(), 0);
    assert_eq!(import(store, vec![off(1)], 400).await, applied(0, 0, 1));
    assert_eq!(import(store, vec![entry(1)], 500).await, applied(0, 1, 0));
    assert_eq!(state(store, 1).await, State::Pending);
    assert_eq!(claim(store, 10, 500).await.unwrap().records.len(), 1);
    // Moved while off, it stays off.
    let mut moved = off(2);
    "elsewhere".clone_into(&mut moved.location.path);
    assert_eq!(import(store, vec![moved], 600).await, applied(0, 1, 0));
    assert_eq!(state(store, 2).await, State::Disabled);
}

pub async fn entries_with_one_key_must_be_the_same(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let sized = |number, size| SourceRecord { file_size: Some(size), ..entry(number) };
    // The same twice is harmless, within a batch and across batches, and counted as one record.
    let same = stream([Ok(vec![sized(2, 1), sized(1, 1), sized(1, 1)]), Ok(vec![sized(2, 1)])]);
    assert_eq!(store.as_of(at(100)).catalogue.import(MODEL, same).await.unwrap(), applied(2, 0, 0));
    let off = SourceRecord { disabled: true, ..sized(1, 3) };
    let far: Vec<SourceRecord> = (10..3000).map(|number| sized(number, 1)).collect();
    for (batches, numbers) in [
        (vec![Ok(vec![sized(3, 3), sized(1, 3), sized(1, 4)])], (2, 3)),
        (vec![Ok(vec![sized(1, 3), sized(2, 9)]), Ok(vec![sized(1, 3)]), Ok(vec![off.clone()])], (1, 4)),
        (vec![Ok(vec![sized(2, 9), off]), Ok(far), Ok(vec![sized(2, 9), sized(1, 3)])], (2, 2994)),
    ] {
        match store.as_of(at(200)).catalogue.import(MODEL, stream(batches)).await {
            Err(ImportError::Conflict { key: of, first, second }) => {
                assert_eq!((of, (first, second)), (key(1), numbers));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(get(store, 1).await.file_size, Some(1));
    assert_eq!(count(store, crate::Selection::default()).await, 2);
    // More than are written at once, backwards.
    let many: Vec<SourceRecord> = (0..5000).rev().map(|number| sized(number, 4)).collect();
    assert_eq!(import(store, many, 300).await, applied(4998, 2, 0));
    assert_eq!(count(store, crate::Selection::default()).await, 5000);
}

pub async fn an_error_in_the_stream_writes_nothing(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    let many = (1..3000).map(|number| SourceRecord { file_size: Some(1), ..entry(number) }).collect();
    let batches = stream([Ok(many), Err("line 3001 is no record".into())]);
    let error = store.as_of(at(200)).catalogue.import(MODEL, batches).await.unwrap_err();
    assert!(matches!(&error, ImportError::Source(source) if source.to_string() == "line 3001 is no record"));
    assert_eq!(count(store, crate::Selection::default()).await, 1);
    assert_eq!(get(store, 1).await.file_size, None);
}

pub async fn an_import_below_a_lease_is_not_held_by_it(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1, 2, 9], 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    let mut moved = entry(2);
    "elsewhere".clone_into(&mut moved.location.path);
    import(store, vec![entry(5), moved], 100).await;
    assert_eq!(state(store, 5).await, State::Pending);
    assert_eq!(state(store, 2).await, State::Pending);
    assert_eq!(state(store, 1).await, State::Started);
    let results = crate::contract::support::successes(&lease, 300);
    assert_eq!(store.queue.complete(lease.id, &results, true).await.unwrap(), 2);
    assert_eq!(crate::contract::support::numbers(&claim(store, 10, 300).await.unwrap()), [2, 5]);
}

pub async fn overlapping_imports_at_once_all_end(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let run = |version: u64| async move {
        let sized = |number| SourceRecord { file_size: Some(version), ..entry(number) };
        let mut entries: Vec<SourceRecord> = (0..3000).map(sized).collect();
        if version.is_multiple_of(2) {
            entries.reverse();
        }
        let batches: Vec<_> = entries.chunks(700).map(|batch| Ok(batch.to_vec())).collect();
        let counts = store.as_of(at(100)).catalogue.import(MODEL, stream(batches)).await.unwrap();
        counts.added + counts.changed + counts.unchanged
    };
    let imports = (1..=4).map(|version| -> Task<'_, u64> { Box::pin(run(version)) });
    assert_eq!(at_once(imports).await, [3000; 4]);
    assert_eq!(count(store, crate::Selection::default()).await, 3000);
    let version = get(store, 0).await.file_size;
    assert_eq!(get(store, 2999).await.file_size, version);
}

/// What a scan of the storage that begins now knows.
async fn basis(store: &Ports, storage: &str) -> ScanBasis {
    let largest_in_storage = store.catalogue.largest_key_in(MODEL, storage).await.unwrap();
    let largest = store.catalogue.largest_key(MODEL).await.unwrap();
    ScanBasis { storage: storage.to_owned(), largest_in_storage, largest }
}

/// So many new records of a scan, in batches.
fn found(basis: &ScanBasis, records: i64) -> Vec<Batch> {
    let numbers = basis.numbered_behind() + 1..=basis.numbered_behind() + records;
    let entries: Vec<SourceRecord> = numbers
        .zip(0..)
        .map(|(number, place)| {
            let mut entry = entry_in(&basis.storage, number);
            entry.location.path = format!("{}/{place:05}", basis.storage);
            entry
        })
        .collect();
    entries.chunks(700).map(|batch| Ok(batch.to_vec())).collect()
}

/// The paths in the storage, in the order of their keys.
async fn paths_by_key(store: &Ports, storage: &str) -> Vec<(crate::RecordKey, String)> {
    let mut stored = store.catalogue.stored(MODEL, storage, None, 10_000).await.unwrap();
    stored.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    stored.into_iter().map(|record| (record.key, record.path)).collect()
}

pub async fn scans_at_once_share_no_key(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![entry_in("one", 7)], 100).await;
    let begun = [basis(store, "one").await, basis(store, "two").await, basis(store, "three").await];
    let run = |basis: &ScanBasis| {
        let (of_scan, batches) = (basis.clone(), found(basis, 2_500));
        async move {
            let store = store.as_of(at(200));
            store.catalogue.import_scanned(MODEL, &of_scan, stream(batches)).await.unwrap().added
        }
    };
    let scans = begun.iter().map(|basis| -> Task<'_, u64> { Box::pin(run(basis)) });
    assert_eq!(at_once(scans).await, [2_500; 3]);
    assert_eq!(count(store, crate::Selection::default()).await, 7_501);
    for basis in &begun {
        // Each is where it was found, in the order of the paths.
        let (known, new): (Vec<_>, Vec<_>) =
            paths_by_key(store, &basis.storage).await.into_iter().partition(|(of, _)| *of <= key(7));
        assert_eq!(known.len(), usize::from(basis.storage == "one"));
        let expected: Vec<String> = (0..2_500).map(|place| format!("{}/{place:05}", basis.storage)).collect();
        assert_eq!(new.into_iter().map(|(_, path)| path).collect::<Vec<_>>(), expected);
    }
    let whole = claim(store, 1_000, 300).await.unwrap();
    assert!(whole.records.iter().all(|record| record.reference.is_ok()), "a row is damaged");
}

pub async fn a_scan_of_a_storage_to_which_records_came_writes_nothing(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let (first, second) = (basis(store, "main").await, basis(store, "main").await);
    let scan = |basis: ScanBasis| async move {
        let batches = found(&basis, 3);
        store.as_of(at(200)).catalogue.import_scanned(MODEL, &basis, stream(batches)).await
    };
    assert_eq!(scan(first).await.unwrap(), applied(3, 0, 0));
    let outdated = scan(second).await.unwrap_err();
    assert!(matches!(&outdated, ImportError::Outdated(storage) if storage == "main"), "{outdated}");
    assert_eq!(count(store, crate::Selection::default()).await, 3);
    assert_eq!(scan(basis(store, "other").await).await.unwrap(), applied(3, 0, 0));
}

pub async fn what_a_scan_changes_keeps_its_key(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![entry_in("one", 3), entry_in("one", 4)], 100).await;
    let basis = basis(store, "one").await;
    import(store, vec![entry_in("two", 5), entry_in("two", 6)], 150).await;
    let changed = SourceRecord { file_size: Some(9), ..entry_in("one", 4) };
    let secret = DigestRule::SecureFile(KeyData("ab:cd".to_owned()));
    let new = SourceRecord { rule: secret.clone(), ..entry_in("one", 5) };
    let batches = stream([Ok(vec![changed, new])]);
    let done = store.as_of(at(200)).catalogue.import_scanned(MODEL, &basis, batches).await.unwrap();
    assert_eq!(done, applied(1, 1, 0));
    assert_eq!(get(store, 4).await.file_size, Some(9));
    assert_eq!(get(store, 5).await.location.storage, "two");
    let record = get(store, 7).await;
    assert_eq!((record.location, record.rule), (entry_in("one", 5).location, secret));
}

pub async fn new_records_of_a_scan_stay_behind_deleted_ones(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (1..=40).map(|number| entry_in("two", number)).collect(), 100).await;
    let basis = basis(store, "one").await;
    // More than are renumbered at once.
    let batches = found(&basis, 12_000);
    let scanned_range = Some(ScannedRange { after: Some(key(10)), to: None, most_deleted: 30 });
    let all_but_ten = SyncBatch { records: Vec::new(), scanned_range };
    let deleted = sync(store, all_but_ten, &ModelSyncState::new(MODEL), 150).await;
    assert_eq!(deleted.deleted, 30);
    let done = store.as_of(at(200)).catalogue.import_scanned(MODEL, &basis, stream(batches)).await.unwrap();
    assert_eq!(done, applied(12_000, 0, 0));
    let paths = store.catalogue.stored(MODEL, "one", Some(key(12_035)), 10).await.unwrap();
    let last: Vec<_> = paths.into_iter().map(|record| (record.key, record.path)).collect();
    let expected = (12_036..=12_040).map(|number| (key(number), format!("one/{:05}", number - 41)));
    assert_eq!(last, expected.collect::<Vec<_>>());
}
