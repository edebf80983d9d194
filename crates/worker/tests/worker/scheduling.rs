//! The scheduler: jobs, clearing up, retries and old successes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stocktake_domain::ports::{ClaimFilter, LeaseTerms, MockJobs, Queue as _, StoreError, WorkerId};
use stocktake_domain::{
    ContentError, Job, JobId, JobState, Model, NewJob, RecordKey, Selection, State, Timestamp,
};
use stocktake_worker::{Scheduler, SchedulerSettings};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::World;
use crate::support::content::Piece;
use crate::support::queue::Failing;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Jobs that have so many records left to mark.
#[derive(Default)]
struct Backlog {
    left: Mutex<Vec<(JobId, u64, u64)>>,
    steps: Mutex<Vec<u32>>,
    looks: Mutex<u64>,
    failing: Mutex<u32>,
}

fn job(id: JobId, marked: u64, state: JobState) -> Job {
    let request = NewJob {
        model: Model::Uploads,
        selection: Selection::default(),
        requested_by: "somebody".to_owned(),
    };
    Job { state, marked, ..Job::enqueued(id, &request, Timestamp::from_millis(0)) }
}

impl Backlog {
    fn add(&self, id: i64, records: u64) {
        self.left.lock().unwrap().push((JobId(id), records, 0));
    }

    fn advance(&self, limit: u32) -> Result<Option<Job>, StoreError> {
        *self.looks.lock().unwrap() += 1;
        let mut failing = self.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return Err(StoreError::Unavailable("pulled the plug".into()));
        }
        let mut left = self.left.lock().unwrap();
        let Some((id, records, marked)) = left.first_mut() else { return Ok(None) };
        let id = *id;
        self.steps.lock().unwrap().push(limit);
        let step = (*records).min(u64::from(limit));
        (*records, *marked) = (*records - step, *marked + step);
        let (marked, over) = (*marked, *records == 0);
        if over {
            left.remove(0);
        }
        Ok(Some(job(id, marked, if over { JobState::Finished } else { JobState::Running })))
    }

    fn jobs(self: &Arc<Self>) -> Arc<MockJobs> {
        let mut jobs = MockJobs::new();
        let backlog = Arc::clone(self);
        jobs.expect_advance().returning(move |limit| backlog.advance(limit));
        let backlog = Arc::clone(self);
        jobs.expect_open().returning(move || {
            let left = backlog.left.lock().unwrap();
            Ok(left.iter().map(|(id, _, marked)| job(*id, *marked, JobState::Running)).collect())
        });
        Arc::new(jobs)
    }
}

fn scheduler(world: &World, backlog: &Arc<Backlog>) -> Scheduler {
    let (lease, give_up_after) = (8 * 60 * MINUTE, 5 * MINUTE);
    let settings = SchedulerSettings { reverify_after: 120 * MINUTE, lease, poll: MINUTE, give_up_after };
    Scheduler::new(world.queue.clone(), backlog.jobs(), world.clock.clone(), settings)
}

fn run(scheduler: Scheduler) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let token = stop.clone();
    (stop, tokio::spawn(async move { scheduler.run(token).await }))
}

