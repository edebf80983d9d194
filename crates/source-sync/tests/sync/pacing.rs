//! How the schedule spreads its full scans over the day.

use crate::support::{HOUR, LFS, MINUTE, UPLOADS, World};

#[tokio::test(start_paused = true)]
async fn all_rows_are_looked_at_about_once_a_day() {
    let mut world = World::new();
    world.settings.batch = 500;
    world.source.put(LFS, 1..=10_000);
    world.source.put(UPLOADS, 1..=100);
    world.once(false).await.unwrap();
    let running = world.run("one");
    tokio::time::sleep(2 * HOUR).await;
    let mut before = world.source.rows().read;
    for day in 1..=2 {
        // New rows come all the while.
        for minute in 0..24 * 60 {
            if minute % 10 == 0 {
                world.source.put(LFS, [100_000 * day + minute]);
            }
            tokio::time::sleep(MINUTE).await;
        }
        let read = world.source.rows().read - before;
        before += read;
        // Each of the 144 new rows is read while it is young.
        assert!((9_500 + 100..=11_500 + 100 + 144 * 7).contains(&read), "day {day}: {read}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pieces_that_are_due_more_often_than_is_looked_come_together() {
    let mut world = World::new();
    world.settings.full_scan = HOUR;
    world.source.put(LFS, 1..=1_000);
    world.once(false).await.unwrap();
    let running = world.run("one");
    tokio::time::sleep(HOUR).await;
    let before = world.source.rows().read;
    tokio::time::sleep(3 * HOUR).await;
    let read = world.source.rows().read - before;
    assert!((2_900..=3_100).contains(&read), "{read}");
    running.stop().await;
    // Days later, what was missed is not made up for at once.
    tokio::time::sleep(100 * HOUR).await;
    let before = world.source.rows().read;
    let running = world.run("two");
    tokio::time::sleep(MINUTE / 2).await;
    let read = world.source.rows().read - before;
    assert!((5..=60).contains(&read), "{read}");
    running.stop().await;
}
