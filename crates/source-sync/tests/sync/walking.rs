//! Walks in search of orphans that somebody asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::contract::{ManualClock, MemoryStore};
use stocktake_domain::ports::{
    ContentStore, ListError, MockStorageCheck, ModelSyncState, OrphanWalks as _, Source, SyncBatch,
    SyncState as _, WorkerId,
};
use stocktake_domain::{
    Model, OrphanWalk, PieceTotals, StorageOutcome, Timestamp, Unreferenced, UnreferencedKind,
    UnreferencedTotals, Usage, WalkState,
};
use stocktake_source_sync::{OrphanWalker, SearchParts, WalkerParts};
use tokio_util::sync::CancellationToken;

use crate::orphans::{Listing, files};
use crate::support::source::MemorySource;

/// A database, and a service on it that walks.
struct Bench {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
}

impl Bench {
    /// All rows but those of the models left out were read at 1,000 seconds.
    async fn new(left_out: &[Model]) -> Self {
        let clock = Arc::<ManualClock>::default();
        let store = MemoryStore::new(clock.clone());
        let leader = WorkerId("sync".to_owned());
        store.acquire_leader_lease(&leader, Duration::from_secs(60)).await.unwrap();
        for model in Model::ALL.into_iter().filter(|model| !left_out.contains(model)) {
            let read_at = Some(Timestamp::from_millis(1_000_000));
            let state = ModelSyncState { read_at, ..ModelSyncState::new(model) };
            let batch = SyncBatch { records: Vec::new(), scanned_range: None };
            store.apply(&leader, batch, &state).await.unwrap().unwrap();
        }
        Self { clock, store, stop: CancellationToken::new() }
    }

    fn serve(&self, runner: &str, disk: Listing) {
        self.serve_all(runner, Some(Arc::new(MemorySource::new())), [("disk", disk)], None);
    }

    /// Of the storages, one may be closed.
    fn serve_all<const COUNT: usize>(
        &self,
        runner: &str,
        source: Option<Arc<dyn Source>>,
        listings: [(&str, Listing); COUNT],
        closed: Option<&'static str>,
    ) {
        let mut storages = BTreeMap::<String, Arc<dyn ContentStore>>::new();
        for (name, listing) in listings {
            storages.insert(name.to_owned(), Arc::new(listing));
        }
        let mut check = MockStorageCheck::new();
        check.expect_why_closed().returning(move |name| {
            Ok(closed.filter(|closed| *closed == name).map(|_| "it is gone".to_owned()))
        });
        let search = SearchParts { source, catalogue: self.store.clone(), storages, check: Arc::new(check) };
        assert!(search.can_search());
        let walker = OrphanWalker::new(WalkerParts {
            walks: self.store.clone(),
            sync_state: self.store.clone(),
            search,
            clock: self.clock.clone(),
            runner: WorkerId(runner.to_owned()),
        });
        let stop = self.stop.clone();
        tokio::spawn(async move { walker.run(stop).await });
    }

