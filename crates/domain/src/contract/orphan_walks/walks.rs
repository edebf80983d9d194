//! Walks in search of orphans, from being asked for to their end.

use std::time::Duration;

use crate::contract::support::{at, worker};
use crate::contract::tasks::{Task, at_once};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::WorkerId;
use crate::{
    CLOCK_TOLERANCE, Location, Orphan, OrphanTotals, OrphanWalk, PieceTotals, RegistryPiece,
    SearchedRegistry, StorageOutcome, Unreferenced, UnreferencedKind, UnreferencedTotals, WalkFindings,
    WalkId, WalkState, WalkedStorage,
};

/// How long a runner's walk is its own without a sign of life.
const LASTS: Duration = Duration::from_millis(100);

async fn request(store: &Ports, now: i64) -> OrphanWalk {
    store.as_of(at(now)).orphan_walks.request("root").await.unwrap()
}

async fn claim(store: &Ports, runner: &str, now: i64) -> Option<OrphanWalk> {
    store.as_of(at(now)).orphan_walks.claim(&worker(runner), LASTS).await.unwrap()
}

fn place(storage: &str, path: &str) -> Location {
    Location { storage: storage.to_owned(), path: path.to_owned() }
}

fn orphan(storage: &str, path: &str) -> Orphan {
    Orphan { location: place(storage, path), size: Some(7), modified_at: Some(at(5)) }
}

fn walked(storage: &str, orphans: u64, outcome: Option<StorageOutcome>) -> WalkedStorage {
    let totals = OrphanTotals { looked_at: 9, orphans, bytes: 7 * orphans, ..OrphanTotals::default() };
    WalkedStorage { storage: storage.to_owned(), outcome, totals }
}

fn piece(storage: &str, path: &str, kind: UnreferencedKind) -> RegistryPiece {
    let piece = Unreferenced { kind, path: path.to_owned(), size: 9, modified_at: Some(at(4)) };
    RegistryPiece { storage: storage.to_owned(), piece }
}

/// A registry with a number of its own in each count.
fn searched(storage: &str, outcome: Option<StorageOutcome>) -> SearchedRegistry {
    let [blobs, manifests, blobs_of_untagged, uploads] =
        [(1, 2), (3, 4), (5, 6), (7, 8)].map(|(pieces, bytes)| PieceTotals { pieces, bytes });
    let totals = UnreferencedTotals {
        looked_at: 11,
        young: 12,
        skipped: 13,
        blobs,
        manifests,
        blobs_of_untagged,
        uploads,
    };
    SearchedRegistry { storage: storage.to_owned(), outcome, totals }
}

/// Records one storage with these orphans, and a registry with as many pieces; whether the walk is the runner's.
async fn record(store: &Ports, id: WalkId, runner: &WorkerId, now: i64, found: &[Orphan]) -> bool {
    let in_registry = |orphan: &Orphan| piece("registry", &orphan.location.path, UnreferencedKind::Manifest);
    let findings = WalkFindings {
        storages: vec![walked("main", u64::try_from(found.len()).unwrap(), None)],
        orphans: found.to_vec(),
        registries: vec![searched("registry", None)],
        pieces: found.iter().map(in_registry).collect(),
    };
    store.as_of(at(now)).orphan_walks.record(id, runner, LASTS, &findings).await.unwrap()
}

/// How many pieces of registries are kept of a walk, and of how many registries.
async fn kept_of_registries(store: &Ports, id: WalkId) -> (usize, usize) {
    let pieces = store.orphan_walks.unreferenced(id, None, 100).await.unwrap();
    (pieces.len(), store.orphan_walks.registries(id).await.unwrap().len())
}

async fn all(store: &Ports, id: WalkId) -> Vec<Orphan> {
    store.orphan_walks.orphans(id, None, 100).await.unwrap()
}

