//! `Queue::complete`, and the signal that there is work.

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    GOOD, LEASE, MODEL, at, claim, fail_all, failures, get, import_numbers, key, numbers, state, succeed_all,
    successes, time_out,
};
use crate::ports::{LeaseId, Outcome};
use crate::{Digest, Failure, Model, State};

pub async fn successes_and_failures_are_written_whole(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=2000, 100).await;
    let lease = claim(store, 2000, 100).await.unwrap();
    let mut outcomes = Vec::new();
    for (index, record) in lease.records.iter().enumerate() {
        let running = record.verification.clone();
        let outcome = if index % 2 == 0 {
            Outcome::Succeeded(running.succeed(GOOD, at(300)))
        } else {
            Outcome::Failed(running.fail(Failure::unreadable("permission denied"), at(300), 3))
        };
        outcomes.push((record.key.clone(), outcome));
    }
    assert_eq!(store.queue.complete(lease.id, &outcomes, false).await.unwrap(), 2000);
    for number in [1, 2, 1999, 2000] {
        let record = get(store, number).await;
        let (_, outcome) = &outcomes[usize::try_from(number - 1).unwrap()];
        let expected = match outcome.clone() {
            Outcome::Succeeded(done) => crate::Status::Succeeded(done),
            Outcome::Failed(done) => crate::Status::Failed(done),
        };
        assert_eq!(record.status, expected);
    }
    let failed = get(store, 2).await;
    assert_eq!(failed.history().checksum(), None);
    assert_eq!(failed.status.retry_at(), Some(at(300 + 22_000)));
    // Nothing is due any more, also when the lease ends.
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert!(claim(store, 1, 400).await.is_none());
}

pub async fn a_late_result_is_thrown_away(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=5, 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    let results = successes(&lease, 200);
    // Of another lease, before anything else.
    assert_eq!(store.queue.complete(LeaseId(lease.id.0 + 1), &results, true).await.unwrap(), 0);
    // After a recalculation.
    store.as_of(at(150)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_eq!(state(store, 1).await, State::Pending);
    assert_eq!(store.queue.complete(lease.id, &results, false).await.unwrap(), 4);
    assert_eq!(state(store, 1).await, State::Pending);
    // Written twice.
    assert_eq!(store.queue.complete(lease.id, &results, false).await.unwrap(), 0);
    store.queue.complete(lease.id, &[], true).await.unwrap();
    // After the lease was given back, though the attempt's number is the same.
    let given_back = claim(store, 10, 300).await.unwrap();
    store.queue.complete(given_back.id, &[], true).await.unwrap();
    let late = successes(&given_back, 400);
    assert_eq!(store.queue.complete(given_back.id, &late, true).await.unwrap(), 0);
    let current = claim(store, 10, 500).await.unwrap();
    assert_eq!(current.records[0].verification.attempt(), given_back.records[0].verification.attempt());
    assert_eq!(store.queue.complete(given_back.id, &late, true).await.unwrap(), 0);
    assert_eq!(store.queue.complete(current.id, &successes(&current, 600), true).await.unwrap(), 1);
    // After the lease was reaped.
    store.as_of(at(700)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let reaped = claim(store, 10, 700).await.unwrap();
    time_out(store, &reaped, 700).await;
    let late = successes(&reaped, 800);
    assert_eq!(store.queue.complete(reaped.id, &late, true).await.unwrap(), 0);
    assert_eq!(state(store, 1).await, State::Failed);
}

pub async fn an_ended_lease_gives_back_the_rest(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=2, 100).await;
    fail_all(store, 200).await;
    import_numbers(store, 3..=4, 300).await;
    assert_eq!(store.as_of(at(50_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 2);
    let before = [get(store, 1).await, get(store, 2).await, get(store, 3).await];
    // The claim goes on behind the last one, and then round.
    let newer = claim(store, 10, 60_000).await.unwrap();
    let older = claim(store, 10, 60_000).await.unwrap();
    assert_eq!((numbers(&newer), numbers(&older)), (vec![3, 4], vec![1, 2]));
    let results = successes(&newer, 70_000);
    assert_eq!(store.queue.complete(newer.id, &results[1..], true).await.unwrap(), 1);
    assert_eq!(store.queue.complete(older.id, &[], true).await.unwrap(), 0);
    for record in before {
        assert_eq!(get(store, record.key.as_integer().unwrap()).await, record);
    }
    assert_eq!(numbers(&claim(store, 10, 80_000).await.unwrap()), [3]);
    assert_eq!(numbers(&claim(store, 10, 80_000).await.unwrap()), [1, 2]);
}

pub async fn a_result_before_a_failure_is_told_apart(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(300)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let lease = claim(store, 1, 400).await.unwrap();
    assert_eq!(lease.records[0].reference.unwrap().baseline.unwrap().digest, GOOD);
    store.queue.complete(lease.id, &failures(&lease, 500), true).await.unwrap();
    let record = get(store, 1).await;
    assert_eq!(record.history().checksum(), None);
    assert_eq!(record.history().last_checksum_at(), Some(at(500)));
    assert_eq!(record.history().baseline.unwrap().at, at(200));
    assert_eq!(record.history().retry_count, 1);
}

pub async fn what_was_found_instead_is_kept_with_the_failure(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    let found = Digest::Md5([3; 16]);
    let failures = [
        (Failure::checksum_mismatch(Digest::Md5([4; 16]), found), Some(found)),
        (Failure::content_changed(at(1), Digest::Gitaly([1; 20]), GOOD), Some(GOOD)),
        (Failure::checksum_mismatch(GOOD, found), Some(found)),
        (Failure::missing_repository(), None),
    ];
    let failed = lease.records.iter().zip(&failures).map(|(record, (failure, _))| {
        let failed = record.verification.clone().fail(failure.clone(), at(200), 0);
        (record.key.clone(), Outcome::Failed(failed))
    });
    store.queue.complete(lease.id, &failed.collect::<Vec<_>>(), true).await.unwrap();
    for (number, (failure, calculated)) in (1..).zip(&failures) {
        let kept = get(store, number).await.status.failure().cloned().unwrap();
        assert_eq!((&kept, kept.calculated()), (failure, *calculated));
    }
    // It is of this failure alone.
    store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap();
    let again = claim(store, 10, 1_000_000).await.unwrap();
    assert_eq!(numbers(&again), [1, 2, 3, 4]);
    time_out(store, &again, 1_000_000).await;
    let timed_out = get(store, 1).await.status.failure().cloned().unwrap();
    assert_eq!(timed_out, Failure::timed_out(LEASE));
}
