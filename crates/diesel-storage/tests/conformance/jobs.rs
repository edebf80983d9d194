//! The port `Jobs`.

use stocktake_domain::{Job, JobId, JobState, NewJob, Selection, State};

use crate::support::{
    Database, MODEL, at, claim, composite, count, entry_of, fail_all, failures, get, import, import_numbers,
    in_state, key, numbers_in, succeed_all, successes, with_numbers,
};

fn about(selection: Selection) -> NewJob {
    NewJob { model: MODEL, selection, requested_by: "somebody".to_owned() }
}

async fn enqueue(db: &Database, selection: Selection) -> Job {
    db.store.jobs.enqueue(&about(selection), at(1000)).await.unwrap()
}

/// Advances to the end; returns the job and in how many steps it ended.
async fn run(db: &Database, limit: u32) -> (Job, usize) {
    let mut steps = 0;
    loop {
        let job = db.store.jobs.advance(limit, at(2000)).await.unwrap().unwrap();
        steps += 1;
        if job.state.is_over() {
            return (job, steps);
        }
    }
}

pub(crate) async fn a_job_over_everything_goes_in_batches(db: &Database) {
    import_numbers(&db.store, 1..=10, 100).await;
    succeed_all(&db.store, 200).await;
    assert_eq!(db.store.jobs.advance(4, at(900)).await.unwrap(), None);
    let job = enqueue(db, Selection::default()).await;
    assert_eq!(
        job,
        Job {
            id: job.id,
            request: about(Selection::default()),
            state: JobState::Queued,
            marked: 0,
            created_at: at(1000),
            started_at: None,
            finished_at: None,
        }
    );
    let first = db.store.jobs.advance(4, at(1100)).await.unwrap().unwrap();
    assert_eq!((first.state, first.marked, first.started_at), (JobState::Running, 4, Some(at(1100))));
    assert_eq!(numbers_in(&db.store, State::Pending).await, [1, 2, 3, 4]);
    assert_eq!(get(&db.store, 1).await.history().attempt, 2);
    let (last, steps) = run(db, 4).await;
    assert_eq!((steps, last.marked, last.state), (2, 10, JobState::Finished));
    assert_eq!((last.started_at, last.finished_at), (Some(at(1100)), Some(at(2000))));
    assert_eq!(db.store.jobs.get(job.id).await.unwrap(), Some(last));
    assert_eq!(db.store.jobs.advance(4, at(2000)).await.unwrap(), None);
    assert_eq!(succeed_all(&db.store, 3000).await, 10);
    // Exactly as many as there are end in one step; none is one step too.
    enqueue(db, Selection::default()).await;
    assert_eq!(run(db, 10).await.1, 1);
    enqueue(db, in_state(State::Failed)).await;
    let (none, steps) = run(db, 10).await;
    assert_eq!((steps, none.marked), (1, 0));
}

pub(crate) async fn jobs_by_state_visit_each_record_once(db: &Database) {
    import_numbers(&db.store, 1..=9, 100).await;
    let lease = claim(&db.store, 6, 100).await.unwrap();
    let (good, bad) = (successes(&lease, 200), failures(&lease, 200));
    let results = [&good[..3], &bad[3..]].concat();
    db.store.queue.complete(lease.id, &results, true).await.unwrap();
    import(&db.store, vec![stocktake_domain::SourceRecord { disabled: true, ..entry_of(key(10)) }], 300)
        .await;
    for (state, marked) in
        [(State::Pending, 3), (State::Succeeded, 3), (State::Failed, 3), (State::Disabled, 1)]
    {
        enqueue(db, in_state(state)).await;
        let (job, _) = run(db, 2).await;
        assert_eq!(job.marked, marked, "{state}");
        assert_eq!(job.request.selection, in_state(state));
    }
    assert_eq!(count(&db.store, in_state(State::Pending)).await, 10);
    for number in 1..=10 {
        let attempts = if number <= 6 { 2 } else { 1 };
        assert_eq!(get(&db.store, number).await.history().attempt, attempts);
    }
}

