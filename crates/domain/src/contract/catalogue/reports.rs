//! `Catalogue::stored` and `Catalogue::apply_report`.

use std::collections::BTreeMap;

use crate::contract::support::{
    GOOD, MODEL, at, claim, entry, entry_in, fail_all, get, import, import_numbers, key, state, succeed_all,
    successes,
};
use crate::contract::{DatabaseFixture, Ports, RowValue};
use crate::ports::{DayResults, ReportApplied, ReportedRecord};
use crate::{
    Digest, DigestRule, Digests, EvidenceLevel, FailureKind, Metadata, Model, ReportRules, Reported,
    SourceRecord, State, StoredRecord,
};

const SHA: [u8; 32] = [7; 32];

fn rules(made_at: i64) -> ReportRules {
    ReportRules { made_at: at(made_at), metadata_suffices: false }
}

fn recorded(number: i64) -> SourceRecord {
    SourceRecord { expected: Some(Digest::Sha256(SHA)), file_size: Some(12), ..entry(number) }
}

fn computed(sha256: [u8; 32]) -> Reported {
    let digests = Digests { sha256: Some(sha256), ..Digests::default() };
    Reported { digests, at_rest: true, ..Reported::default() }
}

fn sized(size: u64) -> Reported {
    Reported { size: Some(size), ..Reported::default() }
}

fn of(number: i64, said: Reported) -> ReportedRecord {
    ReportedRecord { key: key(number), path: entry(number).location.path, said }
}

async fn apply(store: &Ports, said: Vec<ReportedRecord>, made_at: i64, now: i64) -> ReportApplied {
    store.as_of(at(now)).catalogue.apply_report(MODEL, "main", rules(made_at), said).await.unwrap()
}

fn applied(good: u64, altered: u64) -> ReportApplied {
    let failed = BTreeMap::from([(FailureKind::Altered, altered)]);
    ReportApplied { good, failed: failed.into_iter().filter(|(_, count)| *count > 0).collect() }
}

pub async fn records_of_a_storage_come_in_pages(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let entries = vec![
        SourceRecord { created_at: Some(at(50)), rule: DigestRule::Length(9), ..recorded(1) },
        entry_in("other", 2),
        SourceRecord { disabled: true, ..recorded(3) },
        SourceRecord { mutable: true, ..recorded(4) },
        recorded(5),
    ];
    import(store, entries, 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(300)).queue.recalculate(MODEL, &key(4)).await.unwrap();
    store.as_of(at(300)).queue.recalculate(MODEL, &key(5)).await.unwrap();
    fail_all(store, 400).await;
    let page = async |after, limit| store.catalogue.stored(MODEL, "main", after, limit).await.unwrap();
    let mut expected = Vec::new();
    for number in [1, 3, 4, 5] {
        expected.push(StoredRecord::of(&get(store, number).await));
    }
    assert_eq!(page(None, 10).await, expected);
    assert_eq!(page(None, 2).await, expected[..2]);
    assert_eq!(page(Some(key(3)), 10).await, expected[2..]);
    assert_eq!(page(Some(key(5)), 10).await, []);
    assert_eq!(store.catalogue.stored(Model::Projects, "main", None, 10).await.unwrap(), []);
    // Those that are due and those that are not come in one order.
    store.as_of(at(500)).queue.recalculate(MODEL, &key(4)).await.unwrap();
    let due = get(store, 4).await;
    assert_eq!(due.status.state(), State::Pending);
    expected[2] = StoredRecord::of(&due);
    assert_eq!(page(None, 10).await, expected);
    assert_eq!(page(Some(key(1)), 2).await, expected[1..3]);
}

