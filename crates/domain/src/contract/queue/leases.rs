//! `Queue::renew` and `Queue::reap`.

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    HEARTBEAT, LEASE, TERMS, at, claim, get, import_numbers, numbers, numbers_in, state, successes,
};
use crate::ports::{LeaseId, Reaped, Renewal};
use crate::{FailureKind, State, Status};

fn renewal(lease: LeaseId, progressed: bool) -> Renewal {
    Renewal { lease, progressed }
}

pub async fn renewals_keep_a_lease_and_name_the_gone(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=2, 0).await;
    let first = claim(store, 1, 0).await.unwrap();
    let second = claim(store, 1, 0).await.unwrap();
    let nobodys = LeaseId(second.id.0 + 1000);
    let now = at(50_000);
    let both = [renewal(nobodys, true), renewal(second.id, true), renewal(first.id, false)];
    assert_eq!(queue.renew(&both, TERMS, now).await.unwrap(), [nobodys]);
    // The signs of life last from the renewal on.
    assert_eq!(queue.reap(LEASE, at(70_000)).await.unwrap(), Reaped::default());
    // Only the second got on.
    let deadline = at(0).after(LEASE);
    queue.renew(&both, TERMS, deadline.before(HEARTBEAT / 2)).await.unwrap();
    let reaped = queue.reap(LEASE, deadline).await.unwrap();
    assert_eq!(reaped, Reaped { timed_out: 1, released: 0 });
    assert_eq!(queue.renew(&both, TERMS, deadline).await.unwrap(), [first.id, nobodys]);
    assert_eq!(state(store, 1).await, State::Failed);
    assert_eq!(state(store, 2).await, State::Started);
    assert!(queue.renew(&[], TERMS, deadline).await.unwrap().is_empty());
}

pub async fn a_lease_without_progress_times_out(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=3, 0).await;
    let lease = claim(store, 10, 5).await.unwrap();
    let now = at(5).after(LEASE);
    assert_eq!(queue.reap(LEASE, now).await.unwrap(), Reaped { timed_out: 3, released: 0 });
    for claimed in &lease.records {
        let number = claimed.key.as_integer().unwrap();
        let record = get(store, number).await;
        let expected = claimed.verification.clone().time_out(LEASE, now);
        assert_eq!(record.status, Status::Failed(expected));
        let failure = record.status.failure().unwrap();
        assert_eq!(
            (failure.kind(), failure.text()),
            (FailureKind::TimedOut, "Verification timed out after 8h".to_owned())
        );
    }
    // Due again at once.
    let again = claim(store, 10, now.millis()).await.unwrap();
    assert_eq!(numbers(&again), [1, 2, 3]);
    assert_eq!(again.records[0].verification.attempt(), 2);
    assert_eq!(queue.reap(LEASE, now).await.unwrap(), Reaped::default());
}

pub async fn a_worker_without_a_heartbeat_is_released(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=3, 0).await;
    let before = get(store, 1).await;
    let lease = claim(store, 10, 0).await.unwrap();
    assert_eq!(queue.reap(LEASE, at(59_999)).await.unwrap(), Reaped::default());
    assert_eq!(queue.reap(LEASE, at(60_000)).await.unwrap(), Reaped { timed_out: 0, released: 1 });
    assert_eq!(get(store, 1).await, before);
    let late = successes(&lease, 60_000);
    assert_eq!(queue.complete(lease.id, &late, false).await.unwrap(), 0);
    assert_eq!(numbers(&claim(store, 10, 60_000).await.unwrap()), [1, 2, 3]);
}

pub async fn what_finished_before_the_deadline_stays(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=4, 0).await;
    let lease = claim(store, 10, 0).await.unwrap();
    queue.complete(lease.id, &successes(&lease, 10)[..2], false).await.unwrap();
    // Recalculated meanwhile: pending, and no business of the lease.
    queue
        .recalculate(crate::contract::support::MODEL, &crate::contract::support::key(1), at(20))
        .await
        .unwrap();
    let reaped = queue.reap(LEASE, at(0).after(LEASE)).await.unwrap();
    assert_eq!(reaped, Reaped { timed_out: 2, released: 0 });
    assert_eq!(numbers_in(store, State::Failed).await, [3, 4]);
    assert_eq!(numbers_in(store, State::Succeeded).await, [2]);
    assert_eq!(numbers_in(store, State::Pending).await, [1]);
}
