//! Some records whose content was there when it was last looked at.

use std::collections::BTreeSet;

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    MODEL, at, claim, composite, entry, entry_in, entry_of, fail_all, import, import_into, import_numbers,
    key, succeed_all,
};
use crate::ports::{ClaimedRecord, Outcome, Witness};
use crate::{Digest, Failure, Model, SourceRecord};

fn numbers(found: &[Witness]) -> BTreeSet<i64> {
    found.iter().map(|known| known.key.as_integer().unwrap()).collect()
}

pub async fn witnesses_are_spread_over_the_storage(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 0..1_000, 1).await;
    // A storage with a few records among those of another one.
    import(store, (0..100).map(|number| entry_in("other", 2_000 + number * 7)).collect(), 1).await;
    import_into(store, Model::Projects, (0..50).map(|number| entry_of(composite(&[9, number]))).collect(), 1)
        .await;
    succeed_all(store, 2).await;
    let found = store.catalogue.witnesses("other", 16).await.unwrap();
    let spread = numbers(&found);
    assert_eq!((found.len(), spread.len()), (16, 16), "{spread:?}");
    assert!(spread.iter().all(|number| (2_000..2_700).contains(number)), "{spread:?}");
    assert!(spread.first() <= Some(&2_070) && spread.last() >= Some(&2_600), "{spread:?}");
    assert!(found.iter().all(|known| known.path == format!("{}.bin", known.key) && known.model == MODEL));
    // Each model has its share.
    let found = store.catalogue.witnesses("main", 16).await.unwrap();
    let of = |model| found.iter().filter(|known| known.model == model).count();
    assert!(found.len() == 16 && of(MODEL) > 0 && of(Model::Projects) > 0, "{found:?}");
    assert_eq!(store.catalogue.witnesses("main", 1).await.unwrap().len(), 1);
    assert_eq!(store.catalogue.witnesses("nowhere", 16).await.unwrap(), []);
}

pub async fn all_are_known_where_they_are_few(db: &dyn DatabaseFixture) {
    let store = db.ports();
    // Nearly all at one end of the range of keys.
    import_numbers(store, (1..=15).chain([i64::MAX]), 1).await;
    import_into(store, Model::Projects, vec![entry(i64::MIN)], 1).await;
    succeed_all(store, 2).await;
    let found = store.catalogue.witnesses("main", 17).await.unwrap();
    assert_eq!(numbers(&found), (1..=15).chain([i64::MIN, i64::MAX]).collect());
    assert_eq!(found.len(), 17);
}

pub async fn only_what_was_there_is_a_witness(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=5, 1).await;
    import_into(store, Model::ProjectsWikiRepositories, vec![entry(9)], 1).await;
    succeed_all(store, 2).await;
    let known = async || numbers(&store.catalogue.witnesses("main", 16).await.unwrap());
    // A wiki that was never created is good, and not there.
    assert_eq!(known().await, BTreeSet::from([1, 2, 3, 4, 5]));
    import_numbers(store, [6], 3).await;
    for number in [1, 2] {
        store.as_of(at(4)).queue.recalculate(MODEL, &key(number)).await.unwrap();
    }
    assert_eq!(known().await, BTreeSet::from([1, 2, 3, 4, 5]), "one that is read again was good");
    let mut disabled = entry(3);
    disabled.disabled = true;
    import(store, vec![disabled], 5).await;
    assert_eq!(fail_all(store, 6).await, 3);
    assert_eq!(known().await, BTreeSet::from([4, 5]));
    store.as_of(at(7)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_eq!(known().await, BTreeSet::from([4, 5]), "one that failed is no better while it is read again");
}

pub async fn a_digest_from_the_source_leaves_its_record_a_witness(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let said = |number: i64, digest| SourceRecord { expected: Some(digest), ..entry(number) };
    import_numbers(store, 1..=4, 1).await;
    succeed_all(store, 2).await;
    // One that was never read is not made good by what is said of it.
    import_numbers(store, [5], 3).await;
    let other = [1, 2, 5].map(|number| said(number, Digest::Md5([9; 16])));
    import(store, other.to_vec(), 4).await;
    let known = async || numbers(&store.catalogue.witnesses("main", 16).await.unwrap());
    assert_eq!(known().await, BTreeSet::from([1, 2, 3, 4]));
    import(store, vec![said(1, Digest::Md5([8; 16]))], 5).await;
    assert_eq!(known().await, BTreeSet::from([1, 2, 3, 4]), "said twice before it was read");
    assert_eq!(fail_all(store, 6).await, 3);
    assert_eq!(known().await, BTreeSet::from([3, 4]));
    // What is altered is there, also while it is read again, whether it ever was good or not.
    for number in [3, 5] {
        store.as_of(at(7)).queue.recalculate(MODEL, &key(number)).await.unwrap();
    }
    let lease = claim(store, 2, 8).await.unwrap();
    let altered = |record: &ClaimedRecord| {
        let failed = record.verification.clone().fail(Failure::altered("x"), at(8), 0);
        (record.key.clone(), Outcome::Failed(failed))
    };
    let outcomes: Vec<_> = lease.records.iter().map(altered).collect();
    store.queue.complete(lease.id, &outcomes, true).await.unwrap();
    assert_eq!(known().await, BTreeSet::from([3, 4, 5]));
    import(store, vec![said(3, Digest::Md5([7; 16]))], 9).await;
    assert_eq!(known().await, BTreeSet::from([3, 4, 5]));
}
