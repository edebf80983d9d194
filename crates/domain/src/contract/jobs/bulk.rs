//! The port `Jobs`.

use crate::contract::support::{
    MODEL, at, claim, composite, count, entry_of, fail_all, failures, get, import, import_numbers, in_state,
    key, numbers_in, succeed_all, successes, with_numbers,
};
use crate::contract::tasks::{Task, at_once};
use crate::contract::{DatabaseFixture, Ports};
use crate::{
    FailureKind, Job, JobId, JobScope, JobState, NewJob, RecordFilter, Selection, SourceRecord, State,
};

fn about(selection: Selection) -> NewJob {
    NewJob { model: MODEL, selection, requested_by: "somebody".to_owned() }
}

async fn enqueue(store: &Ports, selection: Selection) -> Job {
    store.as_of(at(1000)).jobs.enqueue(&about(selection)).await.unwrap()
}

/// Advances to the end; returns the job and in how many steps it ended.
async fn run(store: &Ports, limit: u32) -> (Job, usize) {
    let mut steps = 0;
    loop {
        let job = store.as_of(at(2000)).jobs.advance(limit).await.unwrap().unwrap();
        steps += 1;
        if job.state.is_over() {
            return (job, steps);
        }
    }
}

pub async fn a_job_over_a_state_goes_in_batches(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=10, 100).await;
    succeed_all(store, 200).await;
    assert_eq!(store.as_of(at(900)).jobs.advance(4).await.unwrap(), None);
    let succeeded = in_state(State::Succeeded);
    let job = enqueue(store, succeeded.clone()).await;
    assert_eq!(job, Job::enqueued(job.id, &about(succeeded.clone()), at(1000)));
    let first = store.as_of(at(1100)).jobs.advance(4).await.unwrap().unwrap();
    assert_eq!((first.state, first.marked, first.started_at), (JobState::Running, 4, Some(at(1100))));
    assert_eq!(numbers_in(store, State::Pending).await, [1, 2, 3, 4]);
    assert_eq!(get(store, 1).await.history().attempt, 2);
    let (last, steps) = run(store, 4).await;
    assert_eq!((steps, last.marked, last.state), (2, 10, JobState::Finished));
    assert_eq!((last.started_at, last.finished_at), (Some(at(1100)), Some(at(2000))));
    assert_eq!(store.jobs.get(job.id).await.unwrap(), Some(last));
    assert_eq!(store.as_of(at(2000)).jobs.advance(4).await.unwrap(), None);
    assert_eq!(succeed_all(store, 3000).await, 10);
    // Exactly as many as there are end in one step; none is one step too.
    enqueue(store, succeeded).await;
    assert_eq!(run(store, 10).await.1, 1);
    enqueue(store, in_state(State::Failed)).await;
    let (none, steps) = run(store, 10).await;
    assert_eq!((steps, none.marked), (1, 0));
}

pub async fn jobs_by_state_visit_each_record_once(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    let lease = claim(store, 6, 100).await.unwrap();
    let (good, bad) = (successes(&lease, 200), failures(&lease, 200));
    let results = [&good[..3], &bad[3..]].concat();
    store.queue.complete(lease.id, &results, true).await.unwrap();
    import(store, vec![crate::SourceRecord { disabled: true, ..entry_of(key(10)) }], 300).await;
    for (state, marked) in
        [(State::Pending, 3), (State::Succeeded, 3), (State::Failed, 3), (State::Disabled, 1)]
    {
        enqueue(store, in_state(state)).await;
        let (job, _) = run(store, 2).await;
        assert_eq!(job.marked, marked, "{state}");
        assert_eq!(job.scope, JobScope::from(&in_state(state)));
    }
    assert_eq!(count(store, in_state(State::Pending)).await, 10);
    for number in 1..=10 {
        let attempts = if number <= 6 { 2 } else { 1 };
        assert_eq!(get(store, number).await.history().attempt, attempts);
    }
}

