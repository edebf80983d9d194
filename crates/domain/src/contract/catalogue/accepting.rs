//! `Catalogue::accept`.

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    GOOD, MODEL, at, claim, entry, fail_all, get, import, import_numbers, key, succeed_all, successes,
};
use crate::{Baseline, Digest, Model, Reference, SourceRecord, State, Status};

pub async fn accepted_content_counts_from_now_on(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let wrong = SourceRecord { expected: Some(Digest::Md5([9; 16])), file_size: Some(3), ..entry(1) };
    import(store, vec![wrong, SourceRecord { disabled: true, ..entry(2) }], 100).await;
    fail_all(store, 200).await;
    let before = get(store, 1).await;
    let after = store.as_of(at(300)).catalogue.accept(MODEL, &key(1), GOOD, Some(99)).await.unwrap().unwrap();
    assert_eq!(after, get(store, 1).await);
    let Status::Failed(failed) = before.status else { panic!("{before:?}") };
    assert_eq!(after.status, Status::Succeeded(failed.accept(GOOD, at(300))));
    assert_eq!((after.file_size, after.accepted, after.expected), (Some(99), true, before.expected));
    let baseline = Baseline { digest: GOOD, at: at(300) };
    assert_eq!(after.reference(), Reference { baseline: Some(baseline), ..Reference::default() });
    // What was recorded stays out of it, and the record out of the queue.
    assert!(claim(store, 10, 400).await.is_none());
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    let off = store.as_of(at(300)).catalogue.accept(MODEL, &key(2), GOOD, Some(1)).await.unwrap().unwrap();
    assert_eq!(off.state(), State::Succeeded);
}

pub async fn acceptance_voids_a_running_attempt(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(300)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let lease = claim(store, 1, 400).await.unwrap();
    let running = get(store, 1).await;
    let other = Digest::Sha256([8; 32]);
    let accepted =
        store.as_of(at(500)).catalogue.accept(MODEL, &key(1), other, Some(5)).await.unwrap().unwrap();
    let Status::Started(started) = running.status else { panic!("{running:?}") };
    assert_eq!(accepted.status, Status::Succeeded(started.accept(other, at(500))));
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 600), true).await.unwrap(), 0);
    assert_eq!(get(store, 1).await, accepted);
}
