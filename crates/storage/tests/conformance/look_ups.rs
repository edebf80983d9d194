//! The look-ups of `Catalogue`, one by one.

use futures_util::{StreamExt as _, TryStreamExt as _};
use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{Digest, Entry, FailureKind, Metadata, Model, State};

use crate::support::{
    Database, MODEL, at, claim, composite, entry, entry_in, entry_of, fail_all, import, import_into,
    import_numbers, key, succeed_all,
};

pub(crate) async fn nothing_is_none(db: &Database) {
    let catalogue = &db.store.catalogue;
    assert_eq!(catalogue.get(MODEL, &key(1)).await.unwrap(), None);
    assert_eq!(catalogue.largest_key(MODEL).await.unwrap(), None);
    assert_eq!(catalogue.accept(MODEL, &key(1), crate::support::GOOD, Some(1), at(1)).await.unwrap(), None);
    assert!(catalogue.summary().await.unwrap().is_empty());
    assert!(!db.store.queue.recalculate(MODEL, &key(1), at(1)).await.unwrap());
    assert!(claim(&db.store, 10, 1).await.is_none());
    let worker = crate::support::worker("w");
    let (lease, sign) = (crate::support::LEASE, crate::support::SIGN);
    assert!(db.store.queue.claim_one(&worker, MODEL, &key(1), lease, sign, at(1)).await.unwrap().is_none());
    import_numbers(&db.store, [1], 1).await;
    assert_eq!(catalogue.get(Model::Projects, &key(1)).await.unwrap(), None);
    assert_eq!(catalogue.get(MODEL, &composite(&[1, 1])).await.unwrap(), None);
}

pub(crate) async fn shapes_are_known(db: &Database) {
    let knows = async |key| db.store.catalogue.knows_shape(MODEL, &key).await.unwrap();
    assert!(knows(key(1)).await);
    assert!(knows(composite(&[1, 2, 3])).await);
    import_numbers(&db.store, [1, 9], 1).await;
    assert!(knows(key(5)).await);
    assert!(!knows(composite(&[1, 2])).await);
    let between = composite(&[5, 5]);
    import(&db.store, vec![entry_of(between.clone())], 1).await;
    assert!(knows(between).await);
    import(&db.store, vec![entry_of(composite(&[99, 5]))], 1).await;
    assert!(knows(composite(&[1, 2])).await);
    assert!(knows(key(5)).await);
}

pub(crate) async fn paths_come_in_byte_order(db: &Database) {
    let names = ["b", "Z", "a/b", "a.b", "ä", "a", "_", "é", "Ä"];
    let placed = |(number, name): (i64, &str)| {
        let mut entry = entry(number);
        name.clone_into(&mut entry.location.path);
        entry
    };
    let mut entries: Vec<Entry> = (0..).zip(names).map(placed).collect();
    entries.push(entry_in("other", 100));
    entries.extend((1000..4000).map(entry));
    import(&db.store, entries.clone(), 1).await;
    import_into(&db.store, Model::Projects, vec![entry(1)], 1).await;
    let stream = db.store.catalogue.paths(MODEL, "main").await.unwrap();
    let found: Vec<_> = stream.try_collect().await.unwrap();
    let of_main = entries.iter().filter(|entry| entry.location.storage == "main");
    let mut expected: Vec<_> =
        of_main.map(|entry| (entry.location.path.clone(), entry.key.clone())).collect();
    expected.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    assert_eq!(found, expected);
    // One who stops listening stops the reading.
    let mut stream = db.store.catalogue.paths(MODEL, "main").await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    let none = db.store.catalogue.paths(MODEL, "nowhere").await.unwrap();
    assert_eq!(none.count().await, 0);
}

pub(crate) async fn the_summary_counts_everything(db: &Database) {
    let sized = |number, size| Entry { file_size: size, ..entry(number) };
    let large = u64::try_from(i64::MAX).unwrap();
    import(&db.store, vec![sized(1, Some(10)), sized(2, None), sized(3, Some(large))], 100).await;
    succeed_all(&db.store, 200).await;
    let said = Digest::Metadata(Metadata::Size(123));
    let accepted = db.store.catalogue.accept(MODEL, &key(2), said, None, at(250)).await.unwrap().unwrap();
    assert_eq!((accepted.history().checksum(), accepted.file_size), (Some(said), None));
    import(&db.store, vec![sized(4, Some(7)), Entry { disabled: true, ..entry(5) }], 300).await;
    fail_all(&db.store, 400).await;
    db.store.queue.recalculate(MODEL, &key(1), at(500)).await.unwrap();
    import_numbers(&db.store, [6, 7], 600).await;
    let other = vec![entry_in("b", 1), entry_in("b", 2)];
    import_into(&db.store, Model::CiSecureFiles, other, 700).await;
    let lease = claim(&db.store, 2, 800).await.unwrap();
    let summary = db.store.catalogue.summary().await.unwrap();
    let [secure, uploads] = summary.as_slice() else { panic!("{summary:?}") };
    assert_eq!((secure.model, uploads.model), (Model::CiSecureFiles, MODEL));
    assert_eq!(uploads.bytes, large + 17);
    assert_eq!(uploads.failures, [(FailureKind::Missing, 1)]);
    assert_eq!(uploads.oldest_success, Some(at(200)));
    assert_eq!((uploads.metadata_only, secure.metadata_only), (1, 0));
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

pub(crate) async fn a_current_schema_is_well(db: &Database) {
    db.store.catalogue.check().await.unwrap();
}
