//! `Queue::recalculate`, `retry_failed`, `expire_succeeded`, `outstanding` and `holder_besides`.

use std::time::Duration;

use crate::contract::support::{
    GOOD, HEARTBEAT, MODEL, TERMS, at, claim, entry, fail_all, get, import, import_into, import_numbers, key,
    numbers, numbers_in, state, succeed_all, successes, time_out, worker,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{ClaimFilter, Holder, Outcome};
use crate::{
    CLOCK_TOLERANCE, Failed, Failure, LONGEST_RETRY_DELAY, Model, Record, SourceRecord, State, Status,
    Verification,
};

/// Records 1 to 6 in all states: pending, succeeded, failed, disabled, started, and started once failed.
async fn in_all_states(store: &Ports) -> Vec<Record> {
    import(store, vec![SourceRecord { disabled: true, ..entry(4) }, entry(2)], 100).await;
    succeed_all(store, 200).await;
    import_numbers(store, [3, 6], 300).await;
    fail_all(store, 400).await;
    store.as_of(at(400_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap();
    import_numbers(store, [5], 400_000).await;
    claim(store, 10, 400_000).await.unwrap();
    let lease = crate::contract::support::worker("x");
    let again = store.as_of(at(400_000)).queue.claim_one(&lease, MODEL, &key(3), TERMS).await;
    let again = again.unwrap().unwrap();
    let results = crate::contract::support::failures(&again, 400_000);
    store.queue.complete(again.id, &results, true).await.unwrap();
    import_numbers(store, [1], 400_000).await;
    let mut records = Vec::new();
    for number in 1..=6 {
        records.push(get(store, number).await);
    }
    let states: Vec<State> = records.iter().map(Record::state).collect();
    assert_eq!(
        states,
        [State::Pending, State::Succeeded, State::Failed, State::Disabled, State::Started, State::Started]
    );
    records
}

pub async fn recalculate_is_what_the_domain_says(db: &dyn DatabaseFixture) {
    let store = db.ports();
    for before in in_all_states(store).await {
        assert!(store.as_of(at(400_000)).queue.recalculate(MODEL, &before.key).await.unwrap());
        let after = store.catalogue.get(MODEL, &before.key).await.unwrap().unwrap();
        let expected = Record { status: Status::Pending(before.status.clone().recalculate()), ..before };
        assert_eq!(after, expected);
    }
}

pub async fn recalculating_again_moves_on(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    for attempt in 1..=3 {
        store.as_of(at(100)).queue.recalculate(MODEL, &key(1)).await.unwrap();
        assert_eq!(get(store, 1).await.history().attempt, attempt);
    }
    let lease = claim(store, 1, 100).await.unwrap();
    assert_eq!(lease.records[0].verification.attempt(), 4);
    store.as_of(at(100)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    // Its lease lets nobody else have it, and does not hold it.
    assert_eq!(state(store, 1).await, State::Pending);
    assert!(claim(store, 1, 100).await.is_none());
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 200), true).await.unwrap(), 0);
    assert_eq!(claim(store, 1, 100).await.unwrap().records[0].verification.attempt(), 6);
}

pub async fn failed_records_are_retried_in_time(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=3, 0).await;
    fail_all(store, 1000).await;
    assert_eq!(store.as_of(at(16_999)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    assert!(claim(store, 10, 16_999).await.is_none());
    assert_eq!(store.as_of(at(17_000)).queue.retry_failed(&Model::ALL, 2).await.unwrap(), 2);
    assert_eq!(store.as_of(at(17_000)).queue.retry_failed(&Model::ALL, 2).await.unwrap(), 1);
    assert_eq!(store.as_of(at(17_000)).queue.retry_failed(&Model::ALL, 2).await.unwrap(), 0);
    // Still failed, until a worker has it.
    let waiting = get(store, 1).await;
    assert_eq!(waiting.state(), State::Failed);
    assert_eq!(waiting.status.retry_at(), Some(at(17_000)));
    let lease = claim(store, 10, 17_000).await.unwrap();
    assert_eq!(numbers(&lease), [1, 2, 3]);
    assert_eq!(numbers_in(store, State::Failed).await, [0; 0]);
    queue.complete(lease.id, &crate::contract::support::failures(&lease, 18_000), true).await.unwrap();
    let failed = get(store, 1).await;
    assert_eq!((failed.history().retry_count, failed.status.retry_at()), (2, Some(at(18_000 + 31_000))));
}

pub async fn only_the_models_asked_for_are_retried(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1, 2], 1_000).await;
    import_into(store, Model::Projects, vec![entry(1)], 1_000).await;
    fail_all(store, 2_000).await;
    let retry =
        async |models: &[Model]| store.as_of(at(100_000)).queue.retry_failed(models, 10).await.unwrap();
    assert_eq!(retry(&[]).await, 0);
    assert_eq!(retry(&[Model::Projects]).await, 1);
    assert_eq!(retry(&[Model::Projects, MODEL]).await, 2);
}

