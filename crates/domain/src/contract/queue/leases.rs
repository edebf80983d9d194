//! `Queue::renew` and `Queue::reap`.

use std::collections::BTreeSet;

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    HEARTBEAT, LEASE, TERMS, at, claim, get, import_numbers, numbers, numbers_in, state, successes, time_out,
    worker,
};
use crate::ports::{ClaimFilter, LeaseId, LeaseTerms, Reaped, Renewal};
use crate::{FailureKind, State, Status};

fn renewal(lease: LeaseId, progressed: bool) -> Renewal {
    Renewal { lease, progressed }
}

pub async fn renewals_keep_a_lease_and_name_the_gone(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=2, 0).await;
    let first = claim(store, 1, 0).await.unwrap();
    let second = claim(store, 1, 0).await.unwrap();
    let nobodys = LeaseId(second.id.0 + 1000);
    let now = at(50_000);
    let both = [renewal(nobodys, true), renewal(second.id, true), renewal(first.id, false)];
    assert_eq!(store.as_of(now).queue.renew(&both, TERMS).await.unwrap(), [nobodys]);
    // The signs of life last from the renewal on.
    assert_eq!(store.as_of(at(70_000)).queue.reap(LEASE).await.unwrap(), Reaped::default());
    // Only the second got on.
    let deadline = at(0).after(LEASE);
    store.as_of(deadline.before(HEARTBEAT / 2)).queue.renew(&both, TERMS).await.unwrap();
    let reaped = store.as_of(deadline).queue.reap(LEASE).await.unwrap();
    assert_eq!(reaped, Reaped { timed_out: 1, released: 0 });
    let gone = store.as_of(deadline).queue.renew(&both, TERMS).await.unwrap();
    assert_eq!(BTreeSet::from_iter(gone), BTreeSet::from([first.id, nobodys]));
    assert_eq!(state(store, 1).await, State::Failed);
    assert_eq!(state(store, 2).await, State::Started);
    assert!(store.as_of(deadline).queue.renew(&[], TERMS).await.unwrap().is_empty());
}

pub async fn a_lease_without_progress_times_out(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 0).await;
    let lease = claim(store, 10, 5).await.unwrap();
    let now = at(5).after(LEASE);
    assert_eq!(time_out(store, &lease, 5).await, Reaped { timed_out: 3, released: 0 });
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
    assert_eq!(store.as_of(now).queue.reap(LEASE).await.unwrap(), Reaped::default());
}

pub async fn a_worker_without_a_heartbeat_is_released(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 0).await;
    let before = get(store, 1).await;
    let lease = claim(store, 10, 0).await.unwrap();
    assert_eq!(store.as_of(at(59_999)).queue.reap(LEASE).await.unwrap(), Reaped::default());
    assert_eq!(
        store.as_of(at(60_000)).queue.reap(LEASE).await.unwrap(),
        Reaped { timed_out: 0, released: 1 }
    );
    assert_eq!(get(store, 1).await, before);
    let late = successes(&lease, 60_000);
    assert_eq!(store.queue.complete(lease.id, &late, false).await.unwrap(), 0);
    assert_eq!(numbers(&claim(store, 10, 60_000).await.unwrap()), [1, 2, 3]);
}

pub async fn a_dead_worker_is_no_finding_however_late_it_is_noticed(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 0).await;
    let before = get(store, 1).await;
    claim(store, 10, 0).await.unwrap();
    let late = at(0).after(LEASE * 9);
    assert_eq!(store.as_of(late).queue.reap(LEASE).await.unwrap(), Reaped { timed_out: 0, released: 1 });
    assert_eq!(get(store, 1).await, before);
}

pub async fn a_lease_from_the_future_is_released(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let today = 1_000_000_000;
    let year_2100 = 4_000_000_000_000;
    // Claimed then, and renewed then.
    for renewed in [false, true] {
        import_numbers(store, 1..=2, today).await;
        let before = get(store, 1).await;
        let lease = claim(store, 10, if renewed { today } else { year_2100 }).await.unwrap();
        if renewed {
            let both = [renewal(lease.id, true)];
            assert!(store.as_of(at(year_2100)).queue.renew(&both, TERMS).await.unwrap().is_empty());
        }
        let reaped = store.as_of(at(today)).queue.reap(LEASE).await.unwrap();
        assert_eq!(reaped, Reaped { timed_out: 0, released: 1 }, "renewed: {renewed}");
        assert_eq!(get(store, 1).await, before);
    }
    // One of a worker with other terms than ours is none.
    let patient = LeaseTerms { duration: LEASE * 9, heartbeat_timeout: HEARTBEAT * 9 };
    let lease = store
        .as_of(at(today))
        .queue
        .claim(&worker("w"), &ClaimFilter::any(10), patient)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.as_of(at(today)).queue.reap(LEASE).await.unwrap(), Reaped::default());
    let other = LeaseTerms { heartbeat_timeout: HEARTBEAT * 20, ..patient };
    assert!(store.queue.renew(&[renewal(lease.id, false)], other).await.unwrap().is_empty());
    assert_eq!(store.queue.reap(LEASE).await.unwrap(), Reaped::default());
}

pub async fn what_finished_before_the_deadline_stays(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 0).await;
    let lease = claim(store, 10, 0).await.unwrap();
    store.queue.complete(lease.id, &successes(&lease, 10)[..2], false).await.unwrap();
    // Recalculated meanwhile: pending, and no business of the lease.
    store
        .as_of(at(20))
        .queue
        .recalculate(crate::contract::support::MODEL, &crate::contract::support::key(1))
        .await
        .unwrap();
    assert_eq!(time_out(store, &lease, 0).await, Reaped { timed_out: 2, released: 0 });
    assert_eq!(numbers_in(store, State::Failed).await, [3, 4]);
    assert_eq!(numbers_in(store, State::Succeeded).await, [2]);
    assert_eq!(numbers_in(store, State::Pending).await, [1]);
}
