//! A database that goes away and comes back, or refuses what it is given.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::StoreError;
use stocktake_domain::{Model, State};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::draining::Silent;
use crate::support::World;
use crate::support::content::Piece;
use crate::support::queue::Failing;

fn fail(world: &World, failing: Option<Failing>) {
    world.queue.seen().failing = failing;
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_by_itself_after_an_outage() {
    let world = World::new(&["main"]);
    fail(&world, Some(Failing::Unreachable));
    world.add(Model::Uploads, 1, "main", "file");
    let running = world.run();
    world.queue.until(|queue| queue.seen().failed_calls >= 20).await;
    fail(&world, None);
    world.until_succeeded(1).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn results_outlast_an_outage_without_being_read_again() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    for key in 0..10 {
        world.add(Model::Uploads, key, "main", "slow");
    }
    let running = world.run();
    world.content("main").until(|used| used.now == 1).await;
    fail(&world, Some(Failing::Unreachable));
    world.content("main").open();
    let before = world.queue.seen().failed_calls;
    world.queue.until(|queue| queue.seen().failed_calls >= before + 20).await;
    fail(&world, None);
    world.until_succeeded(10).await;
    assert_eq!(world.content("main").used().times("slow"), 10);
    assert_eq!(world.queue.seen().claims, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_database_is_asked_seldom_while_it_is_away() {
    let world = World::new(&["main"]);
    fail(&world, Some(Failing::Unreachable));
    let running = world.run();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = world.queue.seen().failed_calls;
    // Waits of 3.75 s in the middle once they have grown, after six shorter ones.
    assert!((150..180).contains(&calls), "{calls}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn results_that_are_refused_are_given_back_and_their_storage_rests() {
    let world = World::new(&["main"]);
    fail(&world, Some(Failing::Refusing));
    world.add(Model::Uploads, 1, "main", "file");
    let running = world.run();
    world.queue.until(|queue| queue.seen().claims == 3).await;
    assert!(world.now().millis() % 100_000 >= 3_000, "{}", world.now());
    fail(&world, None);
    world.until_succeeded(1).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_keep_the_engine_from_stopping() {
    let (world, running) = World::while_reading("slow", Piece::Gated).await;
    fail(&world, Some(Failing::Unreachable));
    assert!(running.stop().await <= Duration::from_secs(10));
    assert_eq!(world.state(Model::Uploads, 1), State::Started);
}

#[tokio::test(start_paused = true)]
async fn a_command_in_the_foreground_is_told_of_an_outage() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let patience = world.settings.give_up_after;
    let all = [
        (Failing::Unreachable, patience..patience + Duration::from_secs(6)),
        (Failing::Refusing, Duration::ZERO..Duration::from_secs(2)),
    ];
    for (failing, takes) in all {
        fail(&world, Some(failing));
        let begin = Instant::now();
        let drained = world.engine().drain(&[], None, Arc::new(Silent), CancellationToken::new()).await;
        match failing {
            Failing::Unreachable => {
                assert!(matches!(drained, Err(StoreError::Unavailable(_))), "{drained:?}");
            }
            Failing::Refusing => assert!(matches!(drained, Err(StoreError::Internal(_))), "{drained:?}"),
        }
        assert!(takes.contains(&begin.elapsed()), "{:?}", begin.elapsed());
    }
    assert_eq!(world.queue.leases(), 0);
}
