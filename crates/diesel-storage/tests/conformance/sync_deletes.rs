//! `SyncState::apply`: records whose rows have gone.

use stocktake_domain::ports::{Applied, ModelSyncState, ScannedRange, SyncApplied, SyncBatch};
use stocktake_domain::{RecordKey, Selection, SourceRecord, State};

use crate::support::{
    Database, MODEL, apply, at, claim, composite, count, entry, entry_of, failures, get, import,
    import_numbers, key, numbers, page, state, succeed_all, successes, sync,
};

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

async fn run(db: &Database, piece: SyncBatch) -> SyncApplied {
    sync(&db.store, piece, &ModelSyncState::new(MODEL), 500).await
}

async fn left(db: &Database) -> Vec<RecordKey> {
    let start = stocktake_domain::ports::PageStart::First;
    let page = page(&db.store, Selection::default(), start, 1000).await;
    page.records.into_iter().map(|record| record.key).collect()
}

fn deleted(unchanged: u64, deleted: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, deleted, kept: 0 }
}

fn kept(unchanged: u64, kept: u64) -> SyncApplied {
    SyncApplied { applied: Applied { unchanged, ..Applied::default() }, deleted: 0, kept }
}

pub(crate) async fn records_without_a_row_go_within_the_range(db: &Database) {
    apply(&db.store, (1..=10).map(entry).collect(), 100).await;
    // Without a range, whatever is missing stays.
    assert_eq!(apply(&db.store, vec![entry(4)], 200).await, deleted(1, 0));
    // Behind the first bound, up to and including the second.
    let piece = scanned_range([4, 6].map(entry).to_vec(), Some(3), Some(7), 10);
    assert_eq!(run(db, piece.clone()).await, deleted(2, 2));
    assert_eq!(left(db).await, [1, 2, 3, 4, 6, 8, 9, 10].map(key));
    assert_eq!(run(db, piece).await, deleted(2, 0));
    // Open ends.
    assert_eq!(run(db, scanned_range(vec![entry(2)], None, Some(2), 10)).await, deleted(1, 1));
    assert_eq!(run(db, scanned_range(vec![entry(9)], Some(6), None, 10)).await, deleted(1, 2));
    assert_eq!(left(db).await, [2, 3, 4, 6, 9].map(key));
    // All in one: new, changed, the same and gone.
    let sized = SourceRecord { file_size: Some(1), ..entry(3) };
    let applied = run(db, scanned_range(vec![entry(1), sized, entry(4)], None, None, 10)).await;
    let expected = Applied { added: 1, changed: 1, unchanged: 1 };
    assert_eq!(applied, SyncApplied { applied: expected, deleted: 3, kept: 0 });
    assert_eq!(left(db).await, [1, 3, 4].map(key));
    // A range of nothing.
    assert_eq!(run(db, scanned_range(vec![], Some(9), Some(1), 10)).await, deleted(0, 0));
}

pub(crate) async fn too_many_at_once_are_kept(db: &Database) {
    apply(&db.store, (1..=10).map(entry).collect(), 100).await;
    let few = |most| scanned_range(vec![entry(1)], None, Some(5), most);
    assert_eq!(run(db, few(0)).await, kept(1, 4));
    assert_eq!(run(db, few(3)).await, kept(1, 4));
    assert_eq!(count(&db.store, Selection::default()).await, 10);
    // What else the piece says is applied.
    let sized = SourceRecord { file_size: Some(1), ..entry(1) };
    let applied = run(db, scanned_range(vec![sized], None, Some(5), 3)).await;
    assert_eq!((applied.applied.changed, applied.kept), (1, 4));
    assert_eq!(get(&db.store, 1).await.file_size, Some(1));
    assert_eq!(run(db, scanned_range(vec![], None, Some(5), 5)).await, deleted(0, 5));
    assert_eq!(left(db).await, [6, 7, 8, 9, 10].map(key));
}

pub(crate) async fn only_records_of_the_source_go(db: &Database) {
    import_numbers(&db.store, 1..=4, 100).await;
    apply(&db.store, vec![entry(5)], 100).await;
    assert_eq!(run(db, scanned_range(vec![], None, None, 10)).await, deleted(0, 1));
    // From now on it is known to be the source's, and an import leaves that.
    let claimed = apply(&db.store, vec![entry(2), entry(3)], 200).await.applied;
    assert_eq!(claimed, Applied { added: 0, changed: 2, unchanged: 0 });
    assert_eq!(apply(&db.store, vec![entry(2), entry(3)], 200).await, deleted(2, 0));
    assert_eq!(state(&db.store, 2).await, State::Pending);
    import(&db.store, vec![SourceRecord { file_size: Some(1), ..entry(3) }], 300).await;
    // An imported record in the piece is no reason to count one less.
    let piece = scanned_range(vec![entry(1)], None, None, 2);
    assert_eq!(run(db, piece).await.deleted, 2);
    assert_eq!(left(db).await, [1, 4].map(key));
    assert_eq!(run(db, scanned_range(vec![], None, None, 10)).await, deleted(0, 1));
    assert_eq!(left(db).await, [key(4)]);
}