pub async fn a_retry_from_the_future_is_due(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let now = 1_000_000_000;
    import_numbers(store, 1..=2, now).await;
    let half_a_year = Duration::from_secs(200 * 86_400);
    assert_eq!(fail_all(store, at(now).after(half_a_year).millis()).await, 2);
    assert_eq!(store.as_of(at(now)).queue.retry_failed(&Model::ALL, 1).await.unwrap(), 1);
    assert_eq!(store.queue.retry_failed(&Model::ALL, 10).await.unwrap(), 1);
    assert_eq!(store.queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    assert_eq!(numbers(&claim(store, 10, now).await.unwrap()), [1, 2]);
    // The longest wait is none of these, also if it began a little later.
    import_numbers(store, [3], now).await;
    let lease = claim(store, 10, now).await.unwrap();
    let begun = at(now).after(CLOCK_TOLERANCE);
    let outcomes = lease.records.iter().map(|record| {
        let mut failed = record.verification.clone().fail(Failure::missing_repository(), begun, 0);
        let stage = Failed { retry_at: begun.after(LONGEST_RETRY_DELAY), ..failed.stage().clone() };
        failed = Verification::restore(*failed.history(), stage);
        (record.key.clone(), Outcome::Failed(failed))
    });
    store.queue.complete(lease.id, &outcomes.collect::<Vec<_>>(), true).await.unwrap();
    assert_eq!(store.queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
}

pub async fn a_success_from_the_future_expires(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let now = 1_000_000_000;
    import_numbers(store, 1..=2, now).await;
    succeed_all(store, 4_000_000_000_000).await;
    import_numbers(store, [3], now).await;
    succeed_all(store, now + 1000).await;
    let long = Duration::from_secs(90 * 86_400);
    let (_, expired) = store.as_of(at(now)).queue.expire_succeeded(MODEL, None, long, 100).await.unwrap();
    assert_eq!(expired, 2);
    assert_eq!(numbers_in(store, State::Pending).await, [1, 2]);
    // Checked again, they have a time that is right.
    succeed_all(store, now).await;
    let (_, expired) = store.as_of(at(now)).queue.expire_succeeded(MODEL, None, long, 100).await.unwrap();
    assert_eq!((expired, get(store, 1).await.history().last_checksum_at()), (0, Some(at(now))));
}

pub async fn a_retry_below_a_lease_is_not_held_by_it(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    import_numbers(store, 1..=3, 0).await;
    let lease = claim(store, 10, 0).await.unwrap();
    queue.complete(lease.id, &crate::contract::support::failures(&lease, 0)[1..2], false).await.unwrap();
    // A clock that is behind the one of the claim changes nothing.
    assert_eq!(store.as_of(at(16_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 1);
    assert_eq!(state(store, 2).await, State::Failed);
    assert!(claim(store, 10, 16_000).await.is_none());
    time_out(store, &lease, 0).await;
    assert_eq!(get(store, 2).await.history().retry_count, 1);
}

pub async fn old_successes_expire(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 0).await;
    succeed_all(store, 1000).await;
    import_numbers(store, 5..=8, 2000).await;
    succeed_all(store, 3000).await;
    import_numbers(store, [9], 4000).await;
    import_into(store, Model::Projects, vec![entry(1)], 0).await;
    succeed_all(store, 4000).await;
    let before = get(store, 1).await;
    let step = async |after| {
        store.as_of(at(5000)).queue.expire_succeeded(MODEL, after, Duration::from_secs(2), 3).await.unwrap()
    };
    assert_eq!(step(None).await, (Some(key(3)), 3));
    assert_eq!(step(Some(key(3))).await, (Some(key(6)), 1));
    assert_eq!(step(Some(key(6))).await, (Some(key(9)), 0));
    assert_eq!(step(Some(key(9))).await, (None, 0));
    assert_eq!(step(None).await, (Some(key(3)), 0));
    assert_eq!(numbers_in(store, State::Pending).await, [1, 2, 3, 4]);
    let after = get(store, 1).await;
    let Status::Succeeded(old) = before.status else { panic!("{before:?}") };
    assert_eq!(after.status, Status::Pending(old.expire()));
    assert_eq!(after.history().checksum(), Some(GOOD));
    assert_eq!(numbers(&claim(store, 10, 5000).await.unwrap()), [1, 2, 3, 4]);
    // A short look ends the round.
    assert_eq!(
        store.as_of(at(5000)).queue.expire_succeeded(MODEL, None, Duration::from_secs(5), 100).await.unwrap(),
        (None, 0)
    );
}

pub async fn outstanding_counts_due_and_leased(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    let outstanding = async |filter: &ClaimFilter, at_most| queue.outstanding(filter, at_most).await.unwrap();
    assert_eq!(outstanding(&ClaimFilter::any(1), 10).await, 0);
    import_numbers(store, 1..=6, 0).await;
    import_into(store, Model::Projects, vec![entry(1), entry(2)], 0).await;
    let only = ClaimFilter { models: vec![MODEL], ..ClaimFilter::any(2) };
    let lease = crate::contract::support::claim_by(store, &only, 0).await.unwrap();
    assert_eq!(outstanding(&only, 10).await, 6);
    assert_eq!(outstanding(&ClaimFilter::any(1), 100).await, 8);
    assert_eq!(outstanding(&ClaimFilter::any(1), 7).await, 7);
    assert_eq!(outstanding(&ClaimFilter::any(1), 0).await, 0);
    queue.complete(lease.id, &successes(&lease, 0), true).await.unwrap();
    assert_eq!(outstanding(&only, 10).await, 4);
}

pub async fn another_holder_is_told_with_its_time_left(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let holder = async |besides: &str, models: &[Model], now: i64| {
        store.as_of(at(now)).queue.holder_besides(&worker(besides), models).await.unwrap()
    };
    import_numbers(store, 1..=6, 0).await;
    assert_eq!(holder("w", &[], 0).await, None);
    // The worker "w".
    claim(store, 2, 0).await.unwrap();
    assert_eq!(holder("w", &[], 0).await, None);
    let held = |name: &str, lasts| Some(Holder { worker: worker(name), lasts });
    assert_eq!(holder("x", &[MODEL], 0).await, held("w", HEARTBEAT));
    assert_eq!(holder("x", &[Model::Projects], 0).await, None);
    store.as_of(at(10_000)).queue.claim(&worker("y"), &ClaimFilter::any(2), TERMS).await.unwrap();
    assert_eq!(holder("x", &[], 10_000).await, held("y", HEARTBEAT));
    assert_eq!(holder("y", &[], 10_000).await, held("w", HEARTBEAT.saturating_sub(Duration::from_secs(10))));
    // One that is over is there until it is reaped.
    assert_eq!(holder("y", &[], 600_000).await, held("w", Duration::ZERO));
    store.as_of(at(600_000)).queue.reap(crate::contract::support::LEASE).await.unwrap();
    assert_eq!(holder("x", &[], 600_000).await, None);
}
