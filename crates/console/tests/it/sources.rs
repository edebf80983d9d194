//! The page of sources.

use std::time::Duration;

use stocktake_domain::ports::{FullScan, ModelSyncState, SyncBatch, SyncState as _, WorkerId};
use stocktake_domain::{Model, RecordKey};

use crate::support::{ADMIN, World, at, record};

#[actix_web::test]
async fn nothing_was_synced_and_it_is_said_how_that_begins() {
    let site = World::new().await.open();
    let page = site.signed_in(ADMIN).await.get("/console/sync").await;
    page.says("Nothing was ever synced.");
    page.says("<code>[sources.gitlab]</code>");
}

#[actix_web::test]
async fn each_data_type_has_its_rows_what_changed_what_was_kept_and_why_and_both_full_scans() {
    let world = World::new().await.with((1..=1_234).map(|key| record(Model::Uploads, key, "a")));
    let leader = WorkerId("sync".to_owned());
    world.store.acquire_leader_lease(&leader, Duration::from_secs(60)).await.unwrap();
    let full_scan = FullScan {
        at: Some(RecordKey::integer(9)),
        records: 1_300,
        added: 2_001,
        changed: 3_002,
        deleted: 4_003,
        kept: 5_004,
        due_at: Some(at("2026-11-26T02:13:11Z")),
        ended_at: Some(at("2026-11-25T02:03:11Z")),
    };
    let uploads = ModelSyncState {
        read_at: Some(at("2026-11-26T02:02:11Z")),
        changes_read_to: Some(at("2026-11-26T02:01:11Z")),
        full_scan,
        ..ModelSyncState::new(Model::Uploads)
    };
    let resting = FullScan { due_at: Some(at("2026-11-26T05:03:11Z")), ..FullScan::default() };
    let snippets = ModelSyncState {
        problem: Some("the table snippets is missing".to_owned()),
        full_scan: resting,
        ..ModelSyncState::new(Model::SnippetRepositories)
    };
    for state in [&uploads, &snippets] {
        world.store.apply(&leader, SyncBatch::default(), state).await.unwrap().unwrap();
    }
    let site = world.open();
    let page = site.signed_in(ADMIN).await.get("/console/sync").await;
    page.says("1 data type could not be read when last tried. 18 data types not read yet.");
    page.says_in_order(&[
        "<a href=\"/console/models/snippet_repositories\">",
        "Not read<",
        "the table snippets is missing",
        "data-l=\"Next full scan\" role=\"cell\"><time",
        "in 3 h",
        // No sync has come to it.
        "<a href=\"/console/models/lfs_objects\">",
        "Not read yet<",
        "<a href=\"/console/models/uploads\">",
        "Records are kept for which the source has no rows: they are too many to delete at once.",
        "data-l=\"Records\" role=\"cell\">1,234<",
        "data-l=\"New rows read\"",
        "1 min ago",
        "data-l=\"Changes read\"",
        "2 min ago",
        "data-l=\"Last full scan\"",
        "1 d ago",
        "data-l=\"Next full scan\"",
        "under way, goes on ",
        "in 10 min",
        "data-l=\"New\" role=\"cell\">2,001<",
        "data-l=\"Changed\" role=\"cell\">3,002<",
        "data-l=\"Deleted\" role=\"cell\">4,003<",
        "data-l=\"Kept\" role=\"cell\">5,004<",
    ]);
}
