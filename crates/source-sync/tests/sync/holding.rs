//! Two engines, and the one that holds the sync.

use std::num::NonZeroUsize;

use stocktake_domain::ports::{SyncState as _, WorkerId};
use stocktake_source_sync::SyncError;
use tokio_util::sync::CancellationToken;

use crate::support::{HOUR, LFS, MINUTE, Silent, UPLOADS, World, sooner_or_later};

#[tokio::test(start_paused = true)]
async fn two_do_not_sync_at_once() {
    let world = World::with_rows(1..=12);
    world.source.rows().hangs_at = Some(3);
    let first = world.spawn_once("first");
    world.source.until(|rows| rows.pages == 3).await;
    // However long the page takes, the first one holds on.
    tokio::time::sleep(HOUR).await;
    assert!(matches!(world.once(false).await, Err(SyncError::NotLeader)));
    first.abort();
    first.await.unwrap_err();
    // It cannot let go, and is waited for as long as it said.
    world.once(false).await.unwrap();
    assert_eq!(world.keys(UPLOADS).len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_lost_ends_the_work() {
    let world = World::with_rows(1..=12);
    world.source.rows().hangs_at = Some(40);
    let first = world.spawn_once("first");
    world.source.until(|rows| rows.pages == 3).await;
    world.store.memory.release_leader_lease(&WorkerId("first".to_owned())).await.unwrap();
    let second = WorkerId("second".to_owned());
    assert!(world.store.memory.acquire_leader_lease(&second, HOUR).await.unwrap());
    let batches = world.store.seen().batches;
    assert!(matches!(sooner_or_later(first).await.unwrap(), Err(SyncError::LeaseLost)));
    assert_eq!(world.store.seen().batches, batches);
    assert_eq!(world.store.memory.leader().unwrap().0.0, "second");
}

#[tokio::test(start_paused = true)]
async fn one_that_could_not_prolong_in_time_does_not_go_on_with_what_it_read_before() {
    let world = World::synced(1..=3).await;
    let pages = world.source.rows().pages;
    world.source.rows().hangs_at = Some(pages + 1);
    let first = world.spawn_once("first");
    world.source.until(|rows| rows.pages == pages + 1).await;
    world.store.seen().away = true;
    let ended = sooner_or_later(first).await.unwrap();
    assert!(matches!(ended, Err(SyncError::LeaseLost)));
    world.store.seen().away = false;
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_of_the_database_loses_no_hold() {
    let world = World::with_rows(1..=3);
    world.source.rows().hangs_at = Some(1);
    let first = world.spawn_once("first");
    world.source.until(|rows| rows.pages == 1).await;
    world.store.seen().away = true;
    tokio::time::sleep(MINUTE / 4).await;
    world.store.seen().away = false;
    tokio::time::sleep(HOUR).await;
    assert!(!first.is_finished());
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stopped_reports_what_it_has_done_and_lets_go() {
    let world = World::with_rows(1..=12);
    let (engine, stop) = (world.engine("one"), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { engine.once(&[LFS, UPLOADS], false, &Silent, token).await });
    world.source.rows().hangs_at = Some(5);
    world.source.until(|rows| rows.pages == 5).await;
    tokio::time::sleep(MINUTE).await;
    stop.cancel();
    let report = sooner_or_later(task).await.unwrap().unwrap();
    assert!(report.stopped);
    assert_eq!(report.models.iter().map(|line| line.read).collect::<Vec<_>>(), [12, 5]);
    assert!(world.store.memory.leader().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_sync_by_hand_comes_between_the_looks_of_the_schedule() {
    let world = World::with_rows(1..=12);
    let running = world.run("schedule");
    for _ in 0..20 {
        world.once(false).await.unwrap();
        tokio::time::sleep(MINUTE * 7 / 20).await;
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_schedules_read_no_more_than_one_and_each_takes_over() {
    let world = World::with_rows(1..=12);
    let first = world.run("first");
    tokio::time::sleep(MINUTE / 4).await;
    let second = world.run("second");
    tokio::time::sleep(10 * MINUTE).await;
    let asked = world.source.rows().pages;
    tokio::time::sleep(10 * MINUTE).await;
    // Touched and new rows of each model, each minute.
    let each_minute = (world.source.rows().pages - asked) / 10;
    assert!((35..=40).contains(&each_minute), "{each_minute}");
    first.kill().await;
    world.source.put(LFS, [13]);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(world.keys(LFS).len(), 13);
    second.stop().await;
    assert!(world.store.memory.leader().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_model_whose_page_takes_long_does_not_keep_the_next_one_waiting() {
    let mut world = World::with_rows(1..=12);
    world.settings.models_at_once = NonZeroUsize::new(2).unwrap();
    world.source.rows().hangs_at = Some(1);
    let (engine, stop) = (world.engine("one"), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { engine.once(&[LFS, UPLOADS], false, &Silent, token).await });
    tokio::time::sleep(MINUTE).await;
    // Which of them is asked for first is of no matter.
    let added = [LFS, UPLOADS].map(|model| u64::try_from(world.keys(model).len()).unwrap());
    assert!([[0, 12], [12, 0]].contains(&added), "{added:?}");
    stop.cancel();
    let report = sooner_or_later(task).await.unwrap().unwrap();
    assert!(report.stopped);
    assert_eq!(report.models.iter().map(|line| line.read).collect::<Vec<_>>(), added);
    world.source.rows().hangs_at = None;
    world.once(false).await.unwrap();
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (12, 12));
}

#[tokio::test(start_paused = true)]
async fn several_models_are_followed_at_once() {
    let mut world = World::with_rows(1..=12);
    world.settings.models_at_once = NonZeroUsize::new(2).unwrap();
    world.source.rows().hangs_at = Some(1);
    let running = world.run("schedule");
    tokio::time::sleep(MINUTE / 4).await;
    // The page that hangs is of a model before both.
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (12, 12));
    running.stop().await;
    world.source.rows().hangs_at = None;
    let again = world.run("again");
    tokio::time::sleep(MINUTE / 4).await;
    world.source.put(LFS, [13]);
    world.source.put(UPLOADS, [14, 15]);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (13, 14));
    again.stop().await;
}
