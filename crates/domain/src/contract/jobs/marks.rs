//! Jobs about a whole model: one mark, and what becomes of it.

use std::collections::BTreeSet;

use crate::contract::agreement::{assert_agreement, verify_the_rest};
use crate::contract::support::{
    GOOD, HEARTBEAT, LEASE, MODEL, TERMS, acceptance, at, claim, claim_by, count, entry, entry_in, fail_all,
    failures, get, import, import_into, import_numbers, in_state, key, mark, numbers, numbers_in, page,
    state, succeed_all, successes, time_out, worker,
};
use crate::contract::tasks::{Task, at_once};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{ClaimFilter, ClaimedRecord, Lease, Outcome, PageStart, Reaped, Renewal};
use crate::{Failure, Job, JobState, Model, NewJob, Record, Selection, SourceRecord, State, Status};

/// What nobody holds, or would be if nobody held it.
fn unheld(record: &Record) -> Status {
    match record.status.clone() {
        Status::Started(running) => running.release(),
        other => other,
    }
}

/// A claimed record as it is to be seen.
fn started(claimed: &ClaimedRecord) -> Status {
    Status::Started(claimed.verification.clone())
}

async fn complete(store: &Ports, lease: &Lease, outcomes: &[(crate::RecordKey, Outcome)], last: bool) -> u64 {
    store.queue.complete(lease.id, outcomes, last).await.unwrap()
}

/// Records 1 to 20 in two storages: good, failed, failed and due, under a lease, pending and switched off.
async fn in_all_states(store: &Ports) -> Lease {
    let of = |number| entry_in(if number % 4 == 0 { "other" } else { "main" }, number);
    import(store, (1..=6).map(of).collect(), 100).await;
    succeed_all(store, 200).await;
    import(store, (7..=12).map(of).collect(), 300).await;
    fail_all(store, 400).await;
    assert_eq!(store.as_of(at(400_000)).queue.retry_failed(&Model::ALL, 2).await.unwrap(), 2);
    let off = |number| SourceRecord { disabled: true, ..of(number) };
    import(store, (13..=18).map(of).chain([off(19), off(20)]).collect(), 400_000).await;
    let main = ClaimFilter { storages: Some(vec!["main".to_owned()]), ..ClaimFilter::any(3) };
    claim_by(store, &main, 400_000).await.unwrap()
}

pub async fn a_mark_makes_a_whole_model_pending_in_one_step(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_into(store, Model::Projects, vec![entry(1), entry(2)], 50).await;
    succeed_all(store, 60).await;
    let lease = in_all_states(store).await;
    let before = assert_agreement(store, MODEL).await;
    let states: BTreeSet<State> = before.iter().map(Record::state).collect();
    assert_eq!(states.len(), State::ALL.len());

    let job = mark(store, MODEL, 500_000).await;
    assert_eq!(job.marked, 18);
    assert_eq!(db.reopen().await.jobs.get(job.id).await.unwrap(), Some(job));
    assert_eq!((store.jobs.count_open().await.unwrap(), store.jobs.advance(9).await.unwrap()), (0, None));
    let marked = |record: &Record| match unheld(record) {
        off @ Status::Disabled(_) => Record { status: off, ..record.clone() },
        other => Record { status: Status::Pending(other.expire()), ..record.clone() },
    };
    assert_eq!(assert_agreement(store, MODEL).await, before.iter().map(marked).collect::<Vec<_>>());
    assert_eq!(numbers_in(store, State::Disabled).await, [19, 20]);
    for record in assert_agreement(store, Model::Projects).await {
        assert_eq!(record.state(), State::Succeeded);
    }
    // What a worker had is pending, and stays with it until it gives that back.
    assert_eq!(complete(store, &lease, &successes(&lease, 500_001), true).await, 0);
    let after = verify_the_rest(store, MODEL, 600_000).await;
    for (record, was) in after.iter().zip(&before).take(18) {
        assert_eq!(record.state(), State::Succeeded);
        assert_eq!(record.history().attempt, unheld(was).history().attempt + 1);
    }
}

