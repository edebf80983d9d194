//! The schedule while the source, the database or a model is away.

use crate::support::{HOUR, LFS, MINUTE, UPLOADS, World};

#[tokio::test(start_paused = true)]
async fn outages_are_outlived_and_nobody_is_stormed() {
    let world = World::synced(1..=12).await;
    let running = world.run("one");
    tokio::time::sleep(10 * MINUTE).await;
    for database in [true, false] {
        let away = |away| {
            if database { world.store.seen().away = away } else { world.source.rows().away = away }
        };
        away(true);
        tokio::time::sleep(HOUR).await;
        let failed = if database { world.store.seen().failed } else { world.source.rows().failed };
        // Once in a minute, or twice by chance, after some more at the beginning.
        assert!((60..150).contains(&failed), "{failed}");
        away(false);
        let next = i64::try_from(world.keys(LFS).len()).unwrap() + 1;
        world.source.put(LFS, [next]);
        tokio::time::sleep(2 * MINUTE).await;
        assert!(world.keys(LFS).into_iter().eq(1..=next));
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_drifts_away_and_comes_back() {
    let world = World::with_rows(1..=12);
    let running = world.run("one");
    tokio::time::sleep(10 * MINUTE).await;
    world.source.put(LFS, [13]);
    world.source.put(UPLOADS, [13]);
    world.source.rows().refused.insert(LFS);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.state(LFS).problem.as_deref(), Some("a column is gone"));
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (12, 13));
    world.source.rows().refused.clear();
    world.source.rows().unreadable.insert(LFS, "lfs_objects has no column oid".to_owned());
    tokio::time::sleep(30 * HOUR).await;
    assert_eq!(world.state(LFS).problem.as_deref(), Some("lfs_objects has no column oid"));
    assert_eq!(world.keys(LFS).len(), 12);
    world.source.rows().unreadable.clear();
    tokio::time::sleep(6 * MINUTE).await;
    assert_eq!((world.state(LFS).problem, world.keys(LFS).len()), (None, 13));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_takes_too_long_stops_no_other() {
    let world = World::with_rows(1..=12);
    world.source.rows().slow.insert(LFS);
    world.store.seen().refused = Some(UPLOADS);
    let running = world.run("one");
    world.source.put(stocktake_domain::Model::TerraformStateVersions, 1..=3);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.keys(stocktake_domain::Model::TerraformStateVersions).len(), 3);
    assert_eq!(world.state(LFS).problem.as_deref(), Some("the source is unreachable: no answer"));
    assert!(world.state(UPLOADS).problem.is_some());
    world.source.rows().slow.clear();
    world.store.seen().refused = None;
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((world.keys(LFS).len(), world.keys(UPLOADS).len()), (12, 12));
    assert_eq!((world.state(LFS).problem, world.state(UPLOADS).problem), (None, None));
    running.stop().await;
}
