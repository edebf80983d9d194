//! Whatever else is done with records of a model that was marked as a whole, and what is told of them.

use std::time::Duration;

use crate::contract::agreement::{assert_agreement, verify_the_rest};
use crate::contract::support::{
    GOOD, MODEL, TERMS, acceptance, apply, at, claim, compared, entry, entry_in, entry_of, fail_all,
    failures, get, import, import_into, import_numbers, key, mark, numbers, numbers_in, state, succeed_all,
    successes, sync, worker,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{
    Applied, ModelSyncState, OLDEST_SUCCESS_WITHIN, ReportApplied, ReportedRecord, ScannedRange, SyncApplied,
    SyncBatch,
};
use crate::{
    Digest, DigestRule, Digests, FailureKind, Metadata, Model, NewAcceptance, Record, Replaced, ReportRules,
    Reported, SourceRecord, State, Status, Verification,
};

const OTHER: Digest = Digest::Sha256([8; 32]);

/// Records 1 to 4, which are good, 5 and 6, which failed, and 7, which is switched off.
async fn good_and_failed(store: &Ports) {
    import_numbers(store, 1..=4, 100).await;
    succeed_all(store, 200).await;
    import(store, vec![entry(5), entry(6), SourceRecord { disabled: true, ..entry(7) }], 300).await;
    fail_all(store, 400).await;
}

/// Verifies whatever is left; then all records are good, but for these, which are switched off.
async fn all_end_well_but(store: &Ports, off: &[i64], now: i64) {
    for record in verify_the_rest(store, MODEL, now).await {
        let is_off = off.contains(&record.key.as_integer().unwrap());
        let expected = if is_off { State::Disabled } else { State::Succeeded };
        assert_eq!(record.state(), expected, "{}", record.key);
    }
}

async fn accept(store: &Ports, number: i64, acceptance: &NewAcceptance, now: i64) -> Record {
    store.as_of(at(now)).catalogue.accept(MODEL, &key(number), acceptance).await.unwrap().unwrap()
}

async fn take_back(store: &Ports, number: i64, now: i64) -> Option<Record> {
    store.as_of(at(now)).catalogue.take_back(MODEL, &key(number), "admin@host", None).await.unwrap()
}

pub async fn what_failed_before_a_mark_is_told_until_it_is_read(db: &dyn DatabaseFixture) {
    let store = db.ports();
    good_and_failed(store).await;
    import(store, vec![entry_in("other", 8)], 400).await;
    fail_all(store, 500).await;
    let groups = store.catalogue.failure_groups().await.unwrap();
    let findings = async || {
        let found = store.catalogue.findings(MODEL, None, 10).await.unwrap();
        found.into_iter().map(|record| record.key.as_integer().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((groups.len(), findings().await), (2, vec![5, 6, 8]));
    mark(store, MODEL, 1000).await;
    assert_eq!((store.catalogue.failure_groups().await.unwrap(), findings().await), (groups, vec![5, 6, 8]));
    let failed = get(store, 5).await;
    assert_eq!(
        (failed.state(), failed.status.failure(), failed.status.retry_at()),
        (State::Pending, None, None)
    );
    assert_eq!(failed.status.last_failure().unwrap().kind(), FailureKind::Missing);
    assert_eq!(failed.history().failing_since(), Some(at(400)));
    let summary = store.catalogue.summary().await.unwrap().pop().unwrap();
    assert_eq!((summary.failures, summary.rereading), (vec![], vec![(FailureKind::Missing, 3)]));
    assert_eq!(summary.good_before, 4);
    assert_agreement(store, MODEL).await;
    // Also while a worker has them, and until there is a result.
    let leases = [claim(store, 10, 1100).await.unwrap(), claim(store, 10, 1100).await.unwrap()];
    assert_eq!(findings().await, [5, 6, 8]);
    assert_agreement(store, MODEL).await;
    for lease in &leases {
        let results: Vec<_> = successes(lease, 1200).into_iter().filter(|(of, _)| *of == key(5)).collect();
        store.queue.complete(lease.id, &results, true).await.unwrap();
    }
    assert_eq!(findings().await, [6, 8]);
    assert_agreement(store, MODEL).await;
    fail_all(store, 1300).await;
    let again = get(store, 6).await;
    assert_eq!((again.state(), again.history().retry_count), (State::Failed, 2));
    assert_eq!(
        (again.history().failing_since(), again.history().failed_at()),
        (Some(at(400)), Some(at(1300)))
    );
    assert_eq!(findings().await, [1, 2, 3, 4, 6, 8]);
    assert_agreement(store, MODEL).await;
}

pub async fn a_marked_record_differs_from_no_source(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=4, 100).await;
    let lease = claim(store, 10, 100).await.unwrap();
    store.queue.complete(lease.id, &compared(&lease, Some(false), 200), true).await.unwrap();
    let mismatched = async || {
        let found = store.catalogue.mismatched(MODEL, None, 10).await.unwrap();
        found.into_iter().map(|record| record.key.as_integer().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(mismatched().await, [1, 2, 3, 4]);
    mark(store, MODEL, 1000).await;
    assert_eq!((mismatched().await, get(store, 1).await.matches_source()), (vec![], None));
    assert_eq!(store.catalogue.summary().await.unwrap()[0].mismatched, 0);
    assert_agreement(store, MODEL).await;
    // What the source says meanwhile is compared when the record is read.
    let said = |number| SourceRecord { source_checksum: Some(Digest::Gitaly([4; 20])), ..entry(number) };
    apply(store, vec![said(2), said(3)], 1100).await;
    assert_eq!((mismatched().await, state(store, 2).await), (vec![], State::Pending));
    assert_agreement(store, MODEL).await;
    let lease = claim(store, 2, 1200).await.unwrap();
    assert_eq!(numbers(&lease), [1, 2]);
    store.queue.complete(lease.id, &compared(&lease, Some(false), 1200), true).await.unwrap();
    assert_eq!(mismatched().await, [1, 2]);
    assert_agreement(store, MODEL).await;
    let lease = claim(store, 2, 1300).await.unwrap();
    store.queue.complete(lease.id, &compared(&lease, Some(true), 1300), true).await.unwrap();
    assert_eq!((mismatched().await, get(store, 3).await.matches_source()), (vec![1, 2], Some(true)));
    all_end_well_but(store, &[], 1400).await;
}

pub async fn the_oldest_success_may_be_of_a_marked_record(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let hour = 3_600_000;
    let assert_oldest = async |expected: i64| {
        assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
        let known = store.catalogue.summary().await.unwrap()[0].oldest_success.unwrap();
        assert!(known <= at(expected) && at(expected).since(known) < OLDEST_SUCCESS_WITHIN, "{known}");
    };
    for (number, now) in [(1, hour), (2, 2 * hour), (3, 3 * hour)] {
        import_numbers(store, [number], now).await;
        succeed_all(store, now).await;
    }
    assert_oldest(hour).await;
    mark(store, MODEL, 4 * hour).await;
    assert_oldest(hour).await;
    let lease = claim(store, 1, 4 * hour).await.unwrap();
    assert_eq!(numbers(&lease), [1]);
    assert_oldest(hour).await;
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert_oldest(hour).await;
    // Another mark changes nothing of that.
    mark(store, MODEL, 4 * hour).await;
    assert_oldest(hour).await;
    // A record has another status: recalculated by itself, and verified.
    store.as_of(at(4 * hour)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    assert_oldest(2 * hour).await;
    let lease = claim(store, 1, 5 * hour).await.unwrap();
    assert_eq!(numbers(&lease), [2]);
    store.queue.complete(lease.id, &successes(&lease, 5 * hour), true).await.unwrap();
    assert_oldest(3 * hour).await;
    fail_all(store, 6 * hour).await;
    assert_oldest(5 * hour).await;
    assert_agreement(store, MODEL).await;
}

pub async fn an_acceptance_ends_a_mark(db: &dyn DatabaseFixture) {
    let store = db.ports();
    good_and_failed(store).await;
    accept(store, 1, &acceptance(OTHER, Some(9)), 500).await;
    mark(store, MODEL, 1000).await;
    let marked = get(store, 1).await;
    assert_eq!((marked.state(), marked.accepted), (State::Pending, true));
    // The same again is another acceptance: what was accepted did not count any more.
    let again = accept(store, 1, &acceptance(OTHER, Some(9)), 1100).await;
    assert_eq!(again.status, Status::Succeeded(marked.status.clone().accept(OTHER, at(1100))));
    let kept = store.catalogue.acceptances(MODEL, &key(1)).await.unwrap();
    assert_eq!((kept.len(), &kept[0].replaced), (2, &Replaced::of(&marked)));
    assert_eq!(accept(store, 1, &acceptance(OTHER, Some(9)), 1200).await, again);
    assert_agreement(store, MODEL).await;
    // What failed before the mark is kept with an acceptance.
    let marked = get(store, 5).await;
    accept(store, 5, &acceptance(GOOD, None), 1300).await;
    let kept = store.catalogue.acceptances(MODEL, &key(5)).await.unwrap();
    assert_eq!(kept[0].replaced, Replaced::of(&marked));
    assert_eq!(kept[0].replaced.failed_at, Some(at(400)));
    let back = take_back(store, 5, 1400).await.unwrap();
    assert_eq!((back.state(), back.status.last_failure()), (State::Pending, marked.status.last_failure()));
    assert_agreement(store, MODEL).await;
    // Retired, and not any more; and one that stays so.
    let absence = NewAcceptance { checksum: None, ..acceptance(GOOD, None) };
    for number in [2, 6] {
        let marked = get(store, number).await;
        let retired = accept(store, number, &absence, 1500).await;
        assert_eq!(retired, Record { status: marked.status.clone().disable(), ..marked });
    }
    assert_agreement(store, MODEL).await;
    assert_eq!(take_back(store, 2, 1600).await.unwrap().state(), State::Pending);
    assert_agreement(store, MODEL).await;
    // One that a worker has.
    let lease = claim(store, 10, 1700).await.unwrap();
    assert_eq!(numbers(&lease), [2, 3, 4, 5]);
    let running = get(store, 3).await;
    let accepted = accept(store, 3, &acceptance(OTHER, None), 1800).await;
    assert_eq!(accepted.status, Status::Succeeded(running.status.accept(OTHER, at(1800))));
    assert_eq!(store.queue.complete(lease.id, &failures(&lease, 1900)[..2], true).await.unwrap(), 1);
    assert_eq!((numbers_in(store, State::Failed).await, get(store, 3).await), (vec![2], accepted));
    assert_agreement(store, MODEL).await;
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 1);
    all_end_well_but(store, &[6, 7], 1_000_000).await;
}

pub async fn a_report_ends_a_mark(db: &dyn DatabaseFixture) {
    let store = db.ports();
    good_and_failed(store).await;
    let computed = |number: i64, sha256: [u8; 32]| {
        let digests = Digests { sha256: Some(sha256), ..Digests::default() };
        let said = Reported { digests, at_rest: true, ..Reported::default() };
        ReportedRecord { key: key(number), path: entry(number).location.path, said }
    };
    mark(store, MODEL, 1000).await;
    let lease = claim(store, 2, 1000).await.unwrap();
    let mut before = vec![get(store, 1).await, get(store, 3).await, get(store, 4).await, get(store, 5).await];
    let sha = [7; 32];
    let said = vec![computed(1, sha), computed(3, sha), computed(4, [9; 32]), computed(5, sha)];
    let rules = ReportRules { made_at: at(900), metadata_suffices: false };
    let applied = store.as_of(at(1100)).catalogue.apply_report(MODEL, "main", rules, said).await.unwrap();
    // The record that failed is read instead.
    let failed = [(FailureKind::Altered, 1)].into();
    assert_eq!(applied, ReportApplied { good: 2, failed });
    let checksum = Digest::Metadata(Metadata::AtRestSha256(sha));
    for record in before.drain(..2) {
        let reported = record.status.report(Ok(checksum), at(900));
        assert_eq!(store.catalogue.get(MODEL, &record.key).await.unwrap().unwrap().status, reported);
    }
    let altered = get(store, 4).await;
    assert_eq!((altered.state(), altered.history().failed_at()), (State::Failed, Some(at(900))));
    assert_eq!(get(store, 5).await, before[1]);
    assert_eq!(numbers_in(store, State::Pending).await, [5, 6]);
    assert_agreement(store, MODEL).await;
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 1200), true).await.unwrap(), 1);
    // None of them is due, but the one that failed once it is looked for.
    let lease = claim(store, 10, 1300).await.unwrap();
    assert_eq!(numbers(&lease), [5, 6]);
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 1);
    all_end_well_but(store, &[7], 1_000_000).await;
}

