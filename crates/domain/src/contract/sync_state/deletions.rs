//! `SyncState::apply`: records whose rows have gone.

use crate::contract::support::{
    MODEL, apply, at, claim, composite, count, entry, entry_of, failures, get, import, import_numbers, key,
    numbers, page, state, succeed_all, successes, sync,
};
use crate::contract::tasks::{Task, at_once};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{Applied, Lease, ModelSyncState, ScannedRange, SyncApplied, SyncBatch};
use crate::{RecordKey, Selection, SourceRecord, State};

/// All that there is from behind the one to the other number; at most so many may go.
fn scanned_range(
    entries: Vec<SourceRecord>,
    after: Option<i64>,
    to: Option<i64>,
    most_deleted: u64,
) -> SyncBatch {
    let scanned_range = ScannedRange { after: after.map(key), to: to.map(key), most_deleted };
    SyncBatch { records: entries, scanned_range: Some(scanned_range) }
}

async fn run(store: &Ports, batch: SyncBatch) -> SyncApplied {
    sync(store, batch, &ModelSyncState::new(MODEL), 500).await
}

async fn left(store: &Ports) -> Vec<RecordKey> {
    let start = crate::ports::PageStart::First;
    let page = page(store, Selection::default(), start, 1000).await;
    page.records.into_iter().map(|record| record.key).collect()
}

fn deleted(unchanged: u64, deleted: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, deleted, kept: 0 }
}

fn kept(unchanged: u64, kept: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, deleted: 0, kept }
}

pub async fn records_without_a_row_go_within_the_range(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (1..=10).map(entry).collect(), 100).await;
    // Without a range, whatever is missing stays.
    assert_eq!(apply(store, vec![entry(4)], 200).await, deleted(1, 0));
    // Behind the first bound, up to and including the second.
    let batch = scanned_range([4, 6].map(entry).to_vec(), Some(3), Some(7), 10);
    assert_eq!(run(store, batch.clone()).await, deleted(2, 2));
    assert_eq!(left(store).await, [1, 2, 3, 4, 6, 8, 9, 10].map(key));
    assert_eq!(run(store, batch).await, deleted(2, 0));
    // Open ends.
    assert_eq!(run(store, scanned_range(vec![entry(2)], None, Some(2), 10)).await, deleted(1, 1));
    assert_eq!(run(store, scanned_range(vec![entry(9)], Some(6), None, 10)).await, deleted(1, 2));
    assert_eq!(left(store).await, [2, 3, 4, 6, 9].map(key));
    // All in one: new, changed, the same and gone.
    let sized = SourceRecord { file_size: Some(1), ..entry(3) };
    let applied = run(store, scanned_range(vec![entry(1), sized, entry(4)], None, None, 10)).await;
    let expected = Applied { added: 1, changed: 1, unchanged: 1 };
    assert_eq!(applied, SyncApplied { applied: expected, deleted: 3, kept: 0 });
    assert_eq!(left(store).await, [1, 3, 4].map(key));
    // A range of nothing.
    assert_eq!(run(store, scanned_range(vec![], Some(9), Some(1), 10)).await, deleted(0, 0));
}

pub async fn too_many_at_once_are_kept(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (1..=10).map(entry).collect(), 100).await;
    let few = |most| scanned_range(vec![entry(1)], None, Some(5), most);
    assert_eq!(run(store, few(0)).await, kept(1, 4));
    assert_eq!(run(store, few(3)).await, kept(1, 4));
    assert_eq!(count(store, Selection::default()).await, 10);
    // What else the batch says is applied.
    let sized = SourceRecord { file_size: Some(1), ..entry(1) };
    let applied = run(store, scanned_range(vec![sized], None, Some(5), 3)).await;
    assert_eq!((applied.applied.changed, applied.kept), (1, 4));
    assert_eq!(get(store, 1).await.file_size, Some(1));
    assert_eq!(run(store, scanned_range(vec![], None, Some(5), 5)).await, deleted(0, 5));
    assert_eq!(left(store).await, [6, 7, 8, 9, 10].map(key));
}

pub async fn only_records_of_the_source_go(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 100).await;
    apply(store, vec![entry(5)], 100).await;
    assert_eq!(run(store, scanned_range(vec![], None, None, 10)).await, deleted(0, 1));
    // From now on it is known to be the source's, and an import leaves that.
    let claimed = apply(store, vec![entry(2), entry(3)], 200).await.applied;
    assert_eq!(claimed, Applied { added: 0, changed: 2, unchanged: 0 });
    assert_eq!(apply(store, vec![entry(2), entry(3)], 200).await, deleted(2, 0));
    assert_eq!(state(store, 2).await, State::Pending);
    import(store, vec![SourceRecord { file_size: Some(1), ..entry(3) }], 300).await;
    // An imported record in the batch is no reason to count one less.
    let batch = scanned_range(vec![entry(1)], None, None, 2);
    assert_eq!(run(store, batch).await.deleted, 2);
    assert_eq!(left(store).await, [1, 4].map(key));
    assert_eq!(run(store, scanned_range(vec![], None, None, 10)).await, deleted(0, 1));
    assert_eq!(left(store).await, [key(4)]);
}

