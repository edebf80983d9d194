//! Rounds at once.

use std::time::Duration;

use stocktake_domain::Model;
use stocktake_source_sync::{SyncError, SyncReport, never_read};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{LFS, MINUTE, Told, UPLOADS, World, key, line, numbers, sooner_or_later};

#[tokio::test(start_paused = true)]
async fn the_first_sync_brings_everything() {
    let world = World::with_rows(1..=12);
    let began = world.now();
    let report = world.once(false).await.unwrap();
    assert_eq!(report.models.len(), Model::ALL.len());
    assert!(!report.stopped);
    for model in [LFS, UPLOADS] {
        assert_eq!(numbers(&line(&report, model)), [12, 12, 0, 0, 0, 0]);
        assert!(world.keys(model).into_iter().eq(1..=12));
    }
    let state = world.state(LFS);
    // The rows of the last page may be of this moment.
    assert_eq!(state.read_to, Some(key(10)));
    assert_eq!((state.read_at, state.changes_read_to, state.problem), (Some(began), Some(began), None));
    assert_eq!((state.full_scan.at, state.full_scan.ended_at), (None, Some(began)));
    assert!(world.store.memory.leader().is_none());
    assert!(never_read(&[]).len() == Model::ALL.len() && never_read(&[world.state(LFS)]).len() == 19);
    let again = world.once(false).await.unwrap();
    assert_eq!(numbers(&line(&again, LFS)), [12, 0, 0, 12, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_and_deleted_is_found_and_others_are_left_alone() {
    let world = World::synced(1..=12).await;
    world.source.put_as(LFS, 3, |row| row.file_size = Some(3));
    world.source.delete(LFS, [4, 11, 12]);
    world.source.put(LFS, [13]);
    world.source.put(UPLOADS, [13]);
    let report = world.engine("one").once(&[LFS], false, &Told::default(), CancellationToken::new()).await;
    let report = report.unwrap();
    assert_eq!(report.models.len(), 1);
    assert_eq!(numbers(&line(&report, LFS)), [10, 1, 1, 8, 3, 0]);
    assert_eq!(world.keys(LFS), [1, 2, 3, 5, 6, 7, 8, 9, 10, 13]);
    assert_eq!(world.keys(UPLOADS).len(), 12);
    assert_eq!(world.state(LFS).full_scan.deleted, 3);
}

#[tokio::test(start_paused = true)]
async fn progress_is_told() {
    let world = World::with_rows(1..=12);
    let told = Told::default();
    world.source.rows().unreadable.insert(UPLOADS, "no table uploads".to_owned());
    let models = [UPLOADS, LFS];
    world.engine("one").once(&models, false, &told, CancellationToken::new()).await.unwrap();
    let told = told.0.into_inner().unwrap();
    let expected = [
        "lfs_objects about 12",
        "lfs_objects 5",
        "lfs_objects 10",
        "lfs_objects 12",
        "lfs_objects done",
        "uploads done",
    ];
    assert_eq!(told, expected);
}

/// Kills a full scan when this page is asked for, and takes it up again.
async fn kill_and_go_on(world: &World, task: JoinHandle<Result<SyncReport, SyncError>>) {
    task.abort();
    task.await.unwrap_err();
    let left: Vec<i64> = (1..=23).filter(|key| key % 7 != 0).collect();
    let at = world.state(LFS).full_scan.at;
    let skipped = left.iter().filter(|value| Some(key(**value)) <= at).count();
    tokio::time::sleep(MINUTE).await;
    let report = sooner_or_later(world.once(false)).await.unwrap();
    assert_eq!((world.keys(LFS), world.keys(UPLOADS).len()), (left, 23));
    assert_eq!(line(&report, LFS).read, 20 - u64::try_from(skipped).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_round_that_was_killed_at_any_page_goes_on_there() {
    // Five pages of each of the two models, and an empty one of each other.
    for page in 1..=2 * 5 + 17 {
        let world = World::synced(1..=23).await;
        world.source.delete(LFS, [7, 14, 21]);
        let hangs_at = world.source.rows().pages + page;
        world.source.rows().hangs_at = Some(hangs_at);
        let task = world.spawn_once("killed");
        world.source.until(|rows| rows.pages == hangs_at).await;
        // What is applied while the page is read comes to its end.
        tokio::time::sleep(MINUTE).await;
        kill_and_go_on(&world, task).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_that_was_killed_at_any_piece_goes_on_behind_it() {
    // As many as pages, and one more for each of the three in which a record was deleted.
    for piece in 1..=2 * 5 + 17 + 3 {
        let world = World::synced(1..=23).await;
        world.source.delete(LFS, [7, 14, 21]);
        let hangs_at = world.store.seen().batches + piece;
        world.store.seen().hangs_at = Some(hangs_at);
        let task = world.spawn_once("killed");
        world.store.until(|store| store.seen().batches == hangs_at).await;
        kill_and_go_on(&world, task).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_piece_of_the_schedule_is_no_round_to_go_on_with() {
    let world = World::with_rows(1..=12);
    let running = world.run("schedule");
    world.store.until(|store| store.state(UPLOADS).is_some_and(|state| state.full_scan.at.is_some())).await;
    running.stop().await;
    assert_eq!(world.state(UPLOADS).full_scan.at, Some(key(5)));
    let report = world.once(false).await.unwrap();
    assert_eq!(line(&report, UPLOADS).read, 12);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_be_read_is_named_and_the_others_go_on() {
    let world = World::synced(1..=12).await;
    world.source.put(UPLOADS, [13]);
    world.source.rows().unreadable.insert(LFS, "the table lfs_objects is not there".to_owned());
    world.source.rows().refused.insert(Model::Projects);
    let report = world.once(false).await.unwrap();
    let problem = |model| line(&report, model).problem;
    assert_eq!(problem(LFS).as_deref(), Some("the table lfs_objects is not there"));
    assert_eq!(problem(Model::Projects).as_deref(), Some("a column is gone"));
    assert_eq!(world.state(LFS).problem, problem(LFS));
    assert_eq!(world.state(Model::Projects).problem, problem(Model::Projects));
    assert_eq!((problem(UPLOADS), world.keys(UPLOADS).len(), world.keys(LFS).len()), (None, 13, 12));
    world.source.rows().unreadable.clear();
    world.source.rows().refused.clear();
    let report = world.once(false).await.unwrap();
    assert!(report.models.iter().all(|line| line.problem.is_none()));
    assert_eq!((world.state(LFS).problem, world.state(Model::Projects).problem), (None, None));
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_database_refuses_are_the_problem_of_their_model() {
    let world = World::with_rows(1..=3);
    world.store.seen().refused = Some(LFS);
    let report = world.once(false).await.unwrap();
    let expected = "the database refused or returned something unexpected: a character that cannot be";
    assert_eq!(line(&report, LFS).problem.as_deref(), Some(expected));
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_foreground_is_told_after_some_tries() {
    let world = World::with_rows(1..=12);
    world.source.rows().away = true;
    assert!(matches!(world.once(false).await, Err(SyncError::Source(_))));
    assert_eq!(world.source.rows().failed, 5);
    world.source.rows().away = false;
    world.store.seen().away = true;
    assert!(matches!(world.once(false).await, Err(SyncError::Store(_))));
    world.store.seen().away = false;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_the_source_never_had_is_no_problem_and_one_that_it_had_is() {
    let world = World::with_rows(1..=12);
    world.source.rows().absent.insert(LFS);
    let report = world.once(false).await.unwrap();
    let first = line(&report, LFS);
    assert_eq!((first.absent.as_deref(), first.problem), (Some("there is no such table"), None));
    assert!(!never_read(&[world.state(LFS)]).contains(&LFS));
    // It is found so anew, or nothing that is newer could be judged by what was read.
    let found = world.state(LFS).last_read().unwrap();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    world.once(false).await.unwrap();
    assert_eq!(world.state(LFS).last_read().unwrap().since(found), Duration::from_secs(3_600));
    world.source.rows().absent = [UPLOADS].into();
    let report = world.once(false).await.unwrap();
    assert_eq!(line(&report, UPLOADS).problem.as_deref(), Some("there is no such table"));
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (12, 12));
}

#[tokio::test(start_paused = true)]
async fn a_model_whose_rows_take_too_long_stops_no_other() {
    let world = World::with_rows(1..=12);
    world.source.rows().slow.insert(LFS);
    let report = world.once(false).await.unwrap();
    assert!(line(&report, LFS).problem.is_some());
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (0, 12));
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_not_noticed() {
    let world = World::with_rows(1..=12);
    world.source.rows().away = true;
    let task = world.spawn_once("one");
    world.source.until(|rows| rows.failed == 2).await;
    world.source.rows().away = false;
    let report = sooner_or_later(task).await.unwrap().unwrap();
    assert_eq!(line(&report, LFS).added, 12);
}