pub(crate) async fn a_job_by_keys_marks_those_there_are(db: &Database) {
    import_numbers(&db.store, 1..=9, 100).await;
    import(&db.store, vec![entry_of(composite(&[3, 1]))], 100).await;
    succeed_all(&db.store, 200).await;
    let mut selection = with_numbers(&[9, 5, 3, 77, 5]);
    selection.keys.as_mut().unwrap().push(composite(&[3, 1]));
    let job = enqueue(db, selection.clone()).await;
    assert_eq!(db.store.jobs.get(job.id).await.unwrap().unwrap().request.selection, selection);
    let (done, steps) = run(db, 2).await;
    assert_eq!((done.marked, steps), (4, 3));
    assert_eq!(count(&db.store, in_state(State::Pending)).await, 4);
    enqueue(db, Selection { state: Some(State::Succeeded), ..with_numbers(&[1, 3, 5]) }).await;
    assert_eq!(run(db, 100).await.0.marked, 1);
}

pub(crate) async fn a_job_over_started_records_ends(db: &Database) {
    import_numbers(&db.store, 1..=5, 100).await;
    let lease = claim(&db.store, 3, 100).await.unwrap();
    enqueue(db, in_state(State::Started)).await;
    let (job, steps) = run(db, 2).await;
    assert_eq!((job.marked, steps), (3, 2));
    assert_eq!(numbers_in(&db.store, State::Pending).await, [1, 2, 3, 4, 5]);
    // Their attempt was made void.
    assert_eq!(db.store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 0);
    assert_eq!(fail_all(&db.store, 400).await, 5);
}

pub(crate) async fn a_cancelled_job_stays_half_done(db: &Database) {
    import_numbers(&db.store, 1..=9, 100).await;
    succeed_all(&db.store, 200).await;
    let job = enqueue(db, Selection::default()).await;
    db.store.jobs.advance(4, at(1100)).await.unwrap();
    let cancelled = db.store.jobs.cancel(job.id, at(1200)).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.marked), (JobState::Cancelled, 4));
    assert_eq!(cancelled.finished_at, Some(at(1200)));
    assert_eq!(db.store.jobs.advance(4, at(1300)).await.unwrap(), None);
    assert_eq!(count(&db.store, in_state(State::Pending)).await, 4);
    // Over is over.
    assert_eq!(db.store.jobs.cancel(job.id, at(9999)).await.unwrap(), Some(cancelled));
    enqueue(db, Selection::default()).await;
    let (finished, _) = run(db, 100).await;
    assert_eq!(db.store.jobs.cancel(finished.id, at(9999)).await.unwrap(), Some(finished));
    assert_eq!(db.store.jobs.cancel(JobId(4711), at(9999)).await.unwrap(), None);
    assert_eq!(db.store.jobs.get(JobId(4711)).await.unwrap(), None);
}

pub(crate) async fn jobs_are_listed_newest_first(db: &Database) {
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(enqueue(db, Selection::default()).await.id);
    }
    let listed = async |before, limit| {
        let jobs = db.store.jobs.list(before, limit).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10).await, [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(listed(None, 2).await, [ids[3], ids[2]]);
    assert_eq!(listed(Some(ids[2]), 10).await, [ids[1], ids[0]]);
    db.store.jobs.cancel(ids[1], at(1)).await.unwrap();
    // The oldest open one comes first.
    assert_eq!(db.store.jobs.advance(10, at(2)).await.unwrap().unwrap().id, ids[0]);
    let open: Vec<JobId> = db.store.jobs.open().await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(open, [ids[2], ids[3]]);
}

pub(crate) async fn two_advance_one_job_at_a_time(db: &Database) {
    import_numbers(&db.store, 1..=300, 100).await;
    succeed_all(&db.store, 200).await;
    for _ in 0..2 {
        enqueue(db, Selection::default()).await;
    }
    let workers = (0..4).map(|_| {
        let store = db.store.clone();
        tokio::spawn(async move { while store.jobs.advance(7, at(2000)).await.unwrap().is_some() {} })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    // One who came while the last jobs were being advanced found none free.
    while db.store.jobs.advance(7, at(2000)).await.unwrap().is_some() {}
    for job in db.store.jobs.list(None, 10).await.unwrap() {
        assert_eq!((job.state, job.marked), (JobState::Finished, 300));
    }
    assert_eq!(get(&db.store, 300).await.history().attempt, 3);
}
