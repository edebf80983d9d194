//! `SyncState::acquire_leader_lease`, and what it is needed for.

use std::time::Duration;

use crate::Selection;
use crate::contract::DatabaseFixture;
use crate::contract::support::{MODEL, added, at, batch, count, entry, key, worker};
use crate::contract::tasks::{Task, at_once};
use crate::ports::{ModelSyncState, StoreError};

const SPAN: Duration = Duration::from_secs(60);

pub async fn one_process_leads_at_a_time(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let (one, other) = (worker("one"), worker("other"));
    let acquire =
        async |who, now| store.as_of(at(now)).sync_state.acquire_leader_lease(who, SPAN).await.unwrap();
    assert!(acquire(&one, 0).await);
    assert!(!acquire(&other, 59_999).await);
    // Renewed in time.
    assert!(acquire(&one, 30_000).await);
    assert!(!acquire(&other, 60_000).await);
    // A lease ends at its last millisecond, not after it.
    assert!(acquire(&other, 90_000).await);
    assert!(!acquire(&one, 100_000).await);
    // Only the leader gives it back.
    store.sync_state.release_leader_lease(&one).await.unwrap();
    assert!(!acquire(&one, 100_000).await);
    store.sync_state.release_leader_lease(&other).await.unwrap();
    assert!(acquire(&one, 100_000).await);
    // Late, but nobody else acquired it.
    assert!(acquire(&one, 1_000_000).await);
    // Acquired in the year 2100, it is over.
    assert!(acquire(&one, 4_000_000_000_000).await);
    assert!(acquire(&other, 1_000_000).await);
    let odd = store.as_of(at(0)).sync_state.acquire_leader_lease(&worker("\0"), SPAN).await;
    assert!(matches!(odd, Err(StoreError::Internal(_))));
}

pub async fn of_many_at_once_one_leads(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let acquire = |number: u8| async move {
        let instance = worker(&number.to_string());
        store.as_of(at(0)).sync_state.acquire_leader_lease(&instance, SPAN).await.unwrap()
    };
    let tries = (0..8).map(|number| -> Task<'_, bool> { Box::pin(acquire(number)) });
    let acquired = at_once(tries).await;
    assert_eq!(acquired.into_iter().filter(|acquired| *acquired).count(), 1);
}

pub async fn without_the_lease_nothing_changes(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let (one, other) = (worker("one"), worker("other"));
    let state = ModelSyncState { read_to: Some(key(1)), ..ModelSyncState::new(MODEL) };
    let apply = async |who, number, now| {
        store.as_of(at(now)).sync_state.apply(who, batch(vec![entry(number)]), &state).await.unwrap()
    };
    // Nobody leads.
    assert_eq!(apply(&one, 1, 0).await, None);
    assert!(store.as_of(at(0)).sync_state.acquire_leader_lease(&one, SPAN).await.unwrap());
    assert_eq!(apply(&other, 1, 0).await, None);
    assert_eq!(apply(&one, 1, 59_999).await, Some(added(1)));
    // The lease is over, though nobody else acquired it.
    assert_eq!(apply(&one, 2, 60_000).await, None);
    assert!(store.as_of(at(60_000)).sync_state.acquire_leader_lease(&other, SPAN).await.unwrap());
    let late = ModelSyncState { read_to: Some(key(9)), ..state.clone() };
    let lost = store.as_of(at(60_000)).sync_state.apply(&one, batch(vec![entry(2)]), &late).await.unwrap();
    assert_eq!(lost, None);
    assert_eq!(count(store, Selection::default()).await, 1);
    let mut kept = state.clone();
    kept.full_scan.added = 1;
    assert_eq!(store.sync_state.states().await.unwrap(), [kept]);
    assert_eq!(apply(&other, 2, 60_000).await, Some(added(1)));
}
