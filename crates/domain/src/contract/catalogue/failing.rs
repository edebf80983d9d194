//! What failed, by what it has in common; and records with the same content.

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    GOOD, MODEL, at, claim, entry, entry_in, fail_all, import, import_into, import_numbers, key, succeed_all,
};
use crate::ports::{FailureGroup, Outcome};
use crate::{Digest, Failure, FailureKind, Model};

pub async fn failures_are_grouped_by_storage_kind_and_model(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(store.catalogue.failure_groups().await.unwrap(), []);
    import(store, vec![entry(1)], 1).await;
    succeed_all(store, 2).await;
    import(store, (2..=5).map(entry).chain([entry_in("a", 6)]).collect(), 3).await;
    import_into(store, Model::Projects, vec![entry(1), entry(2)], 3).await;
    let lease = claim(store, 1, 4).await.unwrap();
    let (first, model) = (lease.records[0].clone(), lease.model);
    let unreadable = first.verification.fail(Failure::unreadable("EIO"), at(4), 0);
    let outcome = (first.key.clone(), Outcome::Failed(unreadable));
    store.queue.complete(lease.id, &[outcome], true).await.unwrap();
    fail_all(store, 5).await;
    // What is read again has failed all the same until then.
    store.as_of(at(6)).queue.recalculate(MODEL, &key(3)).await.unwrap();
    let storage = lease.storage.clone();
    let mut expected = vec![("a", FailureKind::Missing, MODEL, 1), ("main", FailureKind::Missing, MODEL, 4)];
    expected.push(("main", FailureKind::Missing, Model::Projects, 2));
    for (of, kind, at_model, count) in &mut expected {
        *count -= u64::from((*of, *kind, *at_model) == (storage.as_str(), FailureKind::Missing, model));
    }
    expected.push((&storage, FailureKind::Unreadable, model, 1));
    expected.retain(|(.., count)| *count > 0);
    let group = |(storage, kind, model, records): (&str, FailureKind, Model, u64)| FailureGroup {
        storage: storage.to_owned(),
        kind,
        model,
        records,
    };
    let mut expected: Vec<_> = expected.into_iter().map(group).collect();
    expected.sort_unstable();
    assert_eq!(db.reopen().await.catalogue.failure_groups().await.unwrap(), expected);
    succeed_all(store, 60_000_000).await;
    let left = store.catalogue.failure_groups().await.unwrap();
    assert!(left.iter().all(|group| group.model != MODEL || group.records < 4), "{left:?}");
}

pub async fn records_with_the_same_checksum_are_found(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 1).await;
    import_into(store, Model::Projects, vec![entry(2)], 1).await;
    succeed_all(store, 2).await;
    // It has failed since, and was good with the same digest before; another one has another digest that begins alike.
    store.as_of(at(3)).queue.recalculate(MODEL, &key(2)).await.unwrap();
    fail_all(store, 3).await;
    import_numbers(store, [4], 4).await;
    let lease = claim(store, 9, 4).await.unwrap();
    let mut other = [7; 32];
    other[31] = 8;
    let outcome = |record: crate::ports::ClaimedRecord| {
        (record.key, Outcome::Succeeded(record.verification.succeed(Digest::Sha256(other), at(4))))
    };
    let outcomes: Vec<_> = lease.records.into_iter().map(outcome).collect();
    store.queue.complete(lease.id, &outcomes, true).await.unwrap();
    let found = async |checksum, limit| {
        let records = store.catalogue.with_checksum(&checksum, limit).await.unwrap();
        let mut keys: Vec<_> = records.iter().map(|of| (of.model, of.key.as_integer().unwrap())).collect();
        keys.sort_unstable();
        keys
    };
    let mut all = vec![(MODEL, 1), (MODEL, 2), (MODEL, 3), (Model::Projects, 2)];
    all.sort_unstable();
    assert_eq!(found(GOOD, 9).await, all);
    assert_eq!(found(GOOD, 2).await, all[..2]);
    assert_eq!(found(Digest::Sha256(other), 9).await, [(MODEL, 4)]);
    assert_eq!(found(Digest::Md5([7; 16]), 9).await, []);
}
