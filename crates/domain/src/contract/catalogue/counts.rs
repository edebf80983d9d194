//! The counts that are kept, against what there is.

use crate::contract::support::{
    LEASE, MODEL, TERMS, at, claim, entry, entry_in, fail_all, import, import_into, import_numbers, key,
    succeed_all, successes, worker,
};
use crate::contract::tasks::{Task, at_once};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{ClaimFilter, OLDEST_SUCCESS_WITHIN};
use crate::{FailureKind, Model, RecordFilter, SourceRecord, State};

const WORKERS: usize = 4;
const RECORDS: i64 = 400;
/// So many that no worker runs out of records.
const CLAIMS: usize = 12;

/// How many records there are.
async fn counted(store: &Ports) -> u64 {
    let summary = store.catalogue.summary().await.unwrap();
    summary.iter().flat_map(|model| &model.states).map(|(_, count)| count).sum()
}

pub async fn counts_are_exact_at_every_moment_of_many_at_once(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 0..RECORDS, 100).await;
    let all = u64::try_from(RECORDS).unwrap();
    let work = |index: usize| async move {
        let name = worker(&format!("worker-{index}"));
        for _ in 0..CLAIMS {
            let claimed = store.as_of(at(200)).queue.claim(&name, &ClaimFilter::any(7), TERMS).await;
            let lease = claimed.unwrap().unwrap();
            store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap();
            store.as_of(at(400)).queue.recalculate(MODEL, &key(index.try_into().unwrap())).await.unwrap();
            // What was noted of changes is brought together meanwhile.
            store.as_of(at(400)).queue.reap(LEASE).await.unwrap();
            assert_eq!(counted(store).await, all);
        }
    };
    at_once((0..WORKERS).map(|index| -> Task<'_, ()> { Box::pin(work(index)) })).await;
    assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
    store.as_of(at(500)).queue.reap(LEASE).await.unwrap();
    assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
    assert_eq!(counted(store).await, all);
}

pub async fn counts_by_storage_and_kind_are_those_of_such_records(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let sized = |record: SourceRecord| SourceRecord { file_size: Some(3), ..record };
    let (one, two) = (sized(entry_in("a", 1)), sized(entry_in("b", 2)));
    import_into(store, Model::CiSecureFiles, vec![one, two], 100).await;
    import(store, vec![entry(5)], 100).await;
    fail_all(store, 200).await;
    import_into(store, Model::CiSecureFiles, vec![sized(entry_in("a", 3))], 300).await;
    let of = async |filter: RecordFilter| {
        let summary = store.catalogue.summary_of(&filter).await.unwrap();
        summary
            .into_iter()
            .map(|model| (model.model, model.states, model.failures, model.bytes))
            .collect::<Vec<_>>()
    };
    let storages = vec!["a".to_owned()];
    let missing = vec![(FailureKind::Missing, 1)];
    let both = vec![(State::Pending, 1), (State::Failed, 1)];
    let in_a = RecordFilter { storages: storages.clone(), ..RecordFilter::default() };
    assert_eq!(of(in_a).await, [(Model::CiSecureFiles, both, missing.clone(), 6)]);
    let kinds = vec![FailureKind::Missing];
    let failed = RecordFilter { kinds, storages, ..RecordFilter::default() };
    assert_eq!(of(failed).await, [(Model::CiSecureFiles, vec![(State::Failed, 1)], missing, 3)]);
    let other = RecordFilter { kinds: vec![FailureKind::Altered], ..RecordFilter::default() };
    assert_eq!(of(other).await, []);
}

pub async fn the_oldest_success_is_known_to_a_minute(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let oldest = async || {
        assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
        store.catalogue.summary().await.unwrap()[0].oldest_success
    };
    let hour = 3_600_000;
    import_numbers(store, [1], 100).await;
    succeed_all(store, 200).await;
    import_numbers(store, [2], 250).await;
    succeed_all(store, 300).await;
    import_numbers(store, [3], 400).await;
    succeed_all(store, hour).await;
    assert_eq!(oldest().await, Some(at(200)));
    // Read again: another one is the oldest.
    store.as_of(at(hour)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let known = oldest().await.unwrap();
    assert!(known <= at(300) && at(300).since(known) < OLDEST_SUCCESS_WITHIN, "{known}");
    store.as_of(at(hour)).queue.reap(LEASE).await.unwrap();
    store.as_of(at(hour)).queue.recalculate(MODEL, &key(2)).await.unwrap();
    assert_eq!(oldest().await, Some(at(hour)));
    store.as_of(at(hour)).queue.recalculate(MODEL, &key(3)).await.unwrap();
    assert_eq!(oldest().await, None);
    let lease = claim(store, 3, hour).await.unwrap();
    store.queue.complete(lease.id, &successes(&lease, 2 * hour), true).await.unwrap();
    assert_eq!(oldest().await, Some(at(2 * hour)));
}