pub async fn entries_during_a_mark_are_applied(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=8, 100).await;
    import(store, [8, 9].map(|number| SourceRecord { disabled: true, ..entry(number) }).to_vec(), 150).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let mut before = Vec::new();
    for number in 1..=9 {
        before.push(get(store, number).await);
    }
    let expected = Some(Digest::Md5([1; 16]));
    let entries = vec![
        entry(1),
        SourceRecord { file_size: Some(9), owner: Some("group".to_owned()), ..entry(2) },
        SourceRecord { disabled: true, ..entry(3) },
        entry_in("other", 4),
        SourceRecord { expected, ..entry(5) },
        SourceRecord { rule: DigestRule::Length(7), ..entry(6) },
        entry(8),
        SourceRecord { disabled: true, ..entry(9) },
        entry(10),
        SourceRecord { disabled: true, ..entry(11) },
    ];
    let applied = import(store, entries.clone(), 1100).await;
    assert_eq!(applied, Applied { added: 2, changed: 6, unchanged: 2 });
    for record in &before {
        let status = record.status.clone();
        let expected = match record.key.as_integer().unwrap() {
            3 => status.disable(),
            4 | 6 => Status::Pending(status.recalculate()),
            5 => {
                let again = status.recalculate();
                let history = crate::History { baseline: None, ..*again.history() };
                Status::Pending(Verification::restore(history, again.stage().clone()))
            }
            8 => status.enable(),
            _ => status,
        };
        assert_eq!(get(store, record.key.as_integer().unwrap()).await.status, expected, "{}", record.key);
    }
    let (new, off) = (get(store, 10).await, get(store, 11).await);
    assert_eq!((new.state(), new.history().attempt, off.state()), (State::Pending, 0, State::Disabled));
    assert_agreement(store, MODEL).await;
    let again = import(store, entries, 1200).await;
    assert_eq!(again, Applied { unchanged: 10, ..Applied::default() });
    all_end_well_but(store, &[3, 9, 11], 1300).await;
}

