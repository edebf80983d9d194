//! `Queue::claim` and `Queue::claim_one`.

use std::collections::BTreeSet;

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    GOOD, MODEL, TERMS, at, claim, claim_by, entry, entry_in, fail_all, get, import, import_into,
    import_numbers, key, numbers, state, succeed_all, successes, worker,
};
use crate::contract::tasks::{Task, at_once};
use crate::ports::ClaimFilter;
use crate::{Digest, Model, Origin, Pending, Reference, SourceRecord, State};

pub async fn a_claim_takes_the_next_in_key_order_and_goes_round(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let full = SourceRecord { file_size: Some(4), expected: Some(Digest::Md5([1; 16])), ..entry(1) };
    import(store, vec![entry(5), full, entry(3)], 100).await;
    let lease = claim(store, 2, 200).await.unwrap();
    assert_eq!((lease.model, lease.storage.as_str(), numbers(&lease)), (MODEL, "main", vec![1, 3]));
    let first = &lease.records[0];
    assert_eq!(first.path, "1.bin");
    assert_eq!(
        first.reference,
        Ok(Reference { expected: Some(Digest::Md5([1; 16])), size: Some(4), ..Reference::default() })
    );
    assert_eq!(
        (first.verification.attempt(), &first.verification.stage().origin),
        (1, &Origin::Pending(Pending::default()))
    );
    let next = claim(store, 2, 200).await.unwrap();
    assert_eq!(numbers(&next), [5]);
    assert_ne!(next.id, lease.id);
    assert!(claim(store, 2, 200).await.is_none());
    // Round again, behind the last claim first.
    store.queue.complete(lease.id, &[], true).await.unwrap();
    import_numbers(store, [7], 300).await;
    assert_eq!(numbers(&claim(store, 1, 400).await.unwrap()), [7]);
    let again = claim(store, 1, 400).await.unwrap();
    assert_eq!(numbers(&again), [1]);
    assert_eq!(again.records[0].verification.attempt(), 1);
}

pub async fn claims_jump_over_leased_ranges(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [10, 20, 40, 50], 100).await;
    let first = claim(store, 2, 100).await.unwrap();
    let second = claim(store, 2, 100).await.unwrap();
    // New ones before, in, between and behind the leased ranges.
    import_numbers(store, [5, 15, 30, 45, 60], 100).await;
    assert_eq!(numbers(&claim(store, 9, 100).await.unwrap()), [60]);
    assert_eq!(numbers(&claim(store, 9, 100).await.unwrap()), [5]);
    assert_eq!(numbers(&claim(store, 9, 100).await.unwrap()), [30]);
    assert!(claim(store, 9, 100).await.is_none());
    for number in [15, 45] {
        assert_eq!(state(store, number).await, State::Pending);
    }
    for lease in [first, second] {
        let results = successes(&lease, 200);
        assert_eq!(store.queue.complete(lease.id, &results, true).await.unwrap(), 2);
    }
    assert_eq!(numbers(&claim(store, 9, 200).await.unwrap()), [45]);
    assert_eq!(numbers(&claim(store, 9, 200).await.unwrap()), [15]);
}

pub async fn models_and_storages_take_turns(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, (1..=4).map(|number| entry_in("a", number)).collect(), 100).await;
    import(store, (5..=8).map(|number| entry_in("b", number)).collect(), 100).await;
    import_into(store, Model::Projects, (1..=4).map(|number| entry_in("a", number)).collect(), 100).await;
    let mut turns = Vec::new();
    for _ in 0..6 {
        let lease = claim(store, 2, 100).await.unwrap();
        turns.push((lease.model, lease.storage));
    }
    assert!(claim(store, 2, 100).await.is_none());
    let first: BTreeSet<_> = turns[..3].iter().cloned().collect();
    assert_eq!(first.len(), 3);
    assert_eq!(turns[..3], turns[3..]);
}

pub async fn filters_choose(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![entry_in("a", 1), entry_in("b", 2), entry_in("c", 3)], 100).await;
    import_into(store, Model::Projects, vec![entry_in("a", 4)], 100).await;
    let only = |models: &[Model], storages: Option<&[&str]>, except: &[&str]| ClaimFilter {
        models: models.to_vec(),
        storages: storages.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        except_storages: except.iter().map(|name| (*name).to_owned()).collect(),
        due_from: None,
        limit: 10,
    };
    let outstanding = async |filter: &ClaimFilter| store.queue.outstanding(filter, 100).await.unwrap();
    for (filter, expected) in [
        (only(&[Model::Projects], None, &[]), Some(4)),
        (only(&[MODEL], Some(&["b"]), &[]), Some(2)),
        (only(&[MODEL], None, &["a", "b"]), Some(3)),
        (only(&[MODEL], Some(&["a", "b"]), &["b"]), Some(1)),
        (only(&[MODEL], Some(&[]), &[]), None),
        (only(&[MODEL], Some(&["z"]), &[]), None),
        (only(&[Model::LfsObjects], None, &[]), None),
    ] {
        assert_eq!(outstanding(&filter).await, u64::from(expected.is_some()));
        let lease = claim_by(store, &filter, 100).await;
        assert_eq!(lease.map(|lease| numbers(&lease)), expected.map(|number| vec![number]));
    }
}

