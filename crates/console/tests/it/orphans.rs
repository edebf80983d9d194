//! The page of orphans.

use std::time::Duration;

use stocktake_domain::ports::{OrphanWalks, WorkerId};
use stocktake_domain::{
    Location, Orphan, OrphanTotals, PieceTotals, RegistryPiece, SearchedRegistry, StorageOutcome, Timestamp,
    Unreferenced, UnreferencedKind, UnreferencedTotals, WalkFindings, WalkState, WalkedStorage,
};

use crate::support::{ADMIN, READER, World};

const LASTS: Duration = Duration::from_secs(60);

fn runner() -> WorkerId {
    WorkerId("runner".to_owned())
}

fn walked(storage: &str, totals: OrphanTotals, outcome: Option<StorageOutcome>) -> WalkedStorage {
    WalkedStorage { storage: storage.to_owned(), outcome, totals }
}

fn orphan(number: usize) -> Orphan {
    let location = Location { storage: "main".to_owned(), path: format!("lost/{number:03}.bin") };
    Orphan { location, size: Some(1_000), modified_at: Some(Timestamp::from_millis(0)) }
}

#[actix_web::test]
async fn a_walk_is_asked_for_watched_and_cancelled() {
    let world = World::new().await;
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/orphans").await;
    page.says("No walk has ended yet.");
    page.says("<button type=\"submit\" class=\"primary\">Walk now</button>");
    let answer = admin.act("/console/orphans/walk", &[]).await;
    assert_eq!(answer.leads_to(), "/console/orphans?notice=walks");
    let page = admin.get(answer.leads_to()).await;
    page.says("The walk was asked for.");
    page.says("waits to be begun");
    page.says_not("Walk now");
    let walk = store.claim(&runner(), LASTS).await.unwrap().unwrap();
    assert_eq!(walk.requested_by, "admin");
    clock.set(Timestamp::from_millis(walk.created_at.millis() + 10_000));
    let totals = OrphanTotals { looked_at: 12_340, orphans: 2, bytes: 2_000, ..OrphanTotals::default() };
    let (storages, orphans) = (vec![walked("main", totals, None)], vec![orphan(1)]);
    let findings = WalkFindings { storages, orphans, ..WalkFindings::default() };
    assert!(OrphanWalks::record(&*store, walk.id, &runner(), LASTS, &findings).await.unwrap());
    let page = admin.get("/console/orphans").await;
    for text in
        ["under way", "12,340 entries looked at", "2 orphans, 2.0 kB", "Now in main", "1,234 a second"]
    {
        page.says(text);
    }
    // What is not whole is not shown as if it were.
    page.says_not("lost/001.bin");
    let cancel = format!("/console/orphans/{}/cancel", walk.id.0);
    page.says(&format!("action=\"{cancel}\""));
    assert_eq!(admin.act(&cancel, &[]).await.leads_to(), "/console/orphans?notice=walk-cancelled");
    assert_eq!(store.list(1).await.unwrap()[0].state, WalkState::Cancelled);
    assert_eq!(admin.act(&cancel, &[]).await.leads_to(), "/console/orphans?notice=walk-cancelled");
    assert_eq!(admin.act("/console/orphans/99/cancel", &[]).await.status, 404);
    admin.get("/console/orphans").await.says("Walk now");
}

#[actix_web::test]
async fn what_the_last_walk_found_is_shown_page_by_page_also_after_one_that_failed() {
    let world = World::new().await;
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    store.request("root").await.unwrap();
    let walk = store.claim(&runner(), LASTS).await.unwrap().unwrap();
    let found: Vec<_> = (1..=101).map(orphan).collect();
    let totals = OrphanTotals { looked_at: 9_000, orphans: 101, bytes: 101_000, ..OrphanTotals::default() };
    let storages = vec![
        walked("main", totals, Some(StorageOutcome::Searched)),
        walked("pages", OrphanTotals::default(), Some(StorageOutcome::Failed("<b>denied".to_owned()))),
    ];
    let findings = WalkFindings { storages, orphans: found, ..WalkFindings::default() };
    OrphanWalks::record(&*store, walk.id, &runner(), LASTS, &findings).await.unwrap();
    store.finish(walk.id, &runner(), None).await.unwrap();
    let page = admin.get("/console/orphans").await;
    page.says("101 orphans of 101 kB in 1 storage, as the walk found that ended");
    page.says("1 storage was not searched, or not as a whole: its row below says why.");
    page.says("&lt;b&gt;denied");
    page.says("Not searched<");
    page.says("<span>lost/</span>100.bin");
    page.says_not("101.bin");
    page.says("href=\"/console/orphans?after_storage=main&amp;after=lost%2F100.bin\"");
    let second = admin.get("/console/orphans?after_storage=main&after=lost%2F100.bin").await;
    second.says("<span>lost/</span>101.bin");
    second.says_not("Next page");

    store.request("root").await.unwrap();
    let next = store.claim(&runner(), LASTS).await.unwrap().unwrap();
    store.finish(next.id, &runner(), Some("the source is away".to_owned())).await.unwrap();
    let page = admin.get("/console/orphans").await;
    page.says("The last walk failed");
    page.says("the source is away");
    page.says("<span>lost/</span>100.bin");
}

