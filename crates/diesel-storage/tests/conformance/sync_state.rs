//! `SyncState`: who holds the sync, how far it is, and what a piece makes of known records.

use std::time::Duration;

use stocktake_domain::ports::{Applied, FullScan, ModelSyncState, StoreError, SyncApplied};
use stocktake_domain::{Digest, Model, RecordKey, Selection, SourceRecord, State};

use crate::support::{
    Database, HEARTBEAT, MODEL, apply, at, claim, composite, count, entry, entry_of, get, import, key,
    numbers, piece, state, succeed_all, successes, sync, worker,
};

const SPAN: Duration = Duration::from_secs(60);

fn added(added: u64) -> SyncApplied {
    SyncApplied { applied: Applied { added, ..Applied::default() }, ..SyncApplied::default() }
}

fn changed(changed: u64) -> SyncApplied {
    SyncApplied { applied: Applied { changed, ..Applied::default() }, ..SyncApplied::default() }
}

fn unchanged(unchanged: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, ..SyncApplied::default() }
}

pub(crate) async fn one_holds_the_sync_at_a_time(db: &Database) {
    let (one, other) = (worker("one"), worker("other"));
    let hold = async |who, now| db.store.sync_state.acquire_leader_lease(who, SPAN, at(now)).await.unwrap();
    assert!(hold(&one, 0).await);
    assert!(!hold(&other, 59_999).await);
    // Prolonged in time.
    assert!(hold(&one, 30_000).await);
    assert!(!hold(&other, 60_000).await);
    // Over.
    assert!(hold(&other, 90_000).await);
    assert!(!hold(&one, 100_000).await);
    // Who does not hold it lets nothing go.
    db.store.sync_state.release_leader_lease(&one).await.unwrap();
    assert!(!hold(&one, 100_000).await);
    db.store.sync_state.release_leader_lease(&other).await.unwrap();
    assert!(hold(&one, 100_000).await);
    // Late, but nobody else came.
    assert!(hold(&one, 1_000_000).await);
    let odd = db.store.sync_state.acquire_leader_lease(&worker("\0"), SPAN, at(0)).await;
    assert!(matches!(odd, Err(StoreError::Internal(_))));
}

pub(crate) async fn of_many_at_once_one_holds_the_sync(db: &Database) {
    let tries = (0..8).map(|number| {
        let store = db.store.clone();
        tokio::spawn(async move {
            store.sync_state.acquire_leader_lease(&worker(&number.to_string()), SPAN, at(0)).await
        })
    });
    let mut held = 0;
    for attempt in tries.collect::<Vec<_>>() {
        held += u8::from(attempt.await.unwrap().unwrap());
    }
    assert_eq!(held, 1);
}

pub(crate) async fn who_lost_the_sync_changes_nothing(db: &Database) {
    let (one, other) = (worker("one"), worker("other"));
    let state = ModelSyncState { read_to: Some(key(1)), ..ModelSyncState::new(MODEL) };
    let apply = async |who, number, now| {
        db.store.sync_state.apply(who, piece(vec![entry(number)]), &state, at(now)).await.unwrap()
    };
    // Nobody holds it.
    assert_eq!(apply(&one, 1, 0).await, None);
    assert!(db.store.sync_state.acquire_leader_lease(&one, SPAN, at(0)).await.unwrap());
    assert_eq!(apply(&other, 1, 0).await, None);
    assert_eq!(apply(&one, 1, 59_999).await, Some(added(1)));
    // The span is over, though nobody else came.
    assert_eq!(apply(&one, 2, 60_000).await, None);
    assert!(db.store.sync_state.acquire_leader_lease(&other, SPAN, at(60_000)).await.unwrap());
    let late = ModelSyncState { read_to: Some(key(9)), ..state.clone() };
    let lost = db.store.sync_state.apply(&one, piece(vec![entry(2)]), &late, at(60_000)).await.unwrap();
    assert_eq!(lost, None);
    assert_eq!(count(&db.store, Selection::default()).await, 1);
    assert_eq!(db.store.sync_state.states().await.unwrap(), std::slice::from_ref(&state));
    assert_eq!(apply(&other, 2, 60_000).await, Some(added(1)));
}

