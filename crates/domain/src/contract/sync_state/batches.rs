//! `SyncState`: who holds the sync, how far it is, and what a batch makes of known records.

use std::time::Duration;

use crate::contract::DatabaseFixture;
use crate::contract::support::{
    HEARTBEAT, MODEL, added, apply, at, batch, claim, composite, count, entry, entry_of, get, import, key,
    numbers, state, succeed_all, successes, sync, worker,
};
use crate::contract::tasks::{Task, at_once};
use crate::ports::{Applied, FullScan, ModelSyncState, SyncApplied};
use crate::{Digest, Model, RecordKey, Selection, SourceRecord, State};

const SPAN: Duration = Duration::from_secs(60);

fn changed(changed: u64) -> SyncApplied {
    SyncApplied { applied: Applied { changed, ..Applied::default() }, ..SyncApplied::default() }
}

fn unchanged(unchanged: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, ..SyncApplied::default() }
}

pub async fn states_come_back_in_the_order_of_the_models(db: &dyn DatabaseFixture) {
    let store = db.ports();
    assert!(store.sync_state.states().await.unwrap().is_empty());
    let full = ModelSyncState {
        model: Model::Uploads,
        read_to: Some(composite(&[1, -2])),
        read_at: Some(at(3)),
        changes_read_to: Some(at(-4)),
        full_scan: FullScan {
            at: Some(key(i64::MAX)),
            records: 5,
            added: 10,
            changed: 11,
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
        sync(store, batch(vec![]), state, 0).await;
    }
    let kept = [&first, &middle, &full].map(Clone::clone);
    let by_all: Vec<Model> =
        Model::ALL.into_iter().filter(|model| kept.iter().any(|state| state.model == *model)).collect();
    let states = store.sync_state.states().await.unwrap();
    assert_eq!(states.iter().map(|state| state.model).collect::<Vec<_>>(), by_all);
    for state in &kept {
        assert!(states.contains(state), "{state:?}");
    }
    // Another takes its place, also where it knows less.
    sync(store, batch(vec![]), &ModelSyncState::new(Model::Uploads), 0).await;
    assert!(store.sync_state.states().await.unwrap().contains(&ModelSyncState::new(Model::Uploads)));
}

pub async fn what_batches_add_and_change_is_counted_with_the_state(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let full_scan = FullScan { added: 10, changed: 20, deleted: 3, ..FullScan::default() };
    let given = ModelSyncState { full_scan, ..ModelSyncState::new(MODEL) };
    let kept = async || {
        let states = store.sync_state.states().await.unwrap();
        let FullScan { added, changed, deleted, .. } = states[0].full_scan;
        [added, changed, deleted]
    };
    sync(store, batch(vec![entry(1), entry(2)]), &given, 0).await;
    assert_eq!(kept().await, [12, 20, 3]);
    let mut moved = entry(2);
    "elsewhere".clone_into(&mut moved.location.storage);
    sync(store, batch(vec![entry(1), moved, entry(3)]), &given, 0).await;
    assert_eq!(kept().await, [11, 21, 3]);
    sync(store, batch(vec![]), &given, 0).await;
    assert_eq!(kept().await, [10, 20, 3]);
}

pub async fn a_refused_batch_keeps_no_state(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let large = u64::MAX;
    let state = ModelSyncState { read_to: Some(key(2)), ..ModelSyncState::new(MODEL) };
    assert!(store.as_of(at(0)).sync_state.acquire_leader_lease(&worker("w"), SPAN).await.unwrap());
    let bad = batch(vec![entry(1), SourceRecord { file_size: Some(large), ..entry(2) }]);
    assert!(store.as_of(at(0)).sync_state.apply(&worker("w"), bad, &state).await.is_err());
    let overflowing = ModelSyncState { full_scan: FullScan { kept: large, ..FullScan::default() }, ..state };
    assert!(
        store.as_of(at(0)).sync_state.apply(&worker("w"), batch(vec![entry(1)]), &overflowing).await.is_err()
    );
    assert!(store.sync_state.states().await.unwrap().is_empty());
    assert_eq!(count(store, Selection::default()).await, 0);
}

pub async fn batches_add_change_and_leave(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let off = SourceRecord { disabled: true, ..entry(3) };
    assert_eq!(apply(store, vec![entry(1), entry(2), off.clone()], 100).await, added(3));
    assert_eq!(state(store, 3).await, State::Disabled);
    assert_eq!(succeed_all(store, 200).await, 2);
    let before = get(store, 1).await;
    assert_eq!(apply(store, vec![entry(1), entry(2), off], 300).await, unchanged(3));
    assert_eq!(get(store, 1).await, before);
    let mut moved = entry(2);
    "elsewhere".clone_into(&mut moved.location.storage);
    let named = SourceRecord { owner: Some("group/project".to_owned()), ..entry(1) };
    let mixed = vec![named, moved, entry(3), entry(4)];
    let applied = apply(store, mixed, 400).await.applied;
    assert_eq!(applied, Applied { added: 1, changed: 3, unchanged: 0 });
    // An owner alone is no reason to read anything.
    let after = get(store, 1).await;
    assert_eq!((&after.status, after.owner.as_deref()), (&before.status, Some("group/project")));
    for number in 2..=4 {
        assert_eq!(state(store, number).await, State::Pending, "{number}");
    }
    assert_eq!(succeed_all(store, 500).await, 3);
}

pub async fn batches_of_composite_keys_and_of_thousands(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let keys: Vec<RecordKey> = (0..2500).map(|number| composite(&[number / 50, number % 50])).collect();
    let entries: Vec<SourceRecord> = keys.into_iter().map(entry_of).collect();
    assert_eq!(apply(store, entries.clone(), 100).await, added(2500));
    assert_eq!(apply(store, entries.clone(), 200).await, unchanged(2500));
    // In whatever order, and the later of two with one key.
    let mut backwards: Vec<SourceRecord> = entries.into_iter().rev().collect();
    backwards.push(SourceRecord { file_size: Some(1), ..backwards[0].clone() });
    let applied = apply(store, backwards, 300).await.applied;
    assert_eq!(applied, Applied { added: 0, changed: 1, unchanged: 2499 });
}

pub async fn a_later_change_recalculates_once(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let touched = |time: Option<i64>| SourceRecord { content_changed_at: time.map(at), ..entry(1) };
    let off = |time: i64| SourceRecord { disabled: true, content_changed_at: Some(at(time)), ..entry(2) };
    apply(store, vec![touched(None), off(1)], 100).await;
    succeed_all(store, 100).await;
    let attempt = async || get(store, 1).await.history().attempt;
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
        assert_eq!(apply(store, vec![touched(time)], 200).await, applied, "{time:?}");
        assert_eq!((state(store, 1).await, attempt().await), (state_then, attempt_then), "{time:?}");
        if applied == unchanged(1) {
            succeed_all(store, 200).await;
        }
    }
    assert_eq!(apply(store, vec![off(2)], 300).await, changed(1));
    assert_eq!(state(store, 2).await, State::Disabled);
}