#[actix_web::test]
async fn a_token_that_may_only_read_sees_a_walk_and_can_begin_none() {
    let world = World::new().await;
    let store = world.store.clone();
    let site = world.open();
    let reader = site.signed_in(READER).await;
    reader.get("/console/orphans").await.says_not("Walk now");
    assert_eq!(reader.act("/console/orphans/walk", &[]).await.status, 403);
    let walk = store.request("root").await.unwrap();
    reader.get("/console/orphans").await.says_not("/cancel\"");
    assert_eq!(reader.act(&format!("/console/orphans/{}/cancel", walk.id.0), &[]).await.status, 403);
    assert_eq!(store.list(1).await.unwrap()[0].state, WalkState::Queued);
}

#[actix_web::test]
async fn without_a_gitlab_and_a_registry_it_is_said_why_there_is_no_walk() {
    let mut world = World::new().await;
    world.settings.has_source = false;
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/orphans").await;
    page.says("Orphans are found where a GitLab is configured");
    page.says_not("Walk now");
    assert_eq!(admin.act("/console/orphans/walk", &[]).await.status, 404);
}

fn piece(kind: UnreferencedKind, path: &str) -> RegistryPiece {
    let modified_at = Some(Timestamp::from_millis(0));
    let piece = Unreferenced { kind, path: path.to_owned(), size: 2_500, modified_at };
    RegistryPiece { storage: "hub".to_owned(), piece }
}

#[actix_web::test]
async fn what_is_unreferenced_in_registries_is_counted_by_kind_and_listed_page_by_page() {
    let mut world = World::new().await;
    (world.settings.has_source, world.settings.has_registries) = (false, true);
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/orphans").await;
    page.says("Walk now");
    page.says("Looks in container registries for what nothing refers to. Nothing is changed or deleted.");
    assert_eq!(admin.act("/console/orphans/walk", &[]).await.leads_to(), "/console/orphans?notice=walks");
    let walk = store.claim(&runner(), LASTS).await.unwrap().unwrap();
    let totals = UnreferencedTotals {
        looked_at: 54_321,
        young: 17,
        blobs: PieceTotals { pieces: 101, bytes: 2_500 },
        manifests: PieceTotals { pieces: 1_044, bytes: 1_000_000 },
        ..UnreferencedTotals::default()
    };
    let searched = |outcome| SearchedRegistry { storage: "hub".to_owned(), outcome, totals };
    let mut pieces: Vec<_> =
        (1..=100).map(|number| piece(UnreferencedKind::Blob, &format!("b/{number:03} "))).collect();
    pieces.extend([
        piece(UnreferencedKind::Manifest, "g/<b>@sha256:1"),
        piece(UnreferencedKind::BlobOfUntagged, "g/c"),
        piece(UnreferencedKind::Upload, "g/d"),
    ]);
    let registries = vec![searched(None)];
    let findings = WalkFindings { registries, pieces, ..WalkFindings::default() };
    assert!(OrphanWalks::record(&*store, walk.id, &runner(), LASTS, &findings).await.unwrap());
    let page = admin.get("/console/orphans").await;
    page.says("54,321 entries looked at");
    page.says("1,145 pieces that nothing refers to, 1.0 MB");
    page.says("Now in hub");
    page.says_not("b/001");
    let failed = Some(StorageOutcome::Failed("<i>away".to_owned()));
    let findings = WalkFindings { registries: vec![searched(failed)], ..WalkFindings::default() };
    OrphanWalks::record(&*store, walk.id, &runner(), LASTS, &findings).await.unwrap();
    store.finish(walk.id, &runner(), None).await.unwrap();

    let page = admin.get("/console/orphans").await;
    page.says("1,145 pieces of 1.0 MB that nothing refers to in 0 registry storages, as the walk found");
    page.says_not("0 orphans");
    page.says("&lt;i&gt;away");
    page.says("In part<");
    page.says(
        "data-l=\"Untagged manifests\" role=\"cell\"><data value=\"1044\" title=\"1.0 MB\">1,044</data>",
    );
    page.says("data-l=\"Too new\" role=\"cell\">17<");
    page.says("Blob that no manifest names");
    page.says("<span>b/</span>100 </code>");
    page.says_not("Manifest that no tag reaches");
    // A name that ends in white space is a place in the list like any other.
    let next = "/console/orphans?after_registry=hub&after_piece=b%2F100%20";
    page.says(&format!("href=\"{}\"", next.replace('&', "&amp;")));
    let second = admin.get(next).await;
    second.says("<span>g/</span>&lt;b&gt;@sha256:1");
    for what in ["Manifest that no tag reaches", "Blob of such manifests alone", "Unfinished upload"] {
        second.says(what);
    }
    second.says_not("b/100");
    second.says_not("Next page");
}