pub(crate) async fn states_come_back_in_the_order_of_the_models(db: &Database) {
    assert!(db.store.sync_state.states().await.unwrap().is_empty());
    let full = ModelSyncState {
        model: Model::Uploads,
        read_to: Some(composite(&[1, -2])),
        read_at: Some(at(3)),
        changes_read_to: Some(at(-4)),
        full_scan: FullScan {
            at: Some(key(i64::MAX)),
            records: 5,
            deleted: 6,
            kept: 7,
            due_at: Some(at(8)),
            ended_at: Some(at(9)),
        },
        problem: Some("The table is gone: a\u{fffd}b.".to_owned()),
    };
    let said = ModelSyncState { problem: Some("The table is gone: a\0b.".to_owned()), ..full.clone() };
    let first = ModelSyncState::new(Model::CiJobArtifacts);
    let middle = ModelSyncState { read_at: Some(at(1)), ..ModelSyncState::new(Model::Projects) };
    for state in [&said, &middle, &first] {
        sync(&db.store, piece(vec![]), state, 0).await;
    }
    let kept = [&first, &middle, &full].map(Clone::clone);
    let by_all: Vec<Model> =
        Model::ALL.into_iter().filter(|model| kept.iter().any(|state| state.model == *model)).collect();
    let states = db.store.sync_state.states().await.unwrap();
    assert_eq!(states.iter().map(|state| state.model).collect::<Vec<_>>(), by_all);
    for state in &kept {
        assert!(states.contains(state), "{state:?}");
    }
    // Another takes its place, also where it knows less.
    sync(&db.store, piece(vec![]), &ModelSyncState::new(Model::Uploads), 0).await;
    assert!(db.store.sync_state.states().await.unwrap().contains(&ModelSyncState::new(Model::Uploads)));
}

pub(crate) async fn a_refused_piece_keeps_no_state(db: &Database) {
    let large = u64::MAX;
    let state = ModelSyncState { read_to: Some(key(2)), ..ModelSyncState::new(MODEL) };
    assert!(db.store.sync_state.acquire_leader_lease(&worker("w"), SPAN, at(0)).await.unwrap());
    let bad = piece(vec![entry(1), SourceRecord { file_size: Some(large), ..entry(2) }]);
    assert!(db.store.sync_state.apply(&worker("w"), bad, &state, at(0)).await.is_err());
    let overflowing = ModelSyncState { full_scan: FullScan { kept: large, ..FullScan::default() }, ..state };
    assert!(
        db.store.sync_state.apply(&worker("w"), piece(vec![entry(1)]), &overflowing, at(0)).await.is_err()
    );
    assert!(db.store.sync_state.states().await.unwrap().is_empty());
    assert_eq!(count(&db.store, Selection::default()).await, 0);
}

pub(crate) async fn pieces_add_change_and_leave(db: &Database) {
    let off = SourceRecord { disabled: true, ..entry(3) };
    assert_eq!(apply(&db.store, vec![entry(1), entry(2), off.clone()], 100).await, added(3));
    assert_eq!(state(&db.store, 3).await, State::Disabled);
    assert_eq!(succeed_all(&db.store, 200).await, 2);
    let before = get(&db.store, 1).await;
    assert_eq!(apply(&db.store, vec![entry(1), entry(2), off], 300).await, unchanged(3));
    assert_eq!(get(&db.store, 1).await, before);
    let mut moved = entry(2);
    "source_checksum".clone_into(&mut moved.location.storage);
    let named = SourceRecord { owner: Some("group/project".to_owned()), ..entry(1) };
    let mixed = vec![named, moved, entry(3), entry(4)];
    let applied = apply(&db.store, mixed, 400).await.applied;
    assert_eq!(applied, Applied { added: 1, changed: 3, unchanged: 0 });
    // An owner alone is no reason to read anything.
    let after = get(&db.store, 1).await;
    assert_eq!((&after.status, after.owner.as_deref()), (&before.status, Some("group/project")));
    for number in 2..=4 {
        assert_eq!(state(&db.store, number).await, State::Pending, "{number}");
    }
    assert_eq!(succeed_all(&db.store, 500).await, 3);
}

