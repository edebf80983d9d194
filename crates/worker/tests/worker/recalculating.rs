//! The recalculation of one record while somebody waits.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Recalculated, Recalculation as _, StoreError};
use stocktake_domain::{ContentError, Model, RecordKey, State};
use stocktake_worker::Engine;
use tokio::time::Instant;

use crate::support::World;
use crate::support::content::Piece;
use crate::support::queue::Failing;

const PATIENCE: Duration = Duration::from_secs(30);

/// Recalculates an upload.
pub(crate) async fn ask(
    engine: &Engine,
    key: i64,
    patience: Duration,
) -> Result<Option<Recalculated>, StoreError> {
    engine.recalculate_now(Model::Uploads, &RecordKey::integer(key), patience).await
}

#[tokio::test(start_paused = true)]
async fn a_record_is_recalculated_at_once() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let engine = world.engine();
    let good = ask(&engine, 1, PATIENCE).await.unwrap().unwrap();
    assert!(good.finished);
    assert_eq!(good.record, world.record(Model::Uploads, 1));
    assert_eq!(good.record.state(), State::Succeeded);
    world.content("main").put("file", Piece::Bad(ContentError::MissingRepository));
    let bad = ask(&engine, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((bad.finished, bad.record.state()), (true, State::Failed));
    assert_eq!(ask(&engine, 2, PATIENCE).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_behind_the_queue() {
    let mut world = World::new(&["main"]);
    (world.settings.claim_size, world.settings.leases_per_storage) = (1, 1);
    world.content("main").put("hung", Piece::Hanging);
    world.add(Model::Uploads, 1, "main", "hung");
    world.add(Model::Uploads, 2, "main", "file");
    let running = world.run();
    world.content("main").until(|used| used.now == 1).await;
    let began = Instant::now();
    let asked = ask(&running.engine, 2, PATIENCE).await.unwrap().unwrap();
    assert_eq!((asked.finished, asked.record.state()), (true, State::Succeeded));
    assert_eq!(began.elapsed(), Duration::ZERO);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_it_goes_on_in_the_background() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "slow");
    let (engine, began) = (world.engine(), Instant::now());
    let asked = ask(&engine, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!(began.elapsed(), PATIENCE);
    assert_eq!((asked.finished, asked.record.state()), (false, State::Started));
    world.content("main").open();
    world.until_succeeded(1).await;
    assert_eq!(world.content("main").used().times("slow"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_stops_nothing() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "slow");
    let engine = world.engine();
    let caller = Arc::clone(&engine);
    let task = tokio::spawn(async move { ask(&caller, 1, PATIENCE).await });
    world.content("main").until(|used| used.now == 1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    world.content("main").open();
    world.until_succeeded(1).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_the_later_counts_and_both_are_answered() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "slow");
    let engine = world.engine();
    let caller = Arc::clone(&engine);
    let first = tokio::spawn(async move { ask(&caller, 1, PATIENCE).await });
    world.content("main").until(|used| used.now == 1).await;
    let caller = Arc::clone(&engine);
    let second = tokio::spawn(async move { ask(&caller, 1, PATIENCE).await });
    world.content("main").until(|used| used.now == 2).await;
    world.content("main").open();
    let first = first.await.unwrap().unwrap().unwrap();
    let second = second.await.unwrap().unwrap().unwrap();
    assert_eq!(first, second);
    assert_eq!((first.finished, first.record.state()), (true, State::Succeeded));
    // Two recalculations and the attempt of each, the first of which was made void while it ran.
    assert_eq!(first.record.history().attempt, 4);
}

#[tokio::test(start_paused = true)]
async fn a_record_in_a_storage_of_others_is_left_to_them() {
    let mut world = World::new(&["far", "near"]);
    world.settings.storages = Some(vec!["near".to_owned()]);
    world.add(Model::Uploads, 1, "far", "file");
    let near = world.engine();
    let alone = ask(&near, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((alone.finished, alone.record.state()), (false, State::Pending));
    assert_eq!(world.content("far").used().times("file"), 0);
    world.settings.storages = Some(vec!["far".to_owned()]);
    let far = world.run();
    let asked = ask(&near, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((asked.finished, asked.record.state()), (true, State::Succeeded));
    assert_eq!(ask(&near, 2, PATIENCE).await.unwrap(), None);
    far.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_in_a_storage_that_only_another_process_knows_is_waited_for() {
    let (far, mut near) = (World::new(&["far"]), World::new(&["near"]));
    near.queue = Arc::clone(&far.queue);
    let far_running = far.run();
    // Workers of one moment have one name here, since nothing is random.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let near_running = near.run();
    near.add(Model::Uploads, 1, "far", "file");
    let good = ask(&near_running.engine, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((good.finished, good.record.state()), (true, State::Succeeded));
    far.content("far").put("file", Piece::Bad(ContentError::MissingRepository));
    let bad = ask(&near_running.engine, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((bad.finished, bad.record.state()), (true, State::Failed));
    far.content("far").put("file", Piece::Gated);
    let began = Instant::now();
    let slow = ask(&near_running.engine, 1, PATIENCE).await.unwrap().unwrap();
    assert_eq!((slow.finished, slow.record.state()), (false, State::Started));
    assert_eq!(began.elapsed(), PATIENCE);
    near_running.stop().await;
    far_running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait() {
    let mut world = World::new(&["far", "main"]);
    world.settings.storages = Some(vec!["main".to_owned()]);
    world.content("main").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "slow");
    world.add(Model::Uploads, 2, "far", "file");
    let running = world.run();
    world.content("main").until(|used| used.now == 1).await;
    let asked = [1, 2].map(|number| {
        let engine = Arc::clone(&running.engine);
        tokio::spawn(async move { (ask(&engine, number, PATIENCE).await, Instant::now()) })
    });
    world.content("main").until(|used| used.now == 2).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    running.stop().await;
    for asked in asked {
        let (answer, at) = asked.await.unwrap();
        let answer = answer.unwrap().unwrap();
        assert_eq!((answer.finished, answer.record.state()), (false, State::Pending));
        assert!(at - began <= Duration::from_secs(1), "{:?}", at - began);
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_held_are_left_to_the_queue() {
    let world = World::new(&["main"]);
    world.content("main").put("hung", Piece::Hanging);
    for key in 0..70 {
        world.add(Model::Uploads, key, "main", "hung");
    }
    let engine = world.engine();
    for key in 0..70 {
        assert!(!ask(&engine, key, Duration::ZERO).await.unwrap().unwrap().finished);
    }
    world.content("main").until(|used| used.now == 64).await;
    world.queue.until(|queue| queue.count(State::Started) == 64).await;
    assert_eq!(world.content("main").used().times("hung"), 64);
    engine.close().await;
    assert_eq!(world.queue.leases(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_at_once() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    world.queue.seen().failing = Some(Failing::Unreachable);
    let asked = ask(&world.engine(), 1, PATIENCE).await;
    assert!(matches!(asked, Err(StoreError::Unavailable(_))), "{asked:?}");
}
