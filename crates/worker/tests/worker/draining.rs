//! Working through all that is due, for somebody who waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stocktake_domain::ports::{ClaimFilter, LeaseTerms, Queue as _, WorkerId};
use stocktake_domain::{ContentError, FailureKind, Model, State, Timestamp};
use stocktake_worker::{Progress, Stats};
use tokio_util::sync::CancellationToken;

use crate::support::World;
use crate::support::content::Piece;

pub(crate) struct Silent;

impl Progress for Silent {
    fn advanced(&self, _done: &Stats) {}
}

#[derive(Default)]
struct Kept(Mutex<Vec<Stats>>);

impl Progress for Kept {
    fn advanced(&self, done: &Stats) {
        self.0.lock().unwrap().push(done.clone());
    }
}

async fn drain(world: &World, models: &[Model], due_from: Option<Timestamp>) -> Stats {
    let stop = CancellationToken::new();
    world.engine().drain(models, due_from, Arc::new(Silent), stop).await.unwrap().stats
}

#[tokio::test(start_paused = true)]
async fn draining_ends_when_all_is_done_and_tells_how_it_went() {
    let world = World::new(&["main"]);
    world.content("main").put("gone", Piece::Bad(ContentError::MissingRepository));
    for key in 0..2_500 {
        world.add(Model::Uploads, key, "main", if key < 100 { "gone" } else { "file" });
    }
    let kept = Arc::new(Kept::default());
    let progress: Arc<dyn Progress> = kept.clone();
    let stats = world.engine().drain(&[], None, progress, CancellationToken::new()).await.unwrap().stats;
    let failed = BTreeMap::from([(FailureKind::Missing, 100)]);
    assert_eq!(stats, Stats { succeeded: 2_400, metadata_only: 0, failed, bytes: 2_400 * 4 });
    let told = kept.0.lock().unwrap();
    assert!(told.windows(2).all(|pair| pair[0].records() < pair[1].records()));
    assert_eq!(told.last(), Some(&stats));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_drained() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    world.add(Model::LfsObjects, 1, "main", "file");
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.add(Model::Uploads, 2, "main", "file");
    let stats = drain(&world, &[Model::Uploads], Some(world.now())).await;
    assert_eq!(stats.succeeded, 1);
    assert_eq!(world.state(Model::Uploads, 1), State::Pending);
    assert_eq!(world.state(Model::Uploads, 2), State::Succeeded);
    assert_eq!(world.state(Model::LfsObjects, 1), State::Pending);
}

#[tokio::test(start_paused = true)]
async fn the_hours_of_a_storage_do_not_hold_for_somebody_who_waits() {
    let mut world = World::new(&["main"]);
    world.storages.get_mut("main").unwrap().1 = Some("03:00-04:00".parse().unwrap());
    world.add(Model::Uploads, 1, "main", "file");
    assert_eq!(drain(&world, &[], None).await.succeeded, 1);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_others_and_takes_over_what_they_leave() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    let filter = ClaimFilter::any(1);
    let (dead, minute) = (WorkerId("dead".to_owned()), Duration::from_secs(60));
    world
        .queue
        .claim(&dead, &filter, LeaseTerms { duration: minute * 60, heartbeat_timeout: minute })
        .await
        .unwrap()
        .unwrap();
    let began = world.now();
    assert_eq!(drain(&world, &[], None).await.succeeded, 1);
    // A lease ends at its last millisecond, not after it.
    assert_eq!(world.now().since(began), minute);
}

#[tokio::test(start_paused = true)]
async fn results_count_also_when_their_lease_has_ended_before_the_answer_is_there() {
    let world = World::new(&["main"]);
    world.add(Model::Uploads, 1, "main", "file");
    world.queue.seen().slow_answers = Duration::from_secs(90);
    assert_eq!(drain(&world, &[], None).await.succeeded, 1);
    assert!(!world.queue.seen().renewals.is_empty());
}

#[tokio::test(start_paused = true)]
async fn draining_can_be_stopped() {
    let world = World::new(&["main"]);
    world.content("main").put("slow", Piece::Gated);
    world.add(Model::Uploads, 1, "main", "slow");
    world.add(Model::Uploads, 2, "main", "quick");
    let (engine, stop) = (world.engine(), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { engine.drain(&[], None, Arc::new(Silent), token).await });
    world.until_succeeded(1).await;
    stop.cancel();
    assert_eq!(task.await.unwrap().unwrap().stats.succeeded, 1);
    assert_eq!(world.queue.leases(), 0);
}