pub async fn a_job_by_keys_marks_those_there_are(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    import(store, vec![entry_of(composite(&[3, 1]))], 100).await;
    succeed_all(store, 200).await;
    let mut selection = with_numbers(&[9, 5, 3, 77, 5]);
    selection.keys.as_mut().unwrap().push(composite(&[3, 1]));
    let job = enqueue(store, selection.clone()).await;
    assert_eq!(job.scope.key_count, Some(6));
    let looks = [
        store.jobs.get(job.id).await.unwrap().into_iter().collect(),
        store.jobs.open().await.unwrap(),
        store.jobs.list(None, 9).await.unwrap(),
    ];
    assert_eq!(looks, [(); 3].map(|()| vec![job.clone()]));
    let (done, steps) = run(store, 2).await;
    assert_eq!((done.marked, done.scope, steps), (4, job.scope, 3));
    assert_eq!(count(store, in_state(State::Pending)).await, 4);
    enqueue(store, Selection { state: Some(State::Succeeded), ..with_numbers(&[1, 3, 5]) }).await;
    assert_eq!(run(store, 100).await.0.marked, 1);
}

pub async fn what_is_switched_off_is_recalculated_only_if_it_is_meant(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 100).await;
    let off = |number| SourceRecord { disabled: true, ..entry_of(key(number)) };
    import(store, vec![off(5), off(6), off(7)], 100).await;
    let storages = vec![entry_of(key(1)).location.storage];
    let in_its_storage = RecordFilter { storages, ..RecordFilter::default() };
    for selection in [Selection::default(), Selection::filtered(in_its_storage)] {
        enqueue(store, selection.clone()).await;
        assert_eq!(run(store, 3).await.0.marked, 4);
        for share in [None, Some(1_000_000)] {
            let queue = &store.as_of(at(200)).queue;
            let marked = queue.recalculate_next(MODEL, &selection, share, None, 10).await.unwrap();
            assert_eq!(marked, (None, 4));
        }
        assert_eq!(count(store, in_state(State::Disabled)).await, 3);
    }
    enqueue(store, with_numbers(&[1, 5])).await;
    assert_eq!(run(store, 10).await.0.marked, 2);
    enqueue(store, in_state(State::Disabled)).await;
    assert_eq!(run(store, 10).await.0.marked, 2);
    assert_eq!(count(store, in_state(State::Pending)).await, 7);
}

pub async fn a_job_keeps_its_filter(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let of = |number: i64| {
        let owner = Some(if number % 2 == 0 { "even" } else { "odd" }.to_owned());
        SourceRecord { owner, ..entry_of(key(number)) }
    };
    import(store, (1..=12).map(of).collect(), 100).await;
    succeed_all(store, 200).await;
    let filter = RecordFilter {
        kinds: Vec::new(),
        storages: vec![of(1).location.storage, "\"other\"".to_owned()],
        path: Some("**".parse().unwrap()),
        text: Some("bin".to_owned()),
        owner: Some("even".to_owned()),
        since: Some(at(1)),
        before: Some(at(9_999)),
    };
    let selection = Selection { filter: filter.clone(), ..in_state(State::Succeeded) };
    let job = enqueue(store, selection.clone()).await;
    assert_eq!(store.jobs.get(job.id).await.unwrap().unwrap().scope, JobScope::from(&selection));
    assert_eq!(enqueue(store, selection.clone()).await.id, job.id);
    let (done, steps) = run(store, 4).await;
    assert_eq!((done.id, done.marked, steps), (job.id, 6, 2));
    assert_eq!(numbers_in(store, State::Pending).await, [2, 4, 6, 8, 10, 12]);
    let failed = RecordFilter { kinds: vec![FailureKind::Missing], ..RecordFilter::default() };
    enqueue(store, Selection::filtered(failed)).await;
    assert_eq!(run(store, 4).await.0.marked, 0);
    enqueue(store, Selection { filter, ..with_numbers(&[1, 2, 3]) }).await;
    assert_eq!(run(store, 4).await.0.marked, 1);
}

pub async fn a_job_over_started_records_ends(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=5, 100).await;
    let lease = claim(store, 3, 100).await.unwrap();
    enqueue(store, in_state(State::Started)).await;
    let (job, steps) = run(store, 2).await;
    assert_eq!((job.marked, steps), (3, 2));
    assert_eq!(numbers_in(store, State::Pending).await, [1, 2, 3, 4, 5]);
    // Their attempt was made void.
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 0);
    assert_eq!(fail_all(store, 400).await, 5);
}