pub(crate) async fn pieces_of_composite_keys_and_of_thousands(db: &Database) {
    let keys: Vec<RecordKey> = (0..2500).map(|number| composite(&[number / 50, number % 50])).collect();
    let entries: Vec<SourceRecord> = keys.into_iter().map(entry_of).collect();
    assert_eq!(apply(&db.store, entries.clone(), 100).await, added(2500));
    assert_eq!(apply(&db.store, entries.clone(), 200).await, unchanged(2500));
    // In whatever order, and the later of two with one key.
    let mut backwards: Vec<SourceRecord> = entries.into_iter().rev().collect();
    backwards.push(SourceRecord { file_size: Some(1), ..backwards[0].clone() });
    let applied = apply(&db.store, backwards, 300).await.applied;
    assert_eq!(applied, Applied { added: 0, changed: 1, unchanged: 2499 });
}

pub(crate) async fn a_later_touch_recalculates_once(db: &Database) {
    let touched = |time: Option<i64>| SourceRecord { content_changed_at: time.map(at), ..entry(1) };
    let off = |time: i64| SourceRecord { disabled: true, content_changed_at: Some(at(time)), ..entry(2) };
    apply(&db.store, vec![touched(None), off(1)], 100).await;
    succeed_all(&db.store, 100).await;
    let attempt = async || get(&db.store, 1).await.history().attempt;
    for (time, applied, state_then, attempt_then) in [
        // The first change since it was stored.
        (Some(50), changed(1), State::Pending, 2),
        (Some(50), unchanged(1), State::Pending, 2),
        (Some(51), changed(1), State::Pending, 4),
        (Some(51), unchanged(1), State::Pending, 4),
        (Some(40), changed(1), State::Succeeded, 5),
        (Some(45), changed(1), State::Pending, 6),
        (Some(45), unchanged(1), State::Pending, 6),
        (None, changed(1), State::Succeeded, 7),
        (None, unchanged(1), State::Succeeded, 7),
    ] {
        assert_eq!(apply(&db.store, vec![touched(time)], 200).await, applied, "{time:?}");
        assert_eq!((state(&db.store, 1).await, attempt().await), (state_then, attempt_then), "{time:?}");
        if applied == unchanged(1) {
            succeed_all(&db.store, 200).await;
        }
    }
    assert_eq!(apply(&db.store, vec![off(2)], 300).await, changed(1));
    assert_eq!(state(&db.store, 2).await, State::Disabled);
}

pub(crate) async fn a_touch_leaves_a_running_attempt_to_its_end(db: &Database) {
    let touched = |time| SourceRecord { content_changed_at: Some(at(time)), ..entry(1) };
    apply(&db.store, vec![touched(1)], 100).await;
    let lease = claim(&db.store, 1, 100).await.unwrap();
    assert_eq!(apply(&db.store, vec![touched(2)], 200).await, unchanged(1));
    assert_eq!(state(&db.store, 1).await, State::Started);
    assert_eq!(db.store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 1);
    assert_eq!(state(&db.store, 1).await, State::Succeeded);
    assert_eq!(apply(&db.store, vec![touched(2)], 400).await, changed(1));
    assert_eq!(state(&db.store, 1).await, State::Pending);
}

