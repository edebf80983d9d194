//! `Queue::wake_signal`. A signal that never comes makes a case hang.

use std::time::Duration;

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    LEASE, MODEL, TERMS, apply, at, claim, entry, fail_all, import_numbers, key, numbers, succeed_all, worker,
};
use crate::ports::ClaimFilter;
use crate::{Model, NewJob, Selection};

pub async fn whatever_makes_work_is_signalled(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    let mut signal = queue.wake_signal();
    import_numbers(store, [1, 2], 100).await;
    signal.wait().await;
    fail_all(store, 100).await;
    db.settle(signal.as_mut()).await;
    store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap();
    signal.wait().await;
    db.settle(signal.as_mut()).await;
    store.as_of(at(1_000_000)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    signal.wait().await;
    db.settle(signal.as_mut()).await;
    let everything = NewJob { model: MODEL, selection: Selection::default(), requested_by: "me".to_owned() };
    store.as_of(at(1_000_000)).jobs.enqueue(&everything).await.unwrap();
    signal.wait().await;
    db.settle(signal.as_mut()).await;
    store.as_of(at(1_000_000)).jobs.advance(10).await.unwrap().unwrap();
    signal.wait().await;
}

pub async fn work_that_comes_back_is_signalled(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, [1], 0).await;
    let mut signal = queue.wake_signal();
    let lease =
        store.as_of(at(0)).queue.claim(&worker("w"), &ClaimFilter::any(1), TERMS).await.unwrap().unwrap();
    db.settle(signal.as_mut()).await;
    queue.complete(lease.id, &[], true).await.unwrap();
    signal.wait().await;
    claim(store, 1, 0).await.unwrap();
    db.settle(signal.as_mut()).await;
    store.as_of(at(0).after(LEASE)).queue.reap(LEASE).await.unwrap();
    signal.wait().await;
    succeed_all(store, 100_000_000).await;
    db.settle(signal.as_mut()).await;
    let (_, expired) =
        store.as_of(at(100_000_001)).queue.expire_succeeded(MODEL, None, Duration::ZERO, 10).await.unwrap();
    assert_eq!(expired, 1);
    signal.wait().await;
}

pub async fn a_signal_between_two_waits_is_not_lost(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let mut signal = store.queue.wake_signal();
    import_numbers(store, [1], 100).await;
    // Two calls later, and though nobody waited meanwhile.
    assert_eq!(numbers(&claim(store, 1, 100).await.unwrap()), [1]);
    signal.wait().await;
}

pub async fn work_of_a_sync_is_signalled(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let mut signal = store.queue.wake_signal();
    apply(store, vec![entry(1)], 100).await;
    signal.wait().await;
    assert_eq!(numbers(&claim(store, 10, 100).await.unwrap()), [1]);
}

pub async fn work_from_another_process_is_signalled(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    let mut signal = store.queue.wake_signal();
    db.settle(signal.as_mut()).await;
    let other = db.reopen().await;
    other.as_of(at(200)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    signal.wait().await;
}