pub async fn a_walk_is_asked_for_once(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(store.orphan_walks.list(9).await.unwrap(), []);
    let walk = request(store, 1_000).await;
    let queued = OrphanWalk {
        id: walk.id,
        requested_by: "root".to_owned(),
        state: WalkState::Queued,
        created_at: at(1_000),
        started_at: None,
        finished_at: None,
        problem: None,
    };
    assert_eq!(walk, queued);
    assert_eq!(request(store, 1_010).await, walk);
    let again = claim(store, "a", 1_020).await.unwrap();
    assert_eq!(again, OrphanWalk { state: WalkState::Running, started_at: Some(at(1_020)), ..walk });
    assert_eq!(request(store, 1_030).await, again);
    assert!(store.orphan_walks.finish(again.id, &worker("a"), None).await.unwrap());
    let next = request(store, 1_040).await;
    assert!(next.id > again.id);
    // Of many at once, all get the same one.
    store.orphan_walks.cancel(next.id).await.unwrap();
    let ask = |_| -> Task<'_, WalkId> { Box::pin(async { request(store, 1_050).await.id }) };
    let ids = at_once((0..5).map(ask)).await;
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    let listed = db.reopen().await.orphan_walks.list(2).await.unwrap();
    let states: Vec<_> = listed.iter().map(|walk| (walk.id, walk.state)).collect();
    assert_eq!(states, [(ids[0], WalkState::Queued), (next.id, WalkState::Cancelled)]);
}

pub async fn one_runner_walks_at_a_time(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(claim(store, "a", 1_000).await, None);
    let walk = request(store, 1_000).await;
    let run = |number: usize| -> Task<'_, bool> {
        Box::pin(async move { claim(store, &format!("r{number}"), 1_000).await.is_some() })
    };
    let claimed = at_once((0..5).map(run)).await;
    let of: Vec<usize> = (0..5).filter(|number| claimed[*number]).collect();
    assert_eq!(of.len(), 1, "{claimed:?}");
    let runner = worker(&format!("r{}", of[0]));
    // A sign of life keeps it.
    assert!(record(store, walk.id, &runner, 1_090, &[]).await);
    assert_eq!(claim(store, "b", 1_189).await, None);
    assert!(!record(store, walk.id, &worker("b"), 1_189, &[orphan("main", "x")]).await);
    assert!(!store.orphan_walks.finish(walk.id, &worker("b"), None).await.unwrap());
    assert_eq!(all(store, walk.id).await, []);
    assert!(store.orphan_walks.finish(walk.id, &runner, None).await.unwrap());
    assert!(!store.orphan_walks.finish(walk.id, &runner, Some("twice".to_owned())).await.unwrap());
    assert_eq!(claim(store, "b", 9_000).await, None);
}

pub async fn a_walk_whose_runner_died_begins_anew(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let walk = request(store, 1_000).await;
    claim(store, "a", 1_000).await.unwrap();
    assert!(record(store, walk.id, &worker("a"), 1_010, &[orphan("main", "x")]).await);
    let again = claim(&db.reopen().await, "b", 1_110).await.unwrap();
    assert_eq!((again.id, again.created_at, again.started_at), (walk.id, at(1_000), Some(at(1_110))));
    assert_eq!(all(store, walk.id).await, []);
    assert_eq!(store.orphan_walks.storages(walk.id).await.unwrap(), []);
    assert_eq!(kept_of_registries(store, walk.id).await, (0, 0));
    // The first one comes back.
    assert!(!record(store, walk.id, &worker("a"), 1_120, &[orphan("main", "y")]).await);
    assert!(record(store, walk.id, &worker("b"), 1_120, &[orphan("main", "x")]).await);
    assert_eq!(all(store, walk.id).await, [orphan("main", "x")]);
}