pub async fn a_mark_on_no_records_is_finished(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(mark(store, MODEL, 100).await.marked, 0);
    import(store, vec![SourceRecord { disabled: true, ..entry(1) }], 200).await;
    assert_eq!(mark(store, MODEL, 300).await.marked, 0);
    assert_eq!(state(store, 1).await, State::Disabled);
    assert!(claim(store, 10, 400).await.is_none());
    // New ones, and one that is switched on, are as they are without it.
    import_numbers(store, [1, 2], 400).await;
    let records = assert_agreement(store, MODEL).await;
    assert!(records.iter().all(|record| record.history().attempt == 0));
    let lease = claim(store, 1, 500).await.unwrap();
    assert_eq!(complete(store, &lease, &successes(&lease, 500), true).await, 1);
    assert_agreement(store, MODEL).await;
    verify_the_rest(store, MODEL, 600).await;
}

pub async fn marks_one_after_the_other_count_no_attempt(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    import_into(store, Model::Projects, vec![entry(1)], 100).await;
    succeed_all(store, 200).await;
    for now in [1000, 1000, 1100] {
        assert_eq!(mark(store, MODEL, now).await.marked, 9);
        assert_agreement(store, MODEL).await;
    }
    mark(store, Model::Projects, 1200).await;
    assert_eq!(succeed_all(store, 2000).await, 10);
    let records = verify_the_rest(store, MODEL, 2000).await;
    assert!(records.iter().all(|record| record.history().attempt == 2));
    // Two that wait are one.
    let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "me".to_owned() };
    let first = store.as_of(at(3000)).jobs.enqueue(&job).await.unwrap();
    assert_eq!(store.jobs.enqueue(&job).await.unwrap(), first);
    assert_eq!(store.jobs.advance(1).await.unwrap().unwrap().marked, 9);
    assert_eq!(store.jobs.advance(1).await.unwrap(), None);
    assert_eq!(verify_the_rest(store, MODEL, 4000).await.len(), 9);
}

pub async fn a_cancelled_job_makes_no_mark(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    succeed_all(store, 200).await;
    let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "me".to_owned() };
    let job = store.as_of(at(1000)).jobs.enqueue(&job).await.unwrap();
    let cancelled = store.as_of(at(1100)).jobs.cancel(job.id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.marked), (JobState::Cancelled, 0));
    assert_eq!(store.as_of(at(1200)).jobs.advance(10).await.unwrap(), None);
    assert_eq!(numbers_in(store, State::Pending).await, [0; 0]);
    // One that has made its mark is over, and the mark stays.
    let job = mark(store, MODEL, 1300).await;
    assert_eq!(store.as_of(at(1400)).jobs.cancel(job.id).await.unwrap(), Some(job));
    assert_eq!(numbers_in(store, State::Pending).await.len(), 9);
    verify_the_rest(store, MODEL, 1500).await;
}