pub(crate) async fn a_whole_model_may_go(db: &Database) {
    // Far more than are looked at at once.
    import_numbers(&db.store, [20_000], 100).await;
    for first in (0..13_000).step_by(5000) {
        apply(&db.store, (first..13_000.min(first + 5000)).map(entry).collect(), 100).await;
    }
    let most = |most| scanned_range(vec![entry(6000), entry(12_999)], None, None, most);
    assert_eq!(run(db, most(12_997)).await, kept(2, 12_998));
    assert_eq!(run(db, most(12_998)).await, deleted(2, 12_998));
    assert_eq!(left(db).await, [6000, 12_999, 20_000].map(key));
}

pub(crate) async fn ranges_of_composite_keys(db: &Database) {
    let keys = [&[1, 1][..], &[1, 2], &[2], &[2, 1], &[2, 1, 5], &[2, 2], &[3, 1]].map(composite);
    apply(&db.store, keys.iter().cloned().map(entry_of).collect(), 100).await;
    let (after, to) = (Some(composite(&[1, 1])), Some(composite(&[2, 1])));
    let scanned_range = ScannedRange { after, to, most_deleted: 10 };
    let piece = SyncBatch { records: vec![entry_of(composite(&[2]))], scanned_range: Some(scanned_range) };
    assert_eq!(run(db, piece).await, deleted(1, 2));
    let [first, .., longer, last_but_one, last] = &keys;
    assert_eq!(left(db).await, [first, &keys[2], longer, last_but_one, last].map(Clone::clone));
}

pub(crate) async fn a_record_under_a_lease_may_go(db: &Database) {
    apply(&db.store, (1..=4).map(entry).collect(), 100).await;
    let lease = claim(&db.store, 10, 100).await.unwrap();
    let piece = scanned_range(vec![entry(1), entry(3)], None, None, 10);
    assert_eq!(run(db, piece).await, deleted(2, 2));
    assert_eq!(db.store.queue.complete(lease.id, &successes(&lease, 600), true).await.unwrap(), 2);
    assert_eq!(left(db).await, [1, 3].map(key));
    assert!(claim(&db.store, 10, 700).await.is_none());
}

pub(crate) async fn a_result_from_before_is_none_of_a_record_that_came_again(db: &Database) {
    apply(&db.store, (1..=3).map(entry).collect(), 100).await;
    let lease = claim(&db.store, 10, 100).await.unwrap();
    assert_eq!(run(db, scanned_range(vec![entry(1), entry(3)], None, None, 10)).await, deleted(2, 1));
    let mut again = entry(2);
    "another.bin".clone_into(&mut again.location.path);
    apply(&db.store, vec![again], 100).await;
    assert_eq!(state(&db.store, 2).await, State::Pending);
    // The attempt has the same number, yet it was at something else.
    assert_eq!(db.store.queue.complete(lease.id, &failures(&lease, 600), true).await.unwrap(), 2);
    assert_eq!(state(&db.store, 2).await, State::Pending);
    assert_eq!(numbers(&claim(&db.store, 10, 700).await.unwrap()), [2]);
}

pub(crate) async fn deletions_and_results_at_once_all_end(db: &Database) {
    apply(&db.store, (0..4000).map(entry).collect(), 100).await;
    let leases = [claim(&db.store, 2000, 100).await.unwrap(), claim(&db.store, 2000, 100).await.unwrap()];
    let results = leases.map(|lease| {
        let store = db.store.clone();
        tokio::spawn(
            async move { store.queue.complete(lease.id, &successes(&lease, 200), true).await.unwrap() },
        )
    });
    // Every second one goes, and the others change.
    let sized = |number| SourceRecord { file_size: Some(1), ..entry(number) };
    let piece = scanned_range((0..4000).step_by(2).map(sized).collect(), None, None, 2000);
    let applied = run(db, piece).await;
    assert_eq!((applied.applied.changed, applied.deleted), (2000, 2000));
    for result in results {
        result.await.unwrap();
    }
    succeed_all(&db.store, 600).await;
    assert_eq!(count(&db.store, crate::support::in_state(State::Succeeded)).await, 2000);
    assert_eq!(get(&db.store, 3998).await.file_size, Some(1));
    assert_eq!(get(&db.store, 0).await.history().baseline.map(|baseline| baseline.at), Some(at(200)));
}