pub async fn a_whole_model_may_go(db: &dyn DatabaseFixture) {
    let store = db.ports();
    // Far more than are looked at at once.
    import_numbers(store, [20_000], 100).await;
    for first in (0..13_000).step_by(5000) {
        apply(store, (first..13_000.min(first + 5000)).map(entry).collect(), 100).await;
    }
    let most = |most| scanned_range(vec![entry(6000), entry(12_999)], None, None, most);
    assert_eq!(run(store, most(12_997)).await, kept(2, 12_998));
    assert_eq!(run(store, most(12_998)).await, deleted(2, 12_998));
    assert_eq!(left(store).await, [6000, 12_999, 20_000].map(key));
}

pub async fn ranges_of_composite_keys(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let keys = [&[1, 1][..], &[1, 2], &[2], &[2, 1], &[2, 1, 5], &[2, 2], &[3, 1]].map(composite);
    apply(store, keys.iter().cloned().map(entry_of).collect(), 100).await;
    let (after, to) = (Some(composite(&[1, 1])), Some(composite(&[2, 1])));
    let scanned_range = ScannedRange { after, to, most_deleted: 10 };
    let batch = SyncBatch { records: vec![entry_of(composite(&[2]))], scanned_range: Some(scanned_range) };
    assert_eq!(run(store, batch).await, deleted(1, 2));
    let [first, .., longer, last_but_one, last] = &keys;
    assert_eq!(left(store).await, [first, &keys[2], longer, last_but_one, last].map(Clone::clone));
}

pub async fn a_record_under_a_lease_may_go(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (1..=4).map(entry).collect(), 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    let batch = scanned_range(vec![entry(1), entry(3)], None, None, 10);
    assert_eq!(run(store, batch).await, deleted(2, 2));
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 600), true).await.unwrap(), 2);
    assert_eq!(left(store).await, [1, 3].map(key));
    assert!(claim(store, 10, 700).await.is_none());
}

pub async fn a_late_result_is_not_written_to_a_record_added_again(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (1..=3).map(entry).collect(), 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    assert_eq!(run(store, scanned_range(vec![entry(1), entry(3)], None, None, 10)).await, deleted(2, 1));
    let mut again = entry(2);
    "another.bin".clone_into(&mut again.location.path);
    apply(store, vec![again], 100).await;
    assert_eq!(state(store, 2).await, State::Pending);
    // The attempt has the same number, yet it was at something else.
    assert_eq!(store.queue.complete(lease.id, &failures(&lease, 600), true).await.unwrap(), 2);
    assert_eq!(state(store, 2).await, State::Pending);
    assert_eq!(numbers(&claim(store, 10, 700).await.unwrap()), [2]);
}

pub async fn deletions_and_results_at_once_all_end(db: &dyn DatabaseFixture) {
    let store = db.ports();
    apply(store, (0..4000).map(entry).collect(), 100).await;
    let leases = [claim(store, 2000, 100).await.unwrap(), claim(store, 2000, 100).await.unwrap()];
    let complete = |lease: Lease| async move {
        store.queue.complete(lease.id, &successes(&lease, 200), true).await.unwrap();
        None
    };
    // Every second one is deleted, and the others change.
    let sized = |number| SourceRecord { file_size: Some(1), ..entry(number) };
    let batch = scanned_range((0..4000).step_by(2).map(sized).collect(), None, None, 2000);
    let mut tasks: Vec<Task<'_, Option<SyncApplied>>> = Vec::new();
    tasks.extend(leases.map(|lease| -> Task<'_, _> { Box::pin(complete(lease)) }));
    tasks.push(Box::pin(async { Some(run(store, batch).await) }));
    let applied = at_once(tasks).await.pop().flatten().unwrap();
    assert_eq!((applied.applied.changed, applied.deleted), (2000, 2000));
    succeed_all(store, 600).await;
    assert_eq!(count(store, crate::contract::support::in_state(State::Succeeded)).await, 2000);
    assert_eq!(get(store, 3998).await.file_size, Some(1));
    assert_eq!(get(store, 0).await.history().baseline.map(|baseline| baseline.at), Some(at(200)));
}