pub async fn what_is_verified_of_a_mark_is_listed_at_once(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let of = |number: i64| {
        // Two storages take turns in one half of the keys, and the third has a range of its own.
        let storage = if number > 20 { "c" } else { ["a", "b"][usize::try_from(number % 2).unwrap()] };
        SourceRecord { file_size: u64::try_from(number).ok(), ..entry_in(storage, number) }
    };
    import(store, (1..=30).map(of).collect(), 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let mut storages = Vec::new();
    let mut now = 1000;
    while let Some(lease) = claim(store, 4, now).await {
        now += 100;
        storages.push(lease.storage.clone());
        let records = assert_agreement(store, MODEL).await;
        let held = records.iter().filter(|record| record.state() == State::Started);
        assert_eq!(held.count(), lease.records.len());
        // The third one fails, and the second is recorded before the others.
        let (good, bad) = (successes(&lease, now), failures(&lease, now));
        let second = usize::from(lease.records.len() > 1);
        assert_eq!(complete(store, &lease, &good[second..=second], false).await, 1);
        assert_agreement(store, MODEL).await;
        let rest = good.iter().take(second).chain(bad.iter().skip(2).take(1)).chain(good.iter().skip(3));
        let rest: Vec<_> = rest.cloned().collect();
        assert_eq!(complete(store, &lease, &rest, true).await, u64::try_from(rest.len()).unwrap());
        assert_agreement(store, MODEL).await;
    }
    assert_eq!(storages[..3].iter().collect::<BTreeSet<_>>().len(), 3, "they take turns: {storages:?}");
    let records = verify_the_rest(store, MODEL, now).await;
    assert!(records.iter().all(|record| record.history().attempt == 2));
    assert!(records.iter().any(|record| record.state() == State::Failed));
}

pub async fn one_storage_is_verified_before_the_other_is_begun(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let of = |number: i64| entry_in(if number % 2 == 0 { "even" } else { "odd" }, number);
    import(store, (1..=40).map(of).collect(), 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let even = ClaimFilter { storages: Some(vec!["even".to_owned()]), ..ClaimFilter::any(5) };
    for claims in 1..=4 {
        let lease = claim_by(store, &even, 1100).await.unwrap();
        assert_eq!(complete(store, &lease, &successes(&lease, 1200), true).await, 5);
        let done: Vec<i64> = (1..=claims * 5).map(|number| 2 * number).collect();
        assert_eq!(numbers_in(store, State::Succeeded).await, done);
        let last = done.last().copied().unwrap();
        // A page that begins where nothing is verified finds the rest, or that there is none.
        let behind = page(store, in_state(State::Succeeded), PageStart::After(key(last)), 3).await;
        assert_eq!(behind.records, []);
        let pending = page(store, in_state(State::Pending), PageStart::Before(key(last)), 3).await;
        assert_eq!(pending.records.len(), 3);
        assert_agreement(store, MODEL).await;
    }
    assert!(claim_by(store, &even, 1300).await.is_none());
    assert_eq!(store.queue.outstanding(&even, 100).await.unwrap(), 0);
    assert_eq!(verify_the_rest(store, MODEL, 1400).await.len(), 40);
}

pub async fn results_of_a_lease_before_a_mark_are_void(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=10, 100).await;
    let lease = claim(store, 6, 100).await.unwrap();
    let (good, bad) = (successes(&lease, 200), failures(&lease, 200));
    assert_eq!(complete(store, &lease, &good[..2], false).await, 2);
    mark(store, MODEL, 300).await;
    let marked = assert_agreement(store, MODEL).await;
    assert!(marked.iter().all(|record| record.state() == State::Pending));
    for outcomes in [&good[..], &bad[..], &good[2..4]] {
        assert_eq!(complete(store, &lease, outcomes, false).await, 0);
    }
    // The lease keeps others from its range, and holds nothing in it.
    let alive = Renewal { lease: lease.id, progressed: true };
    assert_eq!(store.queue.renew(&[alive], crate::contract::support::TERMS).await.unwrap(), []);
    let other = claim(store, 10, 400).await.unwrap();
    assert_eq!(numbers(&other), [7, 8, 9, 10]);
    assert!(claim(store, 10, 400).await.is_none());
    assert_agreement(store, MODEL).await;
    assert_eq!(complete(store, &lease, &bad, true).await, 0);
    assert_eq!(complete(store, &other, &successes(&other, 500), true).await, 4);
    // One that ended between its claim and the end of its worker leaves nothing either.
    assert_eq!(complete(store, &lease, &good, true).await, 0);
    let again = claim(store, 10, 600).await.unwrap();
    assert_eq!(numbers(&again), [1, 2, 3, 4, 5, 6]);
    // The attempt that was void has the same number.
    assert_eq!(again.records[5].verification, lease.records[5].verification);
    assert_eq!(complete(store, &lease, &good, false).await, 0);
    assert_eq!(complete(store, &again, &successes(&again, 700), true).await, 6);
    let records = verify_the_rest(store, MODEL, 800).await;
    let attempts: Vec<u64> = records.iter().map(|record| record.history().attempt).collect();
    assert_eq!(attempts, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
}

pub async fn results_of_a_lease_after_a_mark_count_in_parts(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let before = get(store, 1).await;
    let lease = claim(store, 7, 1000).await.unwrap();
    assert_eq!(lease.records[0].reference, Ok(before.reference()));
    assert_eq!(lease.records[0].verification.clone().release(), before.status);
    for claimed in &lease.records {
        let number = claimed.key.as_integer().unwrap();
        assert_eq!(get(store, number).await.status, started(claimed));
    }
    let outcomes: Vec<_> = lease.records.iter().zip(successes(&lease, 1100)).collect();
    for (index, (claimed, (key, outcome))) in outcomes.into_iter().enumerate() {
        let outcome = match outcome {
            Outcome::Succeeded(_) if index % 3 == 1 => {
                let failed = claimed.verification.clone().fail(Failure::unreadable("EIO"), at(1100), 0);
                Outcome::Failed(failed)
            }
            other => other,
        };
        let expected = match outcome.clone() {
            Outcome::Succeeded(done) => Status::Succeeded(done),
            Outcome::Failed(done) => Status::Failed(done),
        };
        assert_eq!(complete(store, &lease, &[(key.clone(), outcome.clone())], false).await, 1);
        // Twice is once.
        assert_eq!(complete(store, &lease, &[(key, outcome)], false).await, 0);
        assert_eq!(get(store, claimed.key.as_integer().unwrap()).await.status, expected);
        assert_agreement(store, MODEL).await;
    }
    assert_eq!(complete(store, &lease, &[], true).await, 0);
    assert_eq!(numbers_in(store, State::Pending).await, [8, 9]);
    // Failed ones wait for their time as always, and are what they are until then.
    assert_eq!(numbers(&claim(store, 10, 1200).await.unwrap()), [8, 9]);
    let retried = store.as_of(at(100_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap();
    assert_eq!((retried, numbers_in(store, State::Failed).await), (2, vec![2, 5]));
    assert_agreement(store, MODEL).await;
}

pub async fn what_comes_back_during_a_mark_is_due_again(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 100).await;
    succeed_all(store, 200).await;
    import_numbers(store, 7..=8, 300).await;
    fail_all(store, 400).await;
    mark(store, MODEL, 1000).await;
    let marked = assert_agreement(store, MODEL).await;
    // Given back whole, and after a part.
    let lease = claim(store, 10, 1100).await.unwrap();
    assert_eq!(numbers(&lease), [1, 2, 3, 4, 5, 6, 7, 8]);
    complete(store, &lease, &[], true).await;
    assert_eq!(assert_agreement(store, MODEL).await, marked);
    let lease = claim(store, 10, 1200).await.unwrap();
    assert_eq!(complete(store, &lease, &successes(&lease, 1200)[2..4], true).await, 2);
    assert_eq!(numbers_in(store, State::Pending).await, [1, 2, 5, 6, 7, 8]);
    assert_agreement(store, MODEL).await;
    // Of a worker that died.
    let lease = claim(store, 3, 2000).await.unwrap();
    assert_eq!(numbers(&lease), [1, 2, 5]);
    assert_eq!(complete(store, &lease, &successes(&lease, 2000)[..1], false).await, 1);
    let reaped = store.as_of(at(2000).after(HEARTBEAT)).queue.reap(LEASE).await.unwrap();
    assert_eq!(reaped, Reaped { timed_out: 0, released: 1 });
    assert_eq!(numbers_in(store, State::Pending).await, [2, 5, 6, 7, 8]);
    assert_agreement(store, MODEL).await;
    // Of one that made no progress.
    let lease = claim(store, 3, 100_000).await.unwrap();
    assert_eq!(numbers(&lease), [6, 7, 8]);
    assert_eq!(time_out(store, &lease, 100_000).await, Reaped { timed_out: 3, released: 0 });
    let timed_out = at(100_000).after(LEASE);
    for claimed in &lease.records {
        let expected = claimed.verification.clone().time_out(LEASE, timed_out);
        assert_eq!(get(store, claimed.key.as_integer().unwrap()).await.status, Status::Failed(expected));
    }
    assert_eq!(get(store, 7).await.history().retry_count, 2);
    assert_agreement(store, MODEL).await;
    assert_eq!(numbers_in(store, State::Pending).await, [2, 5]);
    let records = verify_the_rest(store, MODEL, timed_out.millis()).await;
    assert!(records.iter().all(|record| record.state() == State::Succeeded));
}

pub async fn a_mark_voids_what_is_held_since_the_last_one(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=10, 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let lease = claim(store, 6, 1100).await.unwrap();
    let results = successes(&lease, 1150);
    assert_eq!(complete(store, &lease, &results[..3], false).await, 3);
    assert_agreement(store, MODEL).await;
    assert_eq!(mark(store, MODEL, 1200).await.marked, 10);
    assert_eq!(numbers_in(store, State::Pending).await, (1..=10).collect::<Vec<_>>());
    assert_agreement(store, MODEL).await;
    assert_eq!(complete(store, &lease, &results[3..], true).await, 0);
    assert_eq!(get(store, 3).await.history().last_checksum_at(), Some(at(1150)));
    assert_eq!(get(store, 4).await.history().last_checksum_at(), Some(at(200)));
    let records = verify_the_rest(store, MODEL, 1300).await;
    let attempts: Vec<u64> = records.iter().map(|record| record.history().attempt).collect();
    assert_eq!(attempts, [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
}

pub async fn a_mark_comes_after_every_claim(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, (1..=4).map(entry).chain([entry_in("other", 5), entry_in("other", 6)]).collect(), 100)
        .await;
    let main = claim(store, 2, 5000).await.unwrap();
    let other = claim(store, 1, 5000).await.unwrap();
    assert_ne!(main.storage, other.storage);
    // By a clock that is behind.
    assert_eq!(mark(store, MODEL, 1000).await.marked, 6);
    assert_eq!(numbers_in(store, State::Started).await, [0; 0]);
    for lease in [&main, &other] {
        assert_eq!(complete(store, lease, &successes(lease, 6000), true).await, 0);
    }
    assert_agreement(store, MODEL).await;
    // Claims after it hold what they take, by whatever clock.
    for now in [500, 1000, 5000] {
        let lease = claim(store, 2, now).await.unwrap();
        for claimed in &lease.records {
            assert_eq!(get(store, claimed.key.as_integer().unwrap()).await.status, started(claimed));
        }
        let written = u64::try_from(lease.records.len()).unwrap();
        assert_eq!(complete(store, &lease, &successes(&lease, 6000), true).await, written);
        assert_agreement(store, MODEL).await;
    }
    verify_the_rest(store, MODEL, 500).await;
}

pub async fn marked_records_are_due_from_the_mark_on(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 100).await;
    succeed_all(store, 200).await;
    import_numbers(store, [5], 300).await;
    // By a clock that was ahead.
    store.as_of(at(5000)).queue.recalculate(MODEL, &key(3)).await.unwrap();
    mark(store, MODEL, 2000).await;
    let claim_from = async |due_from: i64| {
        let filter = ClaimFilter { due_from: Some(at(due_from)), ..ClaimFilter::any(10) };
        let lease = claim_by(store, &filter, 3000).await;
        let claimed = lease.as_ref().map(numbers).unwrap_or_default();
        if let Some(lease) = lease {
            complete(store, &lease, &[], true).await;
        }
        claimed
    };
    assert_eq!(claim_from(5001).await, [0; 0]);
    assert_eq!(claim_from(5000).await, [3]);
    assert_eq!(claim_from(2001).await, [3]);
    assert_eq!(claim_from(2000).await, [4], "behind the last claim; the fifth was due before");
    assert_eq!(claim_from(2000).await, [1, 2, 3, 4]);
    assert_eq!(claim_from(300).await, [5]);
    assert_eq!(verify_the_rest(store, MODEL, 6000).await.len(), 5);
}

pub async fn marks_and_results_at_once_all_end(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let of = |number: i64| entry_in(if number % 3 == 0 { "other" } else { "main" }, number);
    import(store, (1..=200).map(of).collect(), 100).await;
    succeed_all(store, 200).await;
    let rounds = 6;
    let work = || async {
        for _ in 0..rounds {
            let Some(lease) = claim(store, 9, 1000).await else { continue };
            let results = successes(&lease, 1000);
            complete(store, &lease, &results[..results.len() / 2], false).await;
            complete(store, &lease, &results, true).await;
        }
    };
    let marking = || async {
        for _ in 0..rounds {
            let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "me".to_owned() };
            store.as_of(at(1000)).jobs.enqueue(&job).await.unwrap();
            store.jobs.advance(10).await.unwrap();
        }
    };
    let besides = || async {
        for number in 1..=rounds {
            let catalogue = &store.as_of(at(1000)).catalogue;
            catalogue.accept(MODEL, &key(number * 20), &acceptance(GOOD, None)).await.unwrap();
            let queue = &store.as_of(at(1000)).queue;
            let lease =
                queue.claim_one(&worker("one"), MODEL, &key(number * 9), TERMS).await.unwrap().unwrap();
            complete(store, &lease, &successes(&lease, 1000), true).await;
            // Whoever holds anything is taken for dead.
            store.as_of(at(1_000_000_000)).queue.reap(LEASE).await.unwrap();
            import(store, vec![entry_in(&format!("new {number}"), 200 + number)], 1000).await;
        }
    };
    let tasks = (0..3).map(|_| -> Task<'_, ()> { Box::pin(work()) });
    let tasks = tasks.chain((0..2).map(|_| -> Task<'_, ()> { Box::pin(marking()) }));
    let besides: Task<'_, ()> = Box::pin(besides());
    at_once(tasks.chain([besides])).await;
    while store.jobs.advance(10).await.unwrap().is_some() {}
    assert_agreement(store, MODEL).await;
    let jobs = store.jobs.list(None, 100).await.unwrap();
    let is_whole = |job: &Job| job.state == JobState::Finished && (200..=206).contains(&job.marked);
    assert!(jobs.iter().all(is_whole), "{jobs:?}");
    // None was lost, before a mark brings all of them back.
    verify_the_rest(store, MODEL, 1000).await;
    mark(store, MODEL, 1000).await;
    let records = verify_the_rest(store, MODEL, 2000).await;
    assert!(records.iter().all(|record| record.history().baseline().unwrap().digest == GOOD));
    assert!(records.iter().all(|record| record.history().last_checksum_at() == Some(at(2000))));
}

pub async fn a_mark_may_fall_into_many_ranges(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=60, 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    for number in (2..=60).step_by(2) {
        let catalogue = &store.as_of(at(1100)).catalogue;
        catalogue.accept(MODEL, &key(number), &acceptance(GOOD, None)).await.unwrap();
    }
    assert_agreement(store, MODEL).await;
    assert_eq!(numbers_in(store, State::Pending).await, (1..=60).step_by(2).collect::<Vec<_>>());
    let records = verify_the_rest(store, MODEL, 2000).await;
    let verified = records.iter().filter(|record| record.history().last_checksum_at() == Some(at(2000)));
    assert_eq!(verified.count(), 30);
}

pub async fn failed_records_beyond_counting_are_pending_in_a_few_steps(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let failed = 10_001;
    import_numbers(store, 1..=failed, 100).await;
    while let Some(lease) = claim(store, 5000, 200).await {
        complete(store, &lease, &failures(&lease, 200), true).await;
    }
    import_numbers(store, failed + 1..=failed + 5, 300).await;
    succeed_all(store, 400).await;
    let whole = NewJob { model: MODEL, selection: Selection::default(), requested_by: "me".to_owned() };
    let job = store.as_of(at(1000)).jobs.enqueue(&whole).await.unwrap();
    while store.as_of(at(1000)).jobs.advance(1).await.unwrap().is_some() {}
    let job = store.jobs.get(job.id).await.unwrap().unwrap();
    let all = u64::try_from(failed).unwrap() + 5;
    assert_eq!((job.state, job.marked), (JobState::Finished, all));
    assert_eq!(count(store, in_state(State::Pending)).await, all);
    assert_eq!(get(store, failed).await.history().attempt, 1);
}
