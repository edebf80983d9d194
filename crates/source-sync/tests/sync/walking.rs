//! Walks in search of orphans that somebody asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::contract::{ManualClock, MemoryStore};
use stocktake_domain::ports::{
    ContentStore, MockStorageCheck, ModelSyncState, OrphanWalks as _, SyncBatch, SyncState as _, WorkerId,
};
use stocktake_domain::{Model, OrphanWalk, StorageOutcome, Timestamp, WalkState};
use stocktake_source_sync::{OrphanParts, OrphanWalker, WalkerParts};
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
        let mut storages = BTreeMap::<String, Arc<dyn ContentStore>>::new();
        storages.insert("disk".to_owned(), Arc::new(disk));
        let mut check = MockStorageCheck::new();
        check.expect_why_closed().returning(|_| Ok(None));
        let search = OrphanParts {
            source: Arc::new(MemorySource::new()),
            catalogue: self.store.clone(),
            storages,
            check: Arc::new(check),
        };
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
async fn nothing_is_searched_while_rows_were_never_read() {
    let bench = Bench::new(&[Model::Uploads]).await;
    bench.serve("a", files(["a"], None));
    bench.store.request("root").await.unwrap();
    let walk = bench.until(WalkState::Failed).await;
    assert!(walk.problem.is_some_and(|problem| problem.contains("the rows of uploads were never read")));
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
