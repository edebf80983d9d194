//! How attempts ended, by day.

use crate::Model;
use crate::contract::support::{
    MODEL, at, claim, entry, fail_all, import_into, import_numbers, key, succeed_all, successes, time_out,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::DayResults;

const DAY: i64 = 86_400_000;

async fn results(store: &Ports, now: i64, days: u32) -> Vec<DayResults> {
    store.as_of(at(now)).catalogue.results_by_day(days).await.unwrap()
}

pub async fn results_are_counted_by_day_and_model(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(results(store, DAY, 90).await, []);
    import_numbers(store, 1..=5, 1).await;
    import_into(store, Model::Projects, vec![entry(9)], 1).await;
    succeed_all(store, DAY - 1).await;
    for number in 1..=3 {
        store.as_of(at(DAY)).queue.recalculate(MODEL, &key(number)).await.unwrap();
    }
    fail_all(store, DAY).await;
    store.as_of(at(DAY + 1)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    succeed_all(store, DAY + 1).await;
    let of = |day, model, succeeded, failed| DayResults { day, model, succeeded, failed };
    let mut first = vec![of(0, MODEL, 5, 0), of(0, Model::Projects, 1, 0)];
    first.sort_by_key(|results| results.model);
    let second = of(1, MODEL, 1, 3);
    assert_eq!(results(store, DAY + 2, 2).await, [&first[..], &[second]].concat());
    // The first day is no more among the last.
    assert_eq!(results(store, DAY + 2, 1).await, [second]);
    assert_eq!(results(store, 3 * DAY, 2).await, []);
    // What a clock that was ahead has counted is not of these days.
    assert_eq!(results(store, DAY - 1, 2).await, first);
    // One that times out has failed as well.
    store.as_of(at(5 * DAY)).queue.recalculate(MODEL, &key(4)).await.unwrap();
    let lease = claim(store, 1, 5 * DAY).await.unwrap();
    assert_eq!(time_out(store, &lease, 5 * DAY).await.timed_out, 1);
    let reopened = db.reopen().await;
    assert_eq!(results(&reopened, 5 * DAY + DAY / 2, 3).await, [of(5, MODEL, 0, 1)]);
}

pub async fn a_result_that_is_void_does_not_count(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 1).await;
    let lease = claim(store, 3, 2).await.unwrap();
    store.as_of(at(3)).queue.recalculate(MODEL, &key(2)).await.unwrap();
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 4), true).await.unwrap(), 2);
    let counted = DayResults { day: 0, model: MODEL, succeeded: 2, failed: 0 };
    assert_eq!(results(store, 5, 1).await, [counted]);
}