pub async fn what_was_found_is_listed_page_by_page(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let walk = request(store, 1_000).await;
    claim(store, "a", 1_000).await.unwrap();
    let runner = worker("a");
    let odd = Orphan { size: None, modified_at: None, ..orphan("main", "é\u{202e}\n") };
    let found = [orphan("b", "a"), orphan("main", "Z"), orphan("main", "a"), odd.clone()];
    let largest = Orphan { size: Some(u64::try_from(i64::MAX).unwrap()), ..orphan("a", "a") };
    let [one, two] = [walked("main", 1, None), walked("a", 0, Some(StorageOutcome::NotConfigured))];
    let record = async |storages: &[WalkedStorage], found: &[Orphan]| {
        let (storages, orphans) = (storages.to_vec(), found.to_vec());
        let findings = WalkFindings { storages, orphans, ..WalkFindings::default() };
        store.orphan_walks.record(walk.id, &runner, LASTS, &findings).await
    };
    assert!(record(&[one, two.clone()], &found).await.unwrap());
    let outcomes = [
        StorageOutcome::Searched,
        StorageOutcome::Unused("no\0".to_owned()),
        StorageOutcome::Failed("f".to_owned()),
        StorageOutcome::Disordered("d".to_owned()),
    ];
    for outcome in outcomes {
        // The same again, and one more.
        assert!(
            record(&[walked("main", 4, Some(outcome.clone()))], &[odd.clone(), largest.clone()])
                .await
                .unwrap()
        );
        let kept = match outcome {
            StorageOutcome::Unused(_) => StorageOutcome::Unused("no\u{fffd}".to_owned()),
            other => other,
        };
        let storages = db.reopen().await.orphan_walks.storages(walk.id).await.unwrap();
        assert_eq!(storages, [two.clone(), walked("main", 4, Some(kept))]);
    }
    let listed = [largest, found[0].clone(), found[1].clone(), found[2].clone(), odd];
    assert_eq!(all(store, walk.id).await, listed);
    let mut after = None;
    let mut paged = Vec::new();
    loop {
        let page = store.orphan_walks.orphans(walk.id, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.location.clone());
        paged.extend(page);
    }
    assert_eq!(paged, listed);
    // The place need not be that of an orphan.
    let behind = store.orphan_walks.orphans(walk.id, Some(place("c", "x")), 1).await.unwrap();
    assert_eq!(behind, [listed[2].clone()]);
    let beyond = Orphan { size: Some(u64::MAX), ..orphan("a", "b") };
    for refused in [beyond, orphan("a\0", "b"), orphan("a", "\0")] {
        assert!(record(&[], &[refused]).await.is_err());
    }
    assert_eq!(all(store, WalkId(walk.id.0 + 1)).await, []);
}

pub async fn what_is_unreferenced_is_listed_page_by_page(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let walk = request(store, 1_000).await;
    claim(store, "a", 1_000).await.unwrap();
    let record = async |registries: &[SearchedRegistry], pieces: &[RegistryPiece]| {
        let (registries, pieces) = (registries.to_vec(), pieces.to_vec());
        // A storage of the same name is searched for orphans too, and keeps its own.
        let (storages, orphans) = (vec![walked("one", 1, None)], vec![orphan("one", "a")]);
        let findings = WalkFindings { storages, orphans, registries, pieces };
        store.orphan_walks.record(walk.id, &worker("a"), LASTS, &findings).await
    };
    let [blob, manifest, of_untagged, upload] = UnreferencedKind::ALL;
    let mut odd = piece("two", "é\u{202e}\n", upload);
    (odd.piece.size, odd.piece.modified_at) = (u64::try_from(i64::MAX).unwrap(), None);
    let listed =
        [piece("one", "a", blob), piece("one", "b@sha256:1", manifest), piece("two", "a", of_untagged), odd];
    let empty = SearchedRegistry { totals: UnreferencedTotals::default(), ..searched("two", None) };
    assert!(record(&[searched("one", None), empty], &listed[2..]).await.unwrap());
    for outcome in [StorageOutcome::Searched, StorageOutcome::Failed("no\0".to_owned())] {
        assert!(record(&[searched("two", Some(outcome.clone()))], &listed[..3]).await.unwrap());
        let kept = match outcome {
            StorageOutcome::Failed(_) => StorageOutcome::Failed("no\u{fffd}".to_owned()),
            other => other,
        };
        let registries = db.reopen().await.orphan_walks.registries(walk.id).await.unwrap();
        assert_eq!(registries, [searched("one", None), searched("two", Some(kept))]);
    }
    let page = async |after, limit| store.orphan_walks.unreferenced(walk.id, after, limit).await.unwrap();
    assert_eq!(page(None, 100).await, listed);
    assert_eq!(page(Some(place("one", "a")), 2).await, listed[1..3]);
    // The place need not be that of a piece.
    assert_eq!(page(Some(place("one", "z")), 1).await, listed[2..3]);
    assert_eq!(page(Some(place("two", "é\u{202e}\n")), 9).await, []);
    assert_eq!(all(store, walk.id).await, [orphan("one", "a")]);
    assert_eq!(store.orphan_walks.storages(walk.id).await.unwrap(), [walked("one", 1, None)]);
    let mut beyond = piece("one", "c", blob);
    beyond.piece.size = u64::MAX;
    for refused in [beyond, piece("a\0", "b", blob), piece("a", "\0", blob)] {
        assert!(record(&[], &[refused]).await.is_err());
    }
    let mut beyond = searched("one", None);
    beyond.totals.uploads.bytes = u64::MAX;
    assert!(record(&[beyond], &[]).await.is_err());
    assert_eq!(page(None, 100).await, listed);
}

