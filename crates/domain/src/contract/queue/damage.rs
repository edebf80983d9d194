//! Rows that are not what was written there.

use crate::contract::support::{
    GOOD, MODEL, TERMS, acceptance, apply, at, claim, count, entry, fail_all, get, import, key, state,
    succeed_all, successes, worker,
};
use crate::contract::{DatabaseFixture, Ports, RowValue};
use crate::ports::{Applied, ClaimedRecord, Lease, Outcome};
use crate::{Digest, Failure, RowPart, Selection, SourceRecord, State};

fn recorded(number: i64) -> SourceRecord {
    SourceRecord { expected: Some(Digest::Sha256([7; 32])), file_size: Some(12), ..entry(number) }
}

/// Records from 1 on that succeeded at 200.
async fn succeeded(store: &Ports, records: i64) {
    import(store, (1..=records).map(recorded).collect(), 100).await;
    succeed_all(store, 200).await;
}

/// Claims the one record anew.
async fn claim_again(store: &Ports, number: i64, now: i64) -> (Lease, ClaimedRecord) {
    assert!(store.as_of(at(now)).queue.recalculate(MODEL, &key(number)).await.unwrap());
    let lease = claim(store, 10, now).await.unwrap();
    let [record] = lease.records.clone().try_into().unwrap();
    (lease, record)
}

/// Ends the lease as a worker does that was told of the damage.
async fn tell(store: &Ports, (lease, record): (Lease, ClaimedRecord), now: i64) {
    let failure = Failure::damaged_row(record.reference.unwrap_err());
    let failed = Outcome::Failed(record.verification.fail(failure, at(now), 0));
    assert_eq!(store.queue.complete(lease.id, &[(record.key, failed)], true).await.unwrap(), 1);
}

pub async fn a_damaged_value_is_told_and_never_compared(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let records = i64::try_from(RowValue::ALL.len()).unwrap() + 1;
    succeeded(store, records).await;
    for (number, value) in (1..).zip(RowValue::ALL) {
        db.damage(&key(number), value).await;
    }
    for number in 1..=records {
        assert!(store.as_of(at(300)).queue.recalculate(MODEL, &key(number)).await.unwrap());
    }
    let lease = claim(store, 10, 300).await.unwrap();
    let mut references = lease.records.iter().map(|record| record.reference);
    for value in RowValue::ALL {
        assert_eq!(references.next(), Some(Err(value.part())), "{value:?}");
    }
    assert_eq!(references.next(), Some(Ok(get(store, records).await.reference())));
    // What an import mends comes first.
    db.damage(&key(1), RowValue::Baseline).await;
    let one = store.queue.claim_one(&worker("w"), MODEL, &key(1), TERMS).await.unwrap().unwrap();
    assert_eq!(one.records[0].reference, Err(RowPart::Recorded));
}

pub async fn a_damaged_record_is_mended_by_the_next_import(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let values = RowValue::ALL.into_iter().filter(|value| value.part() == RowPart::Recorded);
    for (number, value) in (1..).zip(values) {
        import(store, vec![recorded(number)], 100).await;
        succeed_all(store, 200).await;
        db.damage(&key(number), value).await;
        let told = claim_again(store, number, 300).await;
        tell(store, told, 300).await;
        assert_eq!(state(store, number).await, State::Failed);
        assert_eq!(import(store, vec![recorded(number)], 400).await, changed(), "{value:?}");
        let mended = get(store, number).await;
        assert_eq!((mended.expected, mended.file_size), (recorded(number).expected, Some(12)));
        assert!(!mended.accepted);
        // It is read again, and the same line again changes nothing.
        let lease = claim(store, 10, 500).await.unwrap();
        assert_eq!(lease.records[0].reference, Ok(mended.reference()));
        assert_eq!(store.queue.complete(lease.id, &successes(&lease, 500), true).await.unwrap(), 1);
        let again = import(store, vec![recorded(number)], 600).await;
        assert_eq!(again, Applied { unchanged: 1, ..Applied::default() });
    }
    let all = Selection { state: Some(State::Succeeded), ..Selection::default() };
    assert_eq!(count(store, all).await, 3);
}

