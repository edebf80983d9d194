//! The schedule: new rows, touched rows, rows that come late.

use std::time::Duration;

use stocktake_domain::{Model, Timestamp};

use crate::support::{HOUR, LFS, MINUTE, UPLOADS, World, key};

/// A world whose schedule looks at no row a second time by itself.
fn without_rounds(keys: impl IntoIterator<Item = i64> + Clone) -> World {
    let mut world = World::with_rows(keys);
    world.settings.full_scan = 100_000 * HOUR;
    world
}

#[tokio::test(start_paused = true)]
async fn new_rows_are_there_within_a_minute() {
    let world = World::with_rows(1..=12);
    let running = world.run("one");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for next in 13..60 {
        assert!(world.keys(LFS).into_iter().eq(1..next));
        world.source.put(LFS, [next]);
        tokio::time::sleep(MINUTE).await;
    }
    running.stop().await;
    assert!(world.store.memory.leader().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_that_was_killed_goes_on_where_it_was() {
    for hang in 1..=8 {
        let world = without_rows_of_others(1..=38);
        world.store.seen().hangs_at = Some(first_piece_of_uploads() + hang);
        let running = world.run("killed");
        world.store.until(|store| store.seen().batches == first_piece_of_uploads() + hang).await;
        running.kill().await;
        let read = world.source.rows().read;
        tokio::time::sleep(MINUTE).await;
        let running = world.run("next");
        world.store.until(|store| store.state(UPLOADS).is_some_and(|state| state.read_at.is_some())).await;
        running.stop().await;
        assert!(world.keys(UPLOADS).into_iter().eq(1..=38));
        // Two pages at the most were read for nothing, and the last and the full scan's first once more.
        assert!(world.source.rows().read - read <= 38 + 5, "{hang}");
        assert!(world.source.rows().read <= 38 + 3 * 5 + 5, "{hang}");
    }
}

fn without_rows_of_others(keys: impl IntoIterator<Item = i64>) -> World {
    let world = World::new();
    world.source.put(UPLOADS, keys);
    world
}

/// Each model before has a piece of new rows and one of its full scan.
fn first_piece_of_uploads() -> u64 {
    let before = Model::ALL.iter().position(|model| *model == UPLOADS).unwrap();
    2 * u64::try_from(before).unwrap()
}

#[tokio::test(start_paused = true)]
async fn where_nothing_happens_nothing_is_read() {
    let world = without_rounds(1..=12);
    let running = world.run("one");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(world.state(LFS).read_to, Some(key(12)));
    let read = world.source.rows().read;
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.source.rows().read, read);
    // One row is read each minute while it is young.
    world.source.put(LFS, [13]);
    tokio::time::sleep(HOUR).await;
    assert!((5..=6).contains(&(world.source.rows().read - read)));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_key_that_is_committed_late_is_found() {
    let world = without_rounds([1, 2, 3, 5]);
    let running = world.run("one");
    for late in [4, 6] {
        tokio::time::sleep(3 * MINUTE).await;
        world.source.put(LFS, [late, late + 1]);
        tokio::time::sleep(MINUTE).await;
        assert!(world.keys(LFS).contains(&late));
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn young_rows_before_others_are_read_again() {
    let world = without_rounds(1..=3);
    let running = world.run("one");
    tokio::time::sleep(10 * MINUTE).await;
    let created_at = Some(world.now());
    // Seventeen at once: three full pages and more.
    for row in (10..30).filter(|row| row % 7 != 0) {
        world.source.put_as(LFS, row, |row| row.created_at = created_at);
    }
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(world.keys(LFS).len(), 20);
    assert_eq!(world.state(LFS).read_to, Some(key(3)));
    world.source.put_as(LFS, 14, |row| row.created_at = created_at);
    tokio::time::sleep(MINUTE).await;
    assert!(world.keys(LFS).contains(&14));
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(world.state(LFS).read_to, Some(key(29)));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_begin_again_are_followed_after_a_round() {
    let world = World::with_rows(1..=30);
    let running = world.run("one");
    tokio::time::sleep(10 * MINUTE).await;
    // A backup of the source is restored.
    world.source.delete(LFS, 21..=30);
    tokio::time::sleep(60 * HOUR).await;
    assert_eq!(world.keys(LFS).len(), 20);
    world.source.put(LFS, [21]);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.keys(LFS).len(), 21);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn touched_rows_become_pending_again_once() {
    let world = without_rounds(1..=12);
    let running = world.run("one");
    tokio::time::sleep(20 * MINUTE).await;
    let touch = |row: i64, content_changed_at: Timestamp| {
        world.source.put_as(LFS, row, |row| row.content_changed_at = Some(content_changed_at));
    };
    touch(3, world.now());
    // A change that is committed some minutes after its time.
    touch(9, world.now().before(5 * MINUTE));
    // Longer ago than is looked: only a full scan finds it.
    touch(10, world.now().before(2 * HOUR));
    tokio::time::sleep(HOUR).await;
    assert_eq!(world.store.recalculated(LFS), [(3, 1), (9, 1)]);
    // More than a page of them.
    for row in 1..=12 {
        touch(row, world.now());
    }
    tokio::time::sleep(HOUR).await;
    let times = world.store.recalculated(LFS).into_iter().map(|(_, times)| times).sum::<u64>();
    assert_eq!(times, 2 + 12);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_touched_while_nobody_looked_is_found() {
    let world = without_rounds(1..=12);
    let running = world.run("one");
    tokio::time::sleep(20 * MINUTE).await;
    running.stop().await;
    let content_changed_at = Some(world.now().after(MINUTE));
    world.source.put_as(LFS, 3, |row| row.content_changed_at = content_changed_at);
    tokio::time::sleep(100 * HOUR).await;
    let running = world.run("two");
    tokio::time::sleep(MINUTE).await;
    running.stop().await;
    assert_eq!(world.store.recalculated(LFS), [(3, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_survey_is_taken_every_few_minutes() {
    let world = World::with_rows(1..=3);
    let running = world.run("one");
    tokio::time::sleep(HOUR).await;
    running.stop().await;
    assert!((12..=13).contains(&world.source.rows().surveys), "{}", world.source.rows().surveys);
}