pub async fn a_change_waits_for_the_end_of_a_running_attempt(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let touched = |time| SourceRecord { content_changed_at: Some(at(time)), ..entry(1) };
    apply(store, vec![touched(1)], 100).await;
    let lease = claim(store, 1, 100).await.unwrap();
    assert_eq!(apply(store, vec![touched(2)], 200).await, unchanged(1));
    assert_eq!(state(store, 1).await, State::Started);
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 1);
    assert_eq!(state(store, 1).await, State::Succeeded);
    assert_eq!(apply(store, vec![touched(2)], 400).await, changed(1));
    assert_eq!(state(store, 1).await, State::Pending);
}

pub async fn a_changed_source_checksum_is_compared_anew(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let with_source_checksum = |digest: Option<Digest>| SourceRecord { source_checksum: digest, ..entry(1) };
    let (sha, gitaly) = (Digest::Sha256([1; 32]), Digest::Gitaly([2; 20]));
    apply(store, vec![with_source_checksum(Some(sha))], 100).await;
    let lease = claim(store, 1, 100).await.unwrap();
    assert_eq!(lease.records[0].reference.unwrap().source_checksum, Some(sha));
    let outcomes = crate::contract::support::compared(&lease, Some(false), 200);
    store.queue.complete(lease.id, &outcomes, true).await.unwrap();
    let mismatched = async || store.catalogue.mismatched(MODEL, None, 10).await.unwrap().len();
    assert_eq!((get(store, 1).await.matches_source(), mismatched().await), (Some(false), 1));
    // Anything else leaves it.
    let named = SourceRecord { owner: Some("a".to_owned()), ..with_source_checksum(Some(sha)) };
    assert_eq!(apply(store, vec![named], 300).await, changed(1));
    assert_eq!((get(store, 1).await.matches_source(), mismatched().await), (Some(false), 1));
    // Ours is of the same kind, so that it need not be read again.
    for (theirs, matches_source) in [(crate::contract::support::GOOD, true), (Digest::Sha256([9; 32]), false)]
    {
        assert_eq!(apply(store, vec![with_source_checksum(Some(theirs))], 350).await, changed(1));
        assert_eq!(get(store, 1).await.matches_source(), Some(matches_source));
    }
    assert_eq!(apply(store, vec![with_source_checksum(Some(gitaly))], 400).await, changed(1));
    let record = get(store, 1).await;
    assert_eq!(
        (record.matches_source(), record.source_checksum, record.state()),
        (None, Some(gitaly), State::Succeeded)
    );
    assert_eq!(mismatched().await, 0);
    // An import says nothing of it, which is another value.
    assert_eq!(import(store, vec![entry(1)], 500).await, changed(1).applied);
    assert_eq!(get(store, 1).await.source_checksum, None);
}

pub async fn a_sync_below_a_lease_is_not_held_by_it(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let moved = |number| SourceRecord { mutable: true, ..entry(number) };
    apply(store, vec![entry(1), entry(2), entry(9)], 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    // By a clock that is behind.
    apply(store, vec![moved(2), entry(5)], 50).await;
    for (number, expected) in [(1, State::Started), (2, State::Pending), (5, State::Pending)] {
        assert_eq!(state(store, number).await, expected, "{number}");
    }
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 300), true).await.unwrap(), 2);
    assert_eq!(numbers(&claim(store, 10, 300).await.unwrap()), [2, 5]);
}

pub async fn imports_and_syncs_at_once_all_end(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let worker = worker("w");
    assert!(store.as_of(at(0)).sync_state.acquire_leader_lease(&worker, HEARTBEAT).await.unwrap());
    let run = |version: u64| {
        let worker = &worker;
        async move {
            let sized = |number| SourceRecord { file_size: Some(version), ..entry(number) };
            let entries: Vec<SourceRecord> = (0..3000).map(sized).collect();
            let applied = if version.is_multiple_of(2) {
                import(store, entries, 100).await
            } else {
                let state = ModelSyncState::new(MODEL);
                let applied = store.as_of(at(100)).sync_state.apply(worker, batch(entries), &state).await;
                applied.unwrap().unwrap().applied
            };
            applied.added + applied.changed
        }
    };
    let tasks = (1..=4).map(|version| -> Task<'_, u64> { Box::pin(run(version)) });
    assert_eq!(at_once(tasks).await, [3000; 4]);
    let version = get(store, 0).await.file_size;
    assert_eq!(get(store, 2999).await.file_size, version);
}