    /// The newest walk, once it is in this state.
    async fn until(&self, state: WalkState) -> OrphanWalk {
        let wait = async {
            loop {
                let walk = self.store.list(1).await.unwrap().remove(0);
                if walk.state == state {
                    return walk;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3_600), wait).await.expect("it comes to that")
    }

    async fn found(&self, walk: &OrphanWalk) -> Vec<String> {
        let orphans = self.store.orphans(walk.id, None, 100).await.unwrap();
        orphans.into_iter().map(|orphan| orphan.location.path).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_asked_for_is_done_and_kept() {
    let bench = Bench::new(&[]).await;
    bench.serve("a", files(["a", "b"], Some(7)));
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Finished).await;
    assert_eq!(bench.found(&walk).await, ["a", "b"]);
    let storages = bench.store.storages(walk.id).await.unwrap();
    let disk = storages.iter().find(|walked| walked.storage == "disk").unwrap();
    assert_eq!(
        (&disk.outcome, disk.totals.orphans, disk.totals.bytes),
        (&Some(StorageOutcome::Searched), 2, 14)
    );
    let others = storages.iter().filter(|walked| walked.storage != "disk");
    assert!(others.clone().count() > 0);
    assert!(
        others.clone().all(|walked| walked.outcome == Some(StorageOutcome::NotConfigured)),
        "{storages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_rows_were_read_is_not_judged() {
    let bench = Bench::new(&[]).await;
    let mut disk = files(["a", "b"], Some(7));
    // Ten minutes before that, and a moment earlier.
    let times = [400_000, 399_999].map(|millis| Some(Timestamp::from_millis(millis)));
    for (found, at) in disk.items.iter_mut().flatten().zip(times) {
        found.modified_at = at;
    }
    bench.serve("a", disk);
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Finished).await;
    assert_eq!(bench.found(&walk).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_never_read_keep_a_walk_from_where_their_content_may_lie_and_from_nothing_else() {
    let bench = Bench::new(&[Model::Uploads]).await;
    bench.clock.set(Timestamp::from_millis(10_000_000));
    let hub = registry([Ok(piece(UnreferencedKind::Blob, "blob", 1))]);
    let storages = [("disk", files(["a"], None)), ("git", files(["x.git"], None)), ("hub", hub)];
    bench.serve_all("a", Some(Arc::new(MemorySource::new())), storages, None);
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Finished).await;
    let walked = bench.store.storages(walk.id).await.unwrap();
    let outcome = |name| walked.iter().find(|walked| walked.storage == name).unwrap().outcome.clone();
    let reason = "not all rows of uploads were read, so that content of these would be listed";
    assert_eq!(outcome("disk"), Some(StorageOutcome::Failed(reason.to_owned())));
    assert_eq!(outcome("git"), Some(StorageOutcome::Searched));
    assert_eq!(bench.found(&walk).await, ["x.git"]);
    assert_eq!(bench.pieces(&walk).await, [("hub", "blob")].map(owned));
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_cancelled_ends_and_another_can_be_asked_for() {
    let bench = Bench::new(&[]).await;
    bench.serve("a", files(["a"], None).endless());
    let walk = bench.store.request("root").await.unwrap();
    bench.until(WalkState::Running).await;
    bench.store.cancel(walk.id).await.unwrap();
    let next = bench.store.request("root").await.unwrap();
    assert!(next.id > walk.id);
    assert_eq!(bench.until(WalkState::Running).await.id, next.id);
}

#[tokio::test(start_paused = true)]
async fn a_walk_whose_process_died_is_begun_anew_by_another() {
    let mut bench = Bench::new(&[]).await;
    bench.serve("a", files(["a", "gone"], None).endless());
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Running).await;
    while bench.store.storages(walk.id).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::mem::take(&mut bench.stop).cancel();
    bench.serve("b", files(["a"], None));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.until(WalkState::Running).await.started_at, walk.started_at);
    bench.clock.set(Timestamp::from_millis(60_000));
    let again = bench.until(WalkState::Finished).await;
    assert_eq!((again.id, bench.found(&again).await), (walk.id, vec!["a".to_owned()]));
}

fn piece(kind: UnreferencedKind, path: &str, second: i64) -> Usage {
    let modified_at = Some(Timestamp::from_millis(second * 1_000));
    Usage::Unreferenced(Unreferenced { kind, path: path.to_owned(), size: 5, modified_at })
}

fn registry(usages: impl IntoIterator<Item = Result<Usage, ListError>>) -> Listing {
    Listing::default().with_usages(usages)
}

impl Bench {
    /// What the walk found in registries, by storage and path.
    async fn pieces(&self, walk: &OrphanWalk) -> Vec<(String, String)> {
        let pieces = self.store.unreferenced(walk.id, None, 100_000).await.unwrap();
        pieces.into_iter().map(|found| (found.storage, found.piece.path)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_without_a_source_searches_the_registries_alone() {
    // No row was ever read.
    let bench = Bench::new(&Model::ALL).await;
    bench.clock.set(Timestamp::from_millis(10_000_000));
    let skipped = Err(ListError::Skipped { path: "x".to_owned(), reason: "no".to_owned() });
    let hub = registry([
        Ok(Usage::Needed),
        Ok(piece(UnreferencedKind::Blob, "blob", 6_399)),
        // An hour before the walk: it may be part of a push that goes on.
        Ok(piece(UnreferencedKind::Blob, "young", 6_400)),
        Ok(piece(UnreferencedKind::Upload, "upload", 1)),
        skipped,
    ]);
    let broken = registry([Err(ListError::Broken("it is away".to_owned()))]);
    let storages = [("disk", files(["a"], None)), ("hub", hub), ("old", broken), ("shut", registry([]))];
    bench.serve_all("a", None, storages, Some("shut"));
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Finished).await;
    assert_eq!(bench.found(&walk).await, Vec::<String>::new());
    assert_eq!(bench.store.storages(walk.id).await.unwrap(), []);
    let registries = bench.store.registries(walk.id).await.unwrap();
    let outcomes: Vec<_> =
        registries.iter().map(|found| (found.storage.as_str(), found.outcome.clone().unwrap())).collect();
    assert_eq!(
        outcomes,
        [
            ("hub", StorageOutcome::Searched),
            ("old", StorageOutcome::Failed("it is away".to_owned())),
            ("shut", StorageOutcome::Failed("it is gone".to_owned())),
        ]
    );
    let one = PieceTotals { pieces: 1, bytes: 5 };
    let totals = UnreferencedTotals {
        looked_at: 4,
        young: 1,
        skipped: 1,
        blobs: one,
        uploads: one,
        ..Default::default()
    };
    assert_eq!(registries[0].totals, totals);
    assert_eq!(bench.pieces(&walk).await, [("hub", "blob"), ("hub", "upload")].map(owned));
}

fn owned((storage, path): (&str, &str)) -> (String, String) {
    (storage.to_owned(), path.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_registry_of_the_source_is_searched_both_ways_and_all_of_it_is_counted() {
    let bench = Bench::new(&[]).await;
    bench.clock.set(Timestamp::from_millis(10_000_000));
    let usages = (0..10_001).map(|number| Ok(piece(UnreferencedKind::Manifest, &format!("{number:05}"), 1)));
    let disk = files(["a", "b"], Some(7)).with_usages(usages);
    let source: Arc<dyn Source> = Arc::new(MemorySource::new());
    bench.serve_all("a", Some(source), [("disk", disk)], None);
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Finished).await;
    assert_eq!(bench.found(&walk).await, ["a", "b"]);
    let registries = bench.store.registries(walk.id).await.unwrap();
    assert_eq!(registries.len(), 1);
    assert_eq!(registries[0].totals.manifests, PieceTotals { pieces: 10_001, bytes: 50_005 });
    // The first 10,000 are kept.
    let pieces = bench.pieces(&walk).await;
    assert_eq!((pieces.len(), pieces.last()), (10_000, Some(&owned(("disk", "09999")))));
}

#[tokio::test(start_paused = true)]
async fn a_search_of_a_registry_is_seen_under_way_and_begun_anew_when_its_process_dies() {
    let mut bench = Bench::new(&[]).await;
    bench.clock.set(Timestamp::from_millis(10_000_000));
    let usages = [Ok(piece(UnreferencedKind::Blob, "a", 1)), Ok(piece(UnreferencedKind::Blob, "gone", 1))];
    bench.serve_all("a", None, [("hub", registry(usages.clone()).endless())], None);
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Running).await;
    while bench.store.registries(walk.id).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let under_way = bench.store.registries(walk.id).await.unwrap();
    assert_eq!((&under_way[0].outcome, under_way[0].totals.blobs.pieces), (&None, 2));
    std::mem::take(&mut bench.stop).cancel();
    bench.serve_all("b", None, [("hub", registry(usages.into_iter().take(1)))], None);
    bench.clock.set(Timestamp::from_millis(10_060_000));
    let again = bench.until(WalkState::Finished).await;
    assert_eq!((again.id, bench.pieces(&again).await), (walk.id, vec![owned(("hub", "a"))]));
}