fn changed() -> Applied {
    Applied { changed: 1, ..Applied::default() }
}

pub async fn a_sync_mends_what_an_attempt_under_way_was_told(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let known = SourceRecord { content_changed_at: Some(at(5)), ..recorded(1) };
    apply(store, vec![known.clone()], 100).await;
    succeed_all(store, 200).await;
    db.damage(&key(1), RowValue::FileSize).await;
    let (lease, record) = claim_again(store, 1, 300).await;
    assert_eq!(record.reference, Err(RowPart::Recorded));
    let later = SourceRecord { content_changed_at: Some(at(6)), ..known };
    assert_eq!(apply(store, vec![later.clone()], 400).await.applied, changed());
    assert_eq!(get(store, 1).await.file_size, Some(12));
    // The attempt is void.
    let failure = Failure::damaged_row(record.reference.unwrap_err());
    let failed = Outcome::Failed(record.verification.fail(failure, at(500), 0));
    assert_eq!(store.queue.complete(lease.id, &[(key(1), failed)], true).await.unwrap(), 0);
    assert_eq!(succeed_all(store, 600).await, 1);
    assert_eq!(apply(store, vec![later], 700).await.applied.unchanged, 1);
}

pub async fn a_damaged_baseline_stays_told_until_it_is_accepted(db: &dyn DatabaseFixture) {
    let store = db.ports();
    for (number, value) in [(1, RowValue::Baseline), (2, RowValue::BaselineAt)] {
        import(store, vec![recorded(number)], 100).await;
        succeed_all(store, 200).await;
        db.damage(&key(number), value).await;
        let damaged = get(store, number).await.history().baseline;
        for attempt in 1..=2 {
            let told = claim_again(store, number, 300 * attempt).await;
            assert_eq!(told.1.reference, Err(RowPart::Baseline));
            assert_eq!(told.1.verification.history().baseline, None);
            tell(store, told, 300 * attempt).await;
            assert_eq!(get(store, number).await.history().baseline, damaged);
        }
        // Other changes of the line, and other failures, leave it as it is.
        let moved = SourceRecord { owner: Some("group".to_owned()), file_size: Some(13), ..recorded(number) };
        assert_eq!(import(store, vec![moved], 700).await, changed());
        let (lease, record) = claim_again(store, number, 800).await;
        assert_eq!(record.reference, Err(RowPart::Baseline));
        store.queue.complete(lease.id, &[], true).await.unwrap();
        fail_all(store, 900).await;
        assert_eq!(get(store, number).await.history().baseline, damaged);
        store
            .as_of(at(1000))
            .catalogue
            .accept(MODEL, &key(number), &acceptance(GOOD, Some(12)))
            .await
            .unwrap()
            .unwrap();
        let (lease, record) = claim_again(store, number, 1100).await;
        assert_eq!(record.reference, Ok(get(store, number).await.reference()));
        assert_eq!(record.reference.unwrap().baseline.unwrap().digest, GOOD);
        store.queue.complete(lease.id, &successes(&lease, 1100), true).await.unwrap();
    }
}

pub async fn other_recorded_content_ends_a_damaged_baseline(db: &dyn DatabaseFixture) {
    let store = db.ports();
    succeeded(store, 1).await;
    db.damage(&key(1), RowValue::Baseline).await;
    let other = SourceRecord { expected: Some(Digest::Md5([1; 16])), ..recorded(1) };
    assert_eq!(import(store, vec![other], 300).await, changed());
    let lease = claim(store, 10, 400).await.unwrap();
    assert_eq!(lease.records[0].reference, Ok(get(store, 1).await.reference()));
    assert_eq!(get(store, 1).await.history().baseline, None);
}