pub async fn only_the_last_walk_that_ended_well_is_kept(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let runner = worker("a");
    let mut ids = Vec::new();
    for (number, problem) in [(1, None), (2, None), (3, Some("the source\0 is away".to_owned()))] {
        let walk = request(store, 1_000 * number).await;
        claim(store, "a", 1_000 * number).await.unwrap();
        assert!(
            record(store, walk.id, &runner, 1_000 * number, &[orphan("main", &number.to_string())]).await
        );
        assert!(store.orphan_walks.finish(walk.id, &runner, problem).await.unwrap());
        ids.push(walk.id);
    }
    let kept = async |id| (all(store, id).await.len(), store.orphan_walks.storages(id).await.unwrap().len());
    for (id, expected) in ids.into_iter().zip([(0, 0), (1, 1), (0, 0)]) {
        assert_eq!([kept(id).await, kept_of_registries(store, id).await], [expected; 2]);
    }
    let walks = store.orphan_walks.list(9).await.unwrap();
    let ends: Vec<_> =
        walks.iter().map(|walk| (walk.state, walk.finished_at, walk.problem.as_deref())).collect();
    assert_eq!(
        ends,
        [
            (WalkState::Failed, Some(at(3_000)), Some("the source\u{fffd} is away")),
            (WalkState::Finished, Some(at(2_000)), None),
            (WalkState::Finished, Some(at(1_000)), None),
        ]
    );
}

pub async fn a_cancelled_walk_is_nobodys_any_more(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert_eq!(store.orphan_walks.cancel(WalkId(7)).await.unwrap(), None);
    let walk = request(store, 1_000).await;
    claim(store, "a", 1_000).await.unwrap();
    assert!(record(store, walk.id, &worker("a"), 1_000, &[orphan("main", "x")]).await);
    let cancelled = store.as_of(at(1_010)).orphan_walks.cancel(walk.id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.finished_at), (WalkState::Cancelled, Some(at(1_010))));
    assert!(!record(store, walk.id, &worker("a"), 1_020, &[orphan("main", "x")]).await);
    assert!(!store.orphan_walks.finish(walk.id, &worker("a"), None).await.unwrap());
    assert_eq!(all(store, walk.id).await, []);
    assert_eq!(kept_of_registries(store, walk.id).await, (0, 0));
    assert_eq!(store.as_of(at(1_030)).orphan_walks.cancel(walk.id).await.unwrap(), Some(cancelled));
    assert_eq!(claim(store, "b", 9_000).await, None);
}

pub async fn a_walk_from_the_future_is_taken(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let walk = request(store, 1_000).await;
    let ahead = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap() + 1_001;
    claim(store, "a", ahead).await.unwrap();
    assert_eq!(claim(store, "b", 1_000).await.map(|taken| taken.id), Some(walk.id));
}