pub async fn due_from_leaves_older_ones(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1, 3, 5], 100).await;
    import_numbers(store, [2, 4], 200).await;
    let newer = ClaimFilter { due_from: Some(at(200)), ..ClaimFilter::any(10) };
    assert_eq!(store.queue.outstanding(&newer, 10).await.unwrap(), 2);
    let lease = claim_by(store, &newer, 300).await.unwrap();
    assert_eq!(numbers(&lease), [2, 4]);
    // The older one in between is not held, but its turn comes when the lease ends.
    assert_eq!(state(store, 3).await, State::Pending);
    assert_eq!(state(store, 2).await, State::Started);
    assert!(claim_by(store, &newer, 300).await.is_none());
    assert_eq!(numbers(&claim(store, 10, 300).await.unwrap()), [5]);
    assert_eq!(numbers(&claim(store, 10, 300).await.unwrap()), [1]);
    assert!(claim(store, 10, 300).await.is_none());
    store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap();
    assert_eq!(numbers(&claim(store, 10, 300).await.unwrap()), [3]);
}

const WORKERS: usize = 6;
const RECORDS: i64 = 1000;

pub async fn concurrent_claims_share_no_record(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 0..RECORDS, 100).await;
    let claim_all = |index: usize| async move {
        let mut held = Vec::new();
        let name = worker(&format!("worker-{index}"));
        while let Some(lease) =
            store.as_of(at(200)).queue.claim(&name, &ClaimFilter::any(17), TERMS).await.unwrap()
        {
            held.extend(numbers(&lease));
            // Every other lease stays, the others end while the rest are claiming.
            if lease.id.0 % 2 == 0 {
                let results = successes(&lease, 300);
                let written = store.queue.complete(lease.id, &results, true).await.unwrap();
                assert_eq!(written, u64::try_from(results.len()).unwrap());
            }
        }
        held
    };
    let workers = (0..WORKERS).map(|index| -> Task<'_, Vec<i64>> { Box::pin(claim_all(index)) });
    let mut all = at_once(workers).await.concat();
    all.sort_unstable();
    assert_eq!(all, (0..RECORDS).collect::<Vec<_>>());
}

pub async fn claim_one_takes_a_record_out_of_a_lease(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=3, 100).await;
    let range = claim(store, 3, 100).await.unwrap();
    let two = key(2);
    let name = worker("one");
    let claim_one = || store.as_of(at(100)).queue.claim_one(&name, MODEL, &two, TERMS);
    let one = claim_one().await.unwrap().unwrap();
    assert_eq!(numbers(&one), [2]);
    let attempt = one.records[0].verification.attempt();
    assert!(attempt > range.records[1].verification.attempt());
    assert_eq!(get(store, 2).await.history().attempt, attempt);
    for number in 1..=3 {
        assert_eq!(state(store, number).await, State::Started);
    }
    assert_eq!(crate::contract::support::numbers_in(store, State::Started).await, [1, 2, 3]);
    // The first lease's result for it is void, its others count.
    let results = successes(&range, 200);
    assert_eq!(store.queue.complete(range.id, &results, true).await.unwrap(), 2);
    assert_eq!(state(store, 2).await, State::Started);
    assert!(claim(store, 10, 200).await.is_none());
    // Taken again, the second lease's result is void as well.
    let again = claim_one().await.unwrap().unwrap();
    assert_eq!(store.queue.complete(one.id, &successes(&one, 300), true).await.unwrap(), 0);
    assert_eq!(state(store, 2).await, State::Started);
    assert_eq!(store.queue.complete(again.id, &successes(&again, 400), true).await.unwrap(), 1);
    assert_eq!(get(store, 2).await.history().last_checksum_at(), Some(at(400)));
}

pub async fn the_numbers_of_leases_are_random(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=2, 100).await;
    let (first, second) = (claim(store, 1, 100).await.unwrap().id, claim(store, 1, 100).await.unwrap().id);
    assert!(first.0.abs_diff(second.0) > 1_000, "{first:?} {second:?}");
}

pub async fn claim_one_takes_any_state(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    succeed_all(store, 200).await;
    import(store, vec![entry(2), SourceRecord { disabled: true, ..entry(3) }], 300).await;
    fail_all(store, 400).await;
    import_numbers(store, [4], 500).await;
    for number in 1..=4 {
        let before = get(store, number).await;
        let expected = before.status.clone().recalculate().claim();
        let claimed = store.as_of(at(600)).queue.claim_one(&worker("w"), MODEL, &key(number), TERMS).await;
        let lease = claimed.unwrap().unwrap();
        assert_eq!(lease.records[0].verification, expected);
        assert_eq!(lease.records[0].reference, Ok(before.reference()));
        assert_eq!(get(store, number).await.status, crate::Status::Started(expected));
    }
    assert_eq!(get(store, 1).await.history().baseline.unwrap().digest, GOOD);
}
