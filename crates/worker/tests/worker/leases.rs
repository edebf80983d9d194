//! Leases that are renewed, lost, or run out.

use std::time::Duration;

use stocktake_domain::ports::Queue as _;
use stocktake_domain::{FailureKind, Model, RecordKey, State};

use crate::support::World;
use crate::support::content::Piece;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_lease_that_gets_on_is_renewed_for_as_long_as_it_takes() {
    let mut world = World::new(&["main"]);
    world.settings.policy.lease = Duration::from_secs(2);
    world.content("main").put("large", Piece::Trickling);
    world.add(Model::Uploads, 1, "main", "large");
    let running = world.run();
    world.content("main").until(|used| used.now == 1).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reaped = world.queue.reap(Duration::from_secs(2)).await.unwrap();
        assert_eq!((reaped.timed_out, reaped.released), (0, 0));
    }
    world.content("main").open();
    world.until_succeeded(1).await;
    assert_eq!(world.queue.seen().claims, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_get_on_runs_out_and_its_work_is_dropped() {
    let mut world = World::new(&["main"]);
    world.settings.policy.lease = 10 * MINUTE;
    world.content("main").put("stuck", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "stuck");
    world.add(Model::Uploads, 2, "main", "file");
    let running = world.run();
    world.until_succeeded(1).await;
    tokio::time::sleep(9 * MINUTE).await;
    assert_eq!(world.queue.reap(10 * MINUTE).await.unwrap().timed_out, 0);
    // What was recorded in the first second counted as getting on.
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(world.queue.reap(10 * MINUTE).await.unwrap().timed_out, 1);
    let failure = world.record(Model::Uploads, 1).status.failure().cloned().unwrap();
    assert_eq!(failure.kind(), FailureKind::TimedOut);
    assert_eq!(failure.text(), "Verification timed out after 10m");
    // The record is taken anew, and the old work dropped with the next sign of life.
    world.content("main").until(|used| used.now == 2).await;
    world.content("main").until(|used| used.now == 1).await;
    world.content("main").open();
    world.until_succeeded(2).await;
    assert_eq!(world.content("main").used().times("stuck"), 2);
    assert_eq!(world.record(Model::Uploads, 1).history().attempt, 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_a_lease_writes_nothing() {
    let (world, running) = World::while_reading("slow", Piece::Gated).await;
    running.stop.cancel();
    world.queue.lose_leases();
    world.content("main").open();
    running.task.await.unwrap();
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    assert_eq!(world.record(Model::Uploads, 1).history().attempt, 0);
}

#[tokio::test(start_paused = true)]
async fn a_recalculation_meanwhile_voids_the_running_result() {
    let (world, running) = World::while_reading("slow", Piece::Gated).await;
    world.queue.recalculate(Model::Uploads, &RecordKey::integer(1)).await.unwrap();
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    world.content("main").open();
    world.until_succeeded(1).await;
    // The first attempt's result was thrown away; the recalculation and the attempt after it took numbers of their own.
    assert_eq!(world.content("main").used().times("slow"), 2);
    assert_eq!(world.record(Model::Uploads, 1).history().attempt, 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_say_whether_the_work_gets_on() {
    let world = World::new(&["main"]);
    world.content("main").put("stuck", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "stuck");
    world.add(Model::Uploads, 2, "main", "file");
    let running = world.run();
    world.queue.until(|queue| queue.seen().renewals.len() == 3).await;
    let progressed: Vec<bool> =
        world.queue.seen().renewals.iter().map(|renewal| renewal.progressed).collect();
    assert_eq!(progressed, [true, false, false]);
    running.stop().await;
}
