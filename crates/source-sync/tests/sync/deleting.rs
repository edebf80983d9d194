//! What keeps records from being deleted by mistake.

use crate::support::{HOUR, LFS, MINUTE, UPLOADS, World, line, numbers};

#[tokio::test(start_paused = true)]
async fn a_table_that_seems_empty_deletes_nothing() {
    let world = World::synced(1..=12).await;
    world.source.delete(LFS, 1..=12);
    let report = world.once(false).await.unwrap();
    assert_eq!(numbers(&line(&report, LFS)), [0, 0, 0, 0, 0, 12]);
    assert_eq!((world.keys(LFS).len(), world.state(LFS).full_scan.kept), (12, 12));
    let report = world.once(true).await.unwrap();
    assert_eq!(numbers(&line(&report, LFS)), [0, 0, 0, 0, 12, 0]);
    assert_eq!((world.keys(LFS).len(), world.state(LFS).full_scan.kept), (0, 0));
    assert_eq!(world.keys(UPLOADS).len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_round_deletes_half_and_keeps_the_rest() {
    for (rows, deleted, kept) in [(3_000, 1_500, 500), (1_200, 600, 500)] {
        let mut world = World::with_rows([]);
        world.settings.batch = 20;
        world.source.put(LFS, 1..=rows);
        world.once(false).await.unwrap();
        // Of each page's range, half or more is gone.
        world.source.delete(LFS, (1..=rows).filter(|key| key % 30 != 0));
        let report = world.once(false).await.unwrap();
        let line = line(&report, LFS);
        assert!(line.deleted <= deleted && line.deleted + 600 > deleted, "{line:?}");
        assert!(line.kept >= kept, "{line:?}");
        let left = u64::try_from(world.keys(LFS).len()).unwrap();
        assert_eq!(left + line.deleted, u64::try_from(rows).unwrap());
        let state = world.state(LFS);
        assert_eq!((state.full_scan.deleted, state.full_scan.kept), (line.deleted, line.kept));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_does_not_forget_what_a_round_has_deleted() {
    let mut world = World::new();
    world.settings.batch = 2;
    world.source.put(LFS, 1..=1_500);
    world.once(false).await.unwrap();
    world.source.delete(LFS, 2..=700);
    world.source.delete(LFS, 800..=1_400);
    let task = world.spawn_once("killed");
    world.store.until(|store| store.state(LFS).is_some_and(|state| state.full_scan.deleted == 699)).await;
    task.abort();
    task.await.unwrap_err();
    tokio::time::sleep(MINUTE).await;
    let report = world.once(false).await.unwrap();
    assert_eq!((line(&report, LFS).deleted, line(&report, LFS).kept), (0, 601));
    assert_eq!(world.state(LFS).full_scan.deleted, 699);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_fails_deletes_nothing() {
    let world = World::synced(1..=12).await;
    world.source.delete(LFS, 1..=12);
    world.source.rows().refused.insert(LFS);
    world.once(false).await.unwrap();
    world.once(true).await.unwrap();
    assert_eq!(world.keys(LFS).len(), 12);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_finds_deleted_rows_within_its_round_and_keeps_to_the_same_limits() {
    let world = World::synced(1..=12).await;
    let running = world.run("schedule");
    tokio::time::sleep(10 * MINUTE).await;
    world.source.delete(LFS, [3, 12]);
    world.source.delete(UPLOADS, 1..=12);
    tokio::time::sleep(80 * HOUR).await;
    running.stop().await;
    // The last row goes a full scan later than others: a source that lags behind ends before it as well.
    assert_eq!(world.keys(LFS), [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!((world.keys(UPLOADS).len(), world.state(UPLOADS).full_scan.kept), (12, 12));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_comes_while_a_round_is_at_its_end_is_not_taken_for_deleted() {
    let world = World::synced(1..=12).await;
    let running = world.run("schedule");
    for key in 13..300 {
        world.source.put(LFS, [key]);
        tokio::time::sleep(7 * MINUTE).await;
        assert!(world.keys(LFS).into_iter().eq(1..=key), "{key}");
    }
    running.stop().await;
}