pub(crate) async fn a_changed_checksum_elsewhere_is_compared_or_forgets_how_ours_compared(db: &Database) {
    let with_source_checksum = |digest: Option<Digest>| SourceRecord { source_checksum: digest, ..entry(1) };
    let (sha, gitaly) = (Digest::Sha256([1; 32]), Digest::Gitaly([2; 20]));
    apply(&db.store, vec![with_source_checksum(Some(sha))], 100).await;
    let lease = claim(&db.store, 1, 100).await.unwrap();
    assert_eq!(lease.records[0].reference.source_checksum, Some(sha));
    let outcomes = crate::support::compared(&lease, Some(false), 200);
    db.store.queue.complete(lease.id, &outcomes, true).await.unwrap();
    let mismatched = async || db.store.catalogue.mismatched(MODEL, None, 10).await.unwrap().len();
    assert_eq!((get(&db.store, 1).await.matches_source(), mismatched().await), (Some(false), 1));
    // Anything else leaves it.
    let named = SourceRecord { owner: Some("a".to_owned()), ..with_source_checksum(Some(sha)) };
    assert_eq!(apply(&db.store, vec![named], 300).await, changed(1));
    assert_eq!((get(&db.store, 1).await.matches_source(), mismatched().await), (Some(false), 1));
    // Ours is of the same kind, so that it need not be read again.
    for (theirs, matches_source) in [(crate::support::GOOD, true), (Digest::Sha256([9; 32]), false)] {
        assert_eq!(apply(&db.store, vec![with_source_checksum(Some(theirs))], 350).await, changed(1));
        assert_eq!(get(&db.store, 1).await.matches_source(), Some(matches_source));
    }
    assert_eq!(apply(&db.store, vec![with_source_checksum(Some(gitaly))], 400).await, changed(1));
    let record = get(&db.store, 1).await;
    assert_eq!(
        (record.matches_source(), record.source_checksum, record.state()),
        (None, Some(gitaly), State::Succeeded)
    );
    assert_eq!(mismatched().await, 0);
    // An import says nothing of it, which is another value.
    assert_eq!(import(&db.store, vec![entry(1)], 500).await, changed(1).applied);
    assert_eq!(get(&db.store, 1).await.source_checksum, None);
}

pub(crate) async fn a_sync_below_a_lease_is_not_held_by_it(db: &Database) {
    let moved = |number| SourceRecord { mutable: true, ..entry(number) };
    apply(&db.store, vec![entry(1), entry(2), entry(9)], 100).await;
    let lease = claim(&db.store, 10, 100).await.unwrap();
    // By a clock that is behind.
    apply(&db.store, vec![moved(2), entry(5)], 50).await;
    for (number, expected) in [(1, State::Started), (2, State::Pending), (5, State::Pending)] {
        assert_eq!(state(&db.store, number).await, expected, "{number}");
    }
    assert_eq!(db.store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 2);
    assert_eq!(numbers(&claim(&db.store, 10, 300).await.unwrap()), [2, 5]);
}

pub(crate) async fn work_of_a_sync_is_signalled(db: &Database) {
    let mut signal = db.store.queue.wake_signal();
    apply(&db.store, vec![entry(1)], 100).await;
    signal.wait().await;
    assert_eq!(numbers(&claim(&db.store, 10, 100).await.unwrap()), [1]);
}

pub(crate) async fn imports_and_syncs_at_once_all_end(db: &Database) {
    let worker = worker("w");
    assert!(db.store.sync_state.acquire_leader_lease(&worker, HEARTBEAT, at(0)).await.unwrap());
    let tasks = (1..=4_u64).map(|version| {
        let (store, worker) = (db.store.clone(), worker.clone());
        tokio::spawn(async move {
            let sized = |number| SourceRecord { file_size: Some(version), ..entry(number) };
            let entries: Vec<SourceRecord> = (0..3000).map(sized).collect();
            let applied = if version % 2 == 0 {
                import(&store, entries, 100).await
            } else {
                let state = ModelSyncState::new(MODEL);
                store
                    .sync_state
                    .apply(&worker, piece(entries), &state, at(100))
                    .await
                    .unwrap()
                    .unwrap()
                    .applied
            };
            applied.added + applied.changed
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), 3000);
    }
    let version = get(&db.store, 0).await.file_size;
    assert_eq!(get(&db.store, 2999).await.file_size, version);
}
