//! Many storages, of which some hang, break down, or are not to be read now.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::{Model, State};
use tokio::time::Instant;

use crate::support::World;
use crate::support::content::Piece;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_hung_storage_holds_its_own_leases_and_blocks_no_other() {
    let mut world = World::new(&["hung", "main"]);
    (world.settings.claim_size, world.settings.leases_per_storage) = (10, 3);
    world.content("hung").put("file", Piece::Hanging);
    for key in 0..100 {
        world.add(Model::Uploads, key, "hung", "file");
        world.add(Model::LfsObjects, key, "main", "file");
    }
    let running = world.run();
    world.until_succeeded(100).await;
    world.content("hung").until(|used| used.now == 3).await;
    tokio::time::sleep(HOUR).await;
    let used = world.content("hung").used();
    assert_eq!((used.most, used.times("file")), (3, 30));
    assert_eq!(world.queue.seen().most_held["hung"], 3);
    assert_eq!(world.queue.seen().most_held["main"], 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn leases_are_claimed_ahead_but_never_more_than_allowed() {
    let mut world = World::new(&["main"]);
    (world.settings.claim_size, world.settings.leases_per_storage) = (5, 4);
    world.content("main").put("slow", Piece::Gated);
    for key in 0..200 {
        world.add(Model::Uploads, key, "main", "slow");
    }
    let running = world.run();
    world.content("main").until(|used| used.now == 4).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.content("main").used().times("slow"), 20);
    world.content("main").open();
    world.until_succeeded(200).await;
    assert_eq!(world.content("main").used().most, 4);
    assert_eq!(world.queue.seen().most_held["main"], 4);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_breaks_down_is_given_back_and_tried_again_later() {
    let world = World::new(&["broken", "main"]);
    world.content("broken").put("file", Piece::Panicking);
    for key in 0..20 {
        world.add(Model::Uploads, key, "broken", "file");
        world.add(Model::Uploads, 100 + key, "main", "file");
    }
    let running = world.run();
    world.until_succeeded(20).await;
    world.content("broken").until(|used| used.times("file") >= 100).await;
    assert_eq!(world.queue.count(State::Failed), 0);
    // Five tries of twenty records, with rests that double in between.
    assert!(world.now().millis() % 100_000 >= (1 + 2 + 4 + 8) * 1_000, "{}", world.now());
    world.content("broken").put("file", Piece::Good(1, 1));
    world.until_succeeded(40).await;
    assert_eq!(world.record(Model::Uploads, 0).history().attempt, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_storage_is_read_in_its_hours_only() {
    // The clock begins at 22:13:20.
    let mut world = World::new(&["main", "night"]);
    world.storages.get_mut("night").unwrap().1 = Some("23:00-01:00".parse().unwrap());
    world.content("night").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "file");
    world.add(Model::Uploads, 2, "night", "file");
    world.add(Model::Uploads, 3, "night", "slow");
    let (running, began) = (world.run(), Instant::now());
    world.until_succeeded(1).await;
    world.until_succeeded(2).await;
    let waited = began.elapsed();
    assert!((2_800..2_820).contains(&waited.as_secs()), "{waited:?}");
    world.content("night").until(|used| used.given_up == 1).await;
    world.queue.until(|queue| queue.leases() == 0).await;
    let waited = began.elapsed();
    assert!((2_800 + 7_200..2_820 + 7_200).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(world.state(Model::Uploads, 3), State::Pending);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_beside_the_disks_leaves_other_storages_alone() {
    let mut world = World::new(&["far", "near"]);
    world.settings.storages = Some(vec!["near".to_owned()]);
    world.add(Model::Uploads, 1, "far", "file");
    world.add(Model::Uploads, 2, "near", "file");
    world.add(Model::Uploads, 3, "unknown", "file");
    let running = world.run();
    world.until_succeeded(1).await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    assert_eq!(world.state(Model::Uploads, 2), State::Succeeded);
    assert_eq!(world.state(Model::Uploads, 3), State::Pending);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_another_worker_knows_is_left_to_it() {
    let (one, mut other) = (World::new(&["far"]), World::new(&["near"]));
    other.queue = Arc::clone(&one.queue);
    let running = one.run();
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.add(Model::Uploads, 1, "near", "file");
    for key in 2..20 {
        other.add(Model::Uploads, key, "far", "file");
    }
    let both = other.run();
    one.until_succeeded(19).await;
    both.stop().await;
    running.stop().await;
    // Who knows it was stopped, and is started anew.
    for key in 20..40 {
        other.add(Model::Uploads, key, "far", "file");
    }
    let both = other.run();
    tokio::time::sleep(Duration::from_secs(170)).await;
    assert_eq!((other.queue.count(State::Pending), other.queue.count(State::Failed)), (20, 0));
    let running = one.run();
    one.until_succeeded(39).await;
    running.stop().await;
    both.stop().await;
    // Nobody is left who knows it. Workers of one moment have one name here, since nothing is random.
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.add(Model::Uploads, 40, "far", "file");
    let (began, _running) = (Instant::now(), other.run());
    other.queue.until(|queue| queue.count(State::Failed) == 1).await;
    assert!(began.elapsed() >= Duration::from_secs(170), "{:?}", began.elapsed());
    assert_eq!(other.failure(Model::Uploads, 40), "Error during verification: unknown storage \"far\"");
}

#[tokio::test(start_paused = true)]
async fn new_work_is_begun_at_once_when_signalled_and_at_the_poll_when_not() {
    let mut world = World::new(&["main"]);
    world.settings.poll = HOUR;
    world.add(Model::Uploads, 1, "main", "file");
    let running = world.run();
    world.until_succeeded(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;

    let signalled = Instant::now();
    world.add(Model::Uploads, 2, "main", "file");
    world.queue.store.wake();
    world.until_succeeded(2).await;
    assert_eq!(signalled.elapsed(), Duration::ZERO);

    world.add(Model::Uploads, 3, "main", "file");
    world.until_succeeded(3).await;
    assert_eq!(signalled.elapsed(), HOUR);
    running.stop().await;
}