pub async fn a_report_is_recorded_as_the_domain_judges(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, (1..=5).map(recorded).collect(), 100).await;
    let said = vec![of(1, computed(SHA)), of(2, computed([9; 32])), of(3, sized(12)), of(4, sized(13))];
    let before = get(store, 1).await;
    assert_eq!(apply(store, said.clone(), 300, 400).await, applied(1, 2));
    let after = get(store, 1).await;
    let checksum = Digest::Metadata(Metadata::AtRestSha256(SHA));
    assert_eq!(after.status, before.status.report(Ok(checksum), at(300)));
    assert_eq!(checksum.level(), EvidenceLevel::ComputedAtRest);
    for number in [2, 4] {
        let record = get(store, number).await;
        assert_eq!(record.history().failed_at(), Some(at(300)));
        let failure = record.status.failure().unwrap();
        assert_eq!(failure.kind(), FailureKind::Altered);
    }
    assert_eq!((state(store, 3).await, state(store, 5).await), (State::Pending, State::Pending));
    // Once is enough.
    assert_eq!(apply(store, said, 300, 500).await, applied(0, 0));
    let days = store.as_of(at(600)).catalogue.results_by_day(1).await.unwrap();
    assert_eq!(days, [DayResults { day: 0, model: MODEL, succeeded: 1, failed: 2 }]);
    // Only what was not judged is due; what failed is again as soon as it is looked for.
    assert_eq!(succeed_all(store, 600).await, 2);
    assert_eq!(store.as_of(at(100_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 2);
    let summary = store.catalogue.summary().await.unwrap();
    assert_eq!(summary[0].resting_on(EvidenceLevel::ComputedAtRest), 1);
    assert_eq!(summary[0].resting_on(EvidenceLevel::Read), 2);
}

pub async fn what_is_newer_than_a_report_stays(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![recorded(1), recorded(2)], 100).await;
    import(store, vec![SourceRecord { created_at: Some(at(350)), ..recorded(3) }], 360).await;
    fail_all(store, 400).await;
    let mut before = Vec::new();
    for number in [1, 2, 3] {
        before.push(get(store, number).await);
    }
    let said = vec![of(1, computed(SHA)), of(2, sized(13)), of(3, sized(13))];
    assert_eq!(apply(store, said.clone(), 300, 500).await, applied(0, 0));
    for (number, record) in [1, 2, 3].into_iter().zip(before) {
        assert_eq!(get(store, number).await, record);
    }
    // A later one says it of the failures, and clears none.
    assert_eq!(apply(store, said, 450, 600).await, applied(0, 2));
    assert_eq!(get(store, 1).await.status.last_failure().unwrap().kind(), FailureKind::Missing);
}

pub async fn what_is_no_longer_there_is_not_judged_by_a_report(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(
        store,
        vec![recorded(1), entry_in("other", 2), SourceRecord { disabled: true, ..recorded(3) }],
        100,
    )
    .await;
    let elsewhere = ReportedRecord { path: "elsewhere".to_owned(), ..of(1, sized(13)) };
    let said = vec![elsewhere, of(2, sized(13)), of(3, sized(13)), of(4, sized(13))];
    assert_eq!(apply(store, said, 300, 400).await, applied(0, 0));
    assert_eq!(state(store, 1).await, State::Pending);
    assert_eq!(state(store, 3).await, State::Disabled);
    assert_eq!(apply(store, Vec::new(), 300, 400).await, applied(0, 0));
}

pub async fn a_report_voids_a_running_attempt(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    import(store, vec![recorded(1)], 150).await;
    let lease = claim(store, 1, 200).await.unwrap();
    let running = get(store, 1).await;
    assert_eq!(apply(store, vec![of(1, computed(SHA))], 250, 300).await, applied(1, 0));
    let good = running.status.report(Ok(Digest::Metadata(Metadata::AtRestSha256(SHA))), at(250));
    assert_eq!(get(store, 1).await.status, good);
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 400), true).await.unwrap(), 0);
    assert_eq!(get(store, 1).await.status, good);
    assert_ne!(get(store, 1).await.history().checksum(), Some(GOOD));
}

pub async fn a_damaged_row_is_not_judged_by_a_report(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let values = [RowValue::FileSize, RowValue::Expected, RowValue::Accepted, RowValue::Baseline];
    for (number, value) in (1..).zip(values) {
        import(store, vec![recorded(number)], 100).await;
        succeed_all(store, 200).await;
        db.damage(&key(number), value).await;
        assert_eq!(apply(store, vec![of(number, sized(13))], 300, 400).await, applied(0, 0), "{value:?}");
        assert_eq!(state(store, number).await, State::Succeeded, "{value:?}");
    }
}
