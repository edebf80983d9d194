//! The end: within ten seconds, with what is finished recorded and the rest given back.

use std::time::Duration;

use stocktake_domain::{Model, State};

use crate::support::World;
use crate::support::content::Piece;

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn an_idle_engine_stops_at_once() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let running = world.run();
    world.until_succeeded(1).await;
    assert_eq!(running.stop().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_finished_is_recorded_and_the_rest_given_back() {
    let mut world = World::new(&["main"]);
    world.settings.claim_size = 10;
    world.content("main").put("slow", Piece::Gated);
    for key in 0..100 {
        world.add(Model::Uploads, key, "main", if key % 10 == 0 { "slow" } else { "quick" });
    }
    let running = world.run();
    // Both leases are being read, and nothing is recorded yet.
    world.content("main").until(|used| used.now == 2).await;
    assert!(running.stop().await <= LIMIT);
    let queue = &world.queue;
    assert_eq!((queue.leases(), queue.seen().claims), (0, 2));
    assert_eq!((queue.count(State::Succeeded), queue.count(State::Pending)), (18, 82));
}

#[tokio::test(start_paused = true)]
async fn a_hung_reading_does_not_keep_the_engine() {
    let world = World::new(&["main"]);
    world.content("main").put("hung", Piece::Hanging);
    world.add(Model::Uploads, 1, "main", "hung");
    world.add(Model::Uploads, 2, "main", "quick");
    let running = world.run();
    world.content("main").until(|used| used.now == 1).await;
    assert!(running.stop().await <= LIMIT);
    assert_eq!(world.queue.leases(), 0);
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    assert_eq!(world.state(Model::Uploads, 2), State::Succeeded);
    // The hung call was dropped.
    assert_eq!(world.content("main").used().now, 0);
}

#[tokio::test(start_paused = true)]
async fn recalculations_are_given_back_too() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let running = world.run();
    world.until_succeeded(1).await;
    world.content("main").put("file", Piece::Hanging);
    let asked = crate::recalculating::ask(&running.engine, 1, Duration::from_secs(1)).await.unwrap().unwrap();
    assert!(!asked.finished);
    assert!(running.stop().await <= LIMIT);
    assert_eq!(world.queue.leases(), 0);
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
}