pub async fn a_cancelled_job_stays_half_done(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    succeed_all(store, 200).await;
    let job = enqueue(store, in_state(State::Succeeded)).await;
    store.as_of(at(1100)).jobs.advance(4).await.unwrap();
    let cancelled = store.as_of(at(1200)).jobs.cancel(job.id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.marked), (JobState::Cancelled, 4));
    assert_eq!(cancelled.finished_at, Some(at(1200)));
    assert_eq!(store.as_of(at(1300)).jobs.advance(4).await.unwrap(), None);
    assert_eq!(count(store, in_state(State::Pending)).await, 4);
    // Over is over.
    assert_eq!(store.as_of(at(9999)).jobs.cancel(job.id).await.unwrap(), Some(cancelled));
    enqueue(store, in_state(State::Succeeded)).await;
    let (finished, _) = run(store, 100).await;
    assert_eq!(store.as_of(at(9999)).jobs.cancel(finished.id).await.unwrap(), Some(finished));
    assert_eq!(store.as_of(at(9999)).jobs.cancel(JobId(4711)).await.unwrap(), None);
    assert_eq!(store.jobs.get(JobId(4711)).await.unwrap(), None);
}

pub async fn a_job_that_has_not_begun_is_not_kept_twice(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=9, 100).await;
    succeed_all(store, 200).await;
    let selections = [
        in_state(State::Succeeded),
        Selection::default(),
        with_numbers(&[1, 2]),
        Selection { state: Some(State::Succeeded), ..with_numbers(&[1, 2]) },
        with_numbers(&[1]),
    ];
    let mut jobs = Vec::new();
    for selection in &selections {
        jobs.push(enqueue(store, selection.clone()).await);
    }
    for (selection, job) in selections.iter().zip(&jobs) {
        let again = NewJob { requested_by: "somebody else".to_owned(), ..about(selection.clone()) };
        assert_eq!(store.as_of(at(1500)).jobs.enqueue(&again).await.unwrap(), *job);
    }
    let other = NewJob { model: crate::Model::Projects, ..about(Selection::default()) };
    assert!(!jobs.contains(&store.as_of(at(1500)).jobs.enqueue(&other).await.unwrap()));
    assert_eq!(store.jobs.open().await.unwrap().len(), jobs.len() + 1);
    // What has begun has passed records already, and what is cancelled does nothing.
    store.as_of(at(1600)).jobs.advance(4).await.unwrap();
    store.as_of(at(1600)).jobs.cancel(jobs[1].id).await.unwrap();
    for selection in &selections[..2] {
        let new = enqueue(store, selection.clone()).await;
        assert_eq!((new.state, new.id > jobs[4].id), (JobState::Queued, true));
    }
}

pub async fn jobs_are_listed_newest_first(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(enqueue(store, with_numbers(&[number])).await.id);
    }
    let listed = async |before, limit| {
        let jobs = store.jobs.list(before, limit).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10).await, [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(listed(None, 2).await, [ids[3], ids[2]]);
    assert_eq!(listed(Some(ids[2]), 10).await, [ids[1], ids[0]]);
    store.as_of(at(1)).jobs.cancel(ids[1]).await.unwrap();
    // The oldest open one comes first.
    assert_eq!(store.as_of(at(2)).jobs.advance(10).await.unwrap().unwrap().id, ids[0]);
    let open: Vec<JobId> = store.jobs.open().await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(open, [ids[2], ids[3]]);
    assert_eq!(store.jobs.count_open().await.unwrap(), 2);
}

pub async fn two_advance_one_job_at_a_time(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=300, 100).await;
    succeed_all(store, 200).await;
    // Neither changes what the other one means.
    let storages = vec![entry_of(key(1)).location.storage];
    let in_its_storage = Selection::filtered(RecordFilter { storages, ..RecordFilter::default() });
    for selection in [in_its_storage, with_numbers(&(1..=300).collect::<Vec<_>>())] {
        enqueue(store, selection).await;
    }
    let worker = || async { while store.as_of(at(2000)).jobs.advance(7).await.unwrap().is_some() {} };
    at_once((0..4).map(|_| -> Task<'_, ()> { Box::pin(worker()) })).await;
    // One who came while the last jobs were being advanced found none free.
    while store.as_of(at(2000)).jobs.advance(7).await.unwrap().is_some() {}
    for job in store.jobs.list(None, 10).await.unwrap() {
        assert_eq!((job.state, job.marked), (JobState::Finished, 300));
    }
    assert_eq!(get(store, 300).await.history().attempt, 3);
}