#[tokio::test(start_paused = true)]
async fn jobs_are_advanced_to_their_end_in_growing_steps_and_at_once_when_signalled() {
    let world = World::new(&[]);
    let backlog = Arc::new(Backlog::default());
    let (stop, task) = run(scheduler(&world, &backlog));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*backlog.looks.lock().unwrap(), 1);
    backlog.add(1, 30_000);
    backlog.add(2, 1);
    world.queue.store.wake();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(backlog.left.lock().unwrap().is_empty());
    assert_eq!(*backlog.steps.lock().unwrap(), [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    // Without a signal, at the poll.
    backlog.add(3, 1);
    tokio::time::sleep(2 * MINUTE).await;
    assert!(backlog.left.lock().unwrap().is_empty());
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn jobs_go_on_by_themselves_after_an_outage() {
    let world = World::new(&[]);
    let backlog = Arc::new(Backlog::default());
    backlog.add(1, 10);
    *backlog.failing.lock().unwrap() = 3;
    let (stop, task) = run(scheduler(&world, &backlog));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(backlog.left.lock().unwrap().is_empty());
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_command_brings_all_jobs_to_their_end_or_says_why_not() {
    let world = World::new(&[]);
    let backlog = Arc::new(Backlog::default());
    let scheduler = scheduler(&world, &backlog);
    assert_eq!(scheduler.run_jobs().await.unwrap(), 0);
    backlog.add(1, 2_500);
    backlog.add(2, 7);
    assert_eq!(backlog.advance(500).unwrap().unwrap().marked, 500);
    *backlog.failing.lock().unwrap() = 4;
    assert_eq!(scheduler.run_jobs().await.unwrap(), 2_007);
    backlog.add(3, 1);
    *backlog.failing.lock().unwrap() = 1_000;
    let begin = Instant::now();
    assert!(matches!(scheduler.run_jobs().await, Err(StoreError::Unavailable(_))));
    assert!((5 * MINUTE..6 * MINUTE).contains(&begin.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn failed_records_are_retried_when_their_time_has_come() {
    let world = World::new(&["main"]);
    world.content("main").put("file", Piece::Bad(ContentError::MissingRepository));
    for key in 0..2_500 {
        world.add(Model::Uploads, key, "main", "file");
    }
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 2_500).await;
    world.content("main").put("file", Piece::Good(1, 1));
    let (began, waited) = (Instant::now(), Duration::from_secs(1 + 15 + 15 * 2));
    let (stop, task) = run(scheduler(&world, &Arc::new(Backlog::default())));
    world.until_succeeded(2_500).await;
    assert!(began.elapsed() >= waited);
    assert!(began.elapsed() <= waited + 2 * MINUTE);
    let history = *world.record(Model::Uploads, 1).history();
    assert_eq!((history.attempt, history.retry_count), (2, 0));
    stop.cancel();
    task.await.unwrap();
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn leases_of_the_dead_are_cleared_away() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let filter = ClaimFilter::any(1);
    let dead = WorkerId("dead".to_owned());
    world
        .queue
        .claim(&dead, &filter, LeaseTerms { duration: DAY, heartbeat_timeout: MINUTE })
        .await
        .unwrap()
        .unwrap();
    let (stop, task) = run(scheduler(&world, &Arc::new(Backlog::default())));
    world.queue.until(|queue| queue.leases() == 0).await;
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn old_successes_are_checked_again_also_after_an_outage() {
    let world = World::new(&["main"]);
    for key in 0..3 {
        world.add(Model::ALL[0], key, "main", "file");
        world.add(Model::Uploads, key, "main", "file");
    }
    let running = world.run();
    world.until_succeeded(6).await;
    let first = world.now();
    world.queue.seen().failing = Some(Failing::Unreachable);
    world.queue.seen().failed_calls = 0;
    let (stop, task) = run(scheduler(&world, &Arc::new(Backlog::default())));
    world.queue.until(|queue| queue.seen().failed_calls > 10).await;
    world.queue.seen().failing = None;
    tokio::time::sleep(115 * MINUTE).await;
    assert_eq!(world.record(Model::Uploads, 1).history().last_checksum_at(), Some(first));
    tokio::time::sleep(15 * MINUTE).await;
    for model in [Model::ALL[0], Model::Uploads] {
        let record = world.record(model, 1);
        assert_eq!((record.state(), record.history().attempt), (State::Succeeded, 2));
    }
    stop.cancel();
    task.await.unwrap();
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_sweep_delays_no_job() {
    let world = World::new(&[]);
    // A sweep that does not end: each step finds one more record to look behind.
    let mut queue = stocktake_domain::ports::MockQueue::new();
    let wake = Arc::clone(&world.queue);
    queue.expect_wake_signal().returning(move || wake.wake_signal());
    queue.expect_reap().returning(|_| Ok(stocktake_domain::ports::Reaped::default()));
    queue.expect_retry_failed().returning(|_, _| Ok(0));
    queue.expect_expire_succeeded().returning(|_, _, _, _| Ok((Some(RecordKey::integer(1)), 0)));
    let backlog = Arc::new(Backlog::default());
    let settings =
        SchedulerSettings { reverify_after: DAY, lease: MINUTE, poll: MINUTE, give_up_after: MINUTE };
    let scheduler = Scheduler::new(Arc::new(queue), backlog.jobs(), world.clock.clone(), settings);
    backlog.add(1, 5_000);
    let (stop, task) = run(scheduler);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(backlog.left.lock().unwrap().is_empty());
    stop.cancel();
    task.await.unwrap();
}