pub async fn entries_during_a_mark_void_attempts_at_other_content(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=6, 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let lease = claim(store, 4, 1100).await.unwrap();
    assert_eq!(numbers(&lease), [1, 2, 3, 4]);
    let changed = vec![
        SourceRecord { file_size: Some(9), ..entry(1) },
        SourceRecord { mutable: true, ..entry(2) },
        SourceRecord { disabled: true, ..entry(3) },
        entry_in("other", 6),
    ];
    assert_eq!(import(store, changed, 1200).await.changed, 4);
    assert_agreement(store, MODEL).await;
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 1300), true).await.unwrap(), 2);
    assert_eq!(numbers_in(store, State::Succeeded).await, [1, 4]);
    assert_agreement(store, MODEL).await;
    // Moved to another storage, and back.
    assert_eq!(import(store, vec![entry(6)], 1400).await.changed, 1);
    assert_agreement(store, MODEL).await;
    all_end_well_but(store, &[3], 1500).await;
}

pub async fn a_sync_during_a_mark_is_applied(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let known = |number: i64| SourceRecord { content_changed_at: Some(at(5)), ..entry(number) };
    apply(store, (1..=9).map(known).collect(), 100).await;
    succeed_all(store, 200).await;
    mark(store, MODEL, 1000).await;
    let touched = |number: i64| SourceRecord { content_changed_at: Some(at(6)), ..entry(number) };
    let scanned = |records: Vec<SourceRecord>| SyncBatch {
        records,
        scanned_range: Some(ScannedRange { after: None, to: None, most_deleted: 9 }),
    };
    let run = async |records, now| sync(store, scanned(records), &ModelSyncState::new(MODEL), now).await;
    let rows = [1, 5, 6, 8, 9].map(known).into_iter().chain([touched(4), known(10)]);
    let applied = Applied { added: 1, changed: 1, unchanged: 5 };
    assert_eq!(run(rows.collect(), 1100).await, SyncApplied { applied, deleted: 3, kept: 0 });
    assert_eq!((get(store, 4).await.history().attempt, get(store, 5).await.history().attempt), (2, 1));
    assert_agreement(store, MODEL).await;
    // Of those that a worker has, one is deleted and comes again, and the rest is written.
    let behind = claim(store, 4, 1200).await.unwrap();
    assert_eq!(numbers(&behind), [10]);
    store.queue.complete(behind.id, &[], true).await.unwrap();
    let lease = claim(store, 4, 1200).await.unwrap();
    assert_eq!(numbers(&lease), [1, 4, 5, 6]);
    assert_eq!(run([1, 5, 6, 8, 9, 10].map(known).to_vec(), 1300).await.deleted, 1);
    assert_agreement(store, MODEL).await;
    assert_eq!(run([1, 2, 4, 5, 6, 8, 9, 10].map(known).to_vec(), 1300).await.applied.added, 2);
    let again = get(store, 4).await;
    assert_eq!((again.state(), again.history().attempt), (State::Pending, 0));
    assert_eq!(store.queue.complete(lease.id, &failures(&lease, 1400), true).await.unwrap(), 3);
    assert_eq!((numbers_in(store, State::Failed).await, get(store, 4).await), (vec![1, 5, 6], again));
    assert_agreement(store, MODEL).await;
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 3);
    all_end_well_but(store, &[], 1_000_000).await;
    // A whole model may go.
    mark(store, MODEL, 1_100_000).await;
    assert_eq!(run(vec![], 1_200_000).await.deleted, 8);
    assert_eq!(assert_agreement(store, MODEL).await, []);
    assert!(claim(store, 10, 1_300_000).await.is_none());
    assert_eq!(run(vec![known(3)], 1_400_000).await.applied.added, 1);
    all_end_well_but(store, &[], 1_500_000).await;
}

pub async fn records_by_themselves_end_a_mark(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let queue = &store.queue;
    good_and_failed(store).await;
    import_into(store, Model::Projects, vec![entry_of(key(1))], 500).await;
    mark(store, MODEL, 1000).await;
    let marked = get(store, 1).await;
    assert!(store.as_of(at(1100)).queue.recalculate(MODEL, &key(1)).await.unwrap());
    assert_eq!(get(store, 1).await.status, Status::Pending(marked.status.recalculate()));
    assert_agreement(store, MODEL).await;
    // Claimed alone, one is verified and the other given back.
    let marked = get(store, 5).await;
    let one = queue.claim_one(&worker("w"), MODEL, &key(5), TERMS).await.unwrap().unwrap();
    assert_eq!(one.records[0].verification, marked.status.recalculate().claim());
    assert_agreement(store, MODEL).await;
    assert_eq!(queue.complete(one.id, &successes(&one, 1200), true).await.unwrap(), 1);
    let other = queue.claim_one(&worker("w"), MODEL, &key(3), TERMS).await.unwrap().unwrap();
    queue.complete(other.id, &[], true).await.unwrap();
    assert_eq!((state(store, 5).await, state(store, 3).await), (State::Succeeded, State::Pending));
    assert_agreement(store, MODEL).await;
    // One that a lease has, which goes on with the others.
    let lease = claim(store, 10, 1300).await.unwrap();
    let lease = if lease.model == MODEL { lease } else { claim(store, 10, 1300).await.unwrap() };
    assert_eq!(numbers(&lease), [1, 2, 3, 4, 6]);
    let one = queue.claim_one(&worker("x"), MODEL, &key(2), TERMS).await.unwrap().unwrap();
    assert_eq!(queue.complete(lease.id, &successes(&lease, 1400)[..2], true).await.unwrap(), 1);
    assert_eq!((state(store, 1).await, state(store, 2).await), (State::Succeeded, State::Started));
    assert_agreement(store, MODEL).await;
    assert_eq!(queue.complete(one.id, &failures(&one, 1500), true).await.unwrap(), 1);
    assert_agreement(store, MODEL).await;
    // Only what failed since waits to be tried again, and only what is good since grows old.
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 1);
    let expire =
        async |after, limit| queue.expire_succeeded(MODEL, after, Duration::ZERO, limit).await.unwrap();
    assert_eq!(expire(None, 3).await, (Some(key(3)), 1));
    assert_eq!(expire(Some(key(3)), 10).await, (None, 1));
    assert_eq!(numbers_in(store, State::Pending).await, [1, 3, 4, 5, 6]);
    assert_agreement(store, MODEL).await;
    all_end_well_but(store, &[7], 1_000_000).await;
}

pub async fn batches_during_a_mark_see_what_is_pending(db: &dyn DatabaseFixture) {
    let store = db.ports();
    good_and_failed(store).await;
    mark(store, MODEL, 1000).await;
    let lease = claim(store, 2, 1000).await.unwrap();
    store.queue.complete(lease.id, &successes(&lease, 1100), true).await.unwrap();
    let mark_in = async |state: State| {
        let selection = crate::Selection::in_state(state);
        let queue = &store.as_of(at(1200)).queue;
        queue.recalculate_next(MODEL, &selection, None, None, 10).await.unwrap()
    };
    assert_eq!(mark_in(State::Failed).await, (None, 0));
    assert_eq!(mark_in(State::Started).await, (None, 0));
    assert_eq!(mark_in(State::Succeeded).await, (None, 2));
    assert_agreement(store, MODEL).await;
    // Those two are pending as well by now.
    assert_eq!(mark_in(State::Pending).await, (None, 6));
    let attempts = assert_agreement(store, MODEL).await;
    let attempts: Vec<u64> = attempts.iter().map(|record| record.history().attempt).collect();
    assert_eq!(attempts, [4, 4, 2, 2, 2, 2, 0]);
    all_end_well_but(store, &[7], 1300).await;
}
