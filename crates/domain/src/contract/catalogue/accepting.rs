//! `Catalogue::accept`, and taking it back.

use crate::contract::support::{
    GOOD, MODEL, acceptance, at, claim, entry, fail_all, get, import, import_numbers, key, succeed_all,
    successes,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::{
    Acceptance, Baseline, Digest, Model, NewAcceptance, Record, Reference, Replaced, SourceRecord, State,
    Status, TakenBack,
};

async fn accept(store: &Ports, number: i64, acceptance: &NewAcceptance, now: i64) -> Record {
    store.as_of(at(now)).catalogue.accept(MODEL, &key(number), acceptance).await.unwrap().unwrap()
}

async fn take_back(store: &Ports, number: i64, now: i64) -> Option<Record> {
    let reason = Some(format!("at {now}"));
    store.as_of(at(now)).catalogue.take_back(MODEL, &key(number), "admin@host", reason).await.unwrap()
}

pub async fn accepted_content_counts_from_now_on(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let wrong = SourceRecord { expected: Some(Digest::Md5([9; 16])), file_size: Some(3), ..entry(1) };
    import(store, vec![wrong, SourceRecord { disabled: true, ..entry(2) }], 100).await;
    fail_all(store, 200).await;
    let before = get(store, 1).await;
    let after = accept(store, 1, &acceptance(GOOD, Some(99)), 300).await;
    assert_eq!(after, get(store, 1).await);
    let Status::Failed(failed) = before.status else { panic!("{before:?}") };
    assert_eq!(after.status, Status::Succeeded(failed.accept(GOOD, at(300))));
    assert_eq!((after.file_size, after.accepted, after.expected), (Some(99), true, before.expected));
    let baseline = Baseline { digest: GOOD, at: at(300) };
    assert_eq!(after.reference(), Reference { baseline: Some(baseline), ..Reference::default() });
    // Twice is once.
    assert_eq!(accept(store, 1, &acceptance(GOOD, Some(99)), 350).await, after);
    assert_eq!(store.catalogue.acceptances(MODEL, &key(1)).await.unwrap().len(), 1);
    // What was recorded stays out of it, and the record out of the queue.
    assert!(claim(store, 10, 400).await.is_none());
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    assert_eq!(accept(store, 2, &acceptance(GOOD, Some(1)), 300).await.state(), State::Succeeded);
    assert_eq!(store.catalogue.accept(MODEL, &key(3), &acceptance(GOOD, None)).await.unwrap(), None);
}

pub async fn acceptance_voids_a_running_attempt(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, [1], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(300)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    let lease = claim(store, 1, 400).await.unwrap();
    let running = get(store, 1).await;
    let other = Digest::Sha256([8; 32]);
    let accepted = accept(store, 1, &acceptance(other, Some(5)), 500).await;
    let Status::Started(started) = running.status else { panic!("{running:?}") };
    assert_eq!(accepted.status, Status::Succeeded(started.accept(other, at(500))));
    assert_eq!(store.queue.complete(lease.id, &successes(&lease, 600), true).await.unwrap(), 0);
    assert_eq!(get(store, 1).await, accepted);
}

pub async fn an_acceptance_is_kept_with_what_it_replaced(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let recorded = SourceRecord { expected: Some(Digest::Md5([9; 16])), file_size: Some(3), ..entry(1) };
    import(store, vec![recorded], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(250)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    fail_all(store, 300).await;
    let first = get(store, 1).await;
    let reason = Some("re-encoded on purpose, \u{202e}said\nsomebody".to_owned());
    let one = NewAcceptance { reason, ..acceptance(Digest::Sha256([8; 32]), Some(99)) };
    let second = accept(store, 1, &one, 400).await;
    let other = acceptance(Digest::Gitaly([3; 20]), None);
    let third = accept(store, 1, &other, 500).await;
    assert_eq!((third.file_size, third.accepted), (Some(99), true));

    let kept = store.catalogue.acceptances(MODEL, &key(1)).await.unwrap();
    let replaced = Replaced::of(&first);
    assert!(replaced.failure.is_some() && replaced.failed_at == Some(at(300)), "{replaced:?}");
    assert_eq!(replaced.baseline.map(|baseline| baseline.at), Some(at(200)));
    let newest =
        Acceptance { at: at(500), accepted: other, replaced: Replaced::of(&second), taken_back: None };
    let oldest = Acceptance { at: at(400), accepted: one, replaced, taken_back: None };
    assert_eq!(kept, [newest, oldest]);
    assert_eq!(store.catalogue.acceptances(MODEL, &key(2)).await.unwrap(), []);
    assert_eq!(store.catalogue.acceptances(Model::Projects, &key(1)).await.unwrap(), []);
}

pub async fn acceptances_are_taken_back_one_after_the_other(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![SourceRecord { file_size: Some(3), ..entry(1) }, entry(2)], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(250)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    fail_all(store, 300).await;
    let before = get(store, 1).await;
    let second = accept(store, 1, &acceptance(Digest::Sha256([8; 32]), Some(99)), 400).await;
    accept(store, 1, &acceptance(Digest::Sha256([6; 32]), Some(7)), 500).await;

    let once = take_back(store, 1, 600).await.unwrap();
    assert_eq!(once, get(store, 1).await);
    assert_eq!((once.state(), once.file_size, once.accepted), (State::Pending, Some(99), true));
    assert_eq!(once.history().baseline, second.history().baseline);
    assert_eq!(once.status.last_failure(), None);
    let twice = take_back(store, 1, 700).await.unwrap();
    // As it was, and to be read again; what was wrong with it still is.
    assert_eq!((twice.state(), twice.file_size, twice.accepted), (State::Pending, Some(3), false));
    assert_eq!(twice.history().baseline, before.history().baseline);
    assert_eq!(twice.history().failures, before.history().failures);
    assert_eq!(twice.status.last_failure(), before.status.last_failure());
    assert_eq!(twice.reference(), before.reference());
    assert!(twice.history().attempt > once.history().attempt);
    assert_eq!(take_back(store, 1, 800).await, None);
    assert_eq!(take_back(store, 2, 800).await, None);
    assert_eq!(take_back(store, 3, 800).await, None);

    let by = |millis| {
        let reason = Some(format!("at {millis}"));
        Some(TakenBack { at: at(millis), by: "admin@host".to_owned(), reason })
    };
    let kept = store.catalogue.acceptances(MODEL, &key(1)).await.unwrap();
    let taken_back: Vec<_> = kept.into_iter().map(|acceptance| acceptance.taken_back).collect();
    assert_eq!(taken_back, [by(600), by(700)]);
    let lease = claim(store, 10, 900).await.unwrap();
    assert_eq!(lease.records.iter().map(|record| record.key.clone()).collect::<Vec<_>>(), [key(1)]);
}

pub async fn what_a_source_overruled_is_not_taken_back(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import(store, vec![entry(1)], 100).await;
    accept(store, 1, &acceptance(GOOD, Some(99)), 200).await;
    let other = SourceRecord { expected: Some(Digest::Md5([9; 16])), ..entry(1) };
    import(store, vec![other], 300).await;
    let before = get(store, 1).await;
    assert!(!before.accepted);
    assert_eq!(take_back(store, 1, 400).await, None);
    assert_eq!(get(store, 1).await, before);
}

pub async fn a_record_is_retired_until_that_is_taken_back(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let recorded = SourceRecord { expected: Some(GOOD), file_size: Some(3), ..entry(1) };
    import(store, vec![recorded.clone(), entry(2)], 100).await;
    succeed_all(store, 200).await;
    store.as_of(at(250)).queue.recalculate(MODEL, &key(1)).await.unwrap();
    fail_all(store, 300).await;
    let before = get(store, 1).await;
    let absence = NewAcceptance { checksum: None, ..acceptance(GOOD, None) };
    let retired = accept(store, 1, &absence, 400).await;
    assert_eq!(retired, get(store, 1).await);
    assert_eq!(retired, Record { status: before.status.clone().disable(), ..before.clone() });
    assert!(store.catalogue.findings(MODEL, None, 10).await.unwrap().is_empty());
    assert_eq!(store.as_of(at(1_000_000)).queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    let kept = store.catalogue.acceptances(MODEL, &key(1)).await.unwrap();
    let replaced = Replaced::of(&before);
    assert_eq!(kept, [Acceptance { at: at(400), accepted: absence.clone(), replaced, taken_back: None }]);

    let back = take_back(store, 1, 500).await.unwrap();
    assert_eq!(back.state(), State::Pending);
    assert_eq!(back.status.last_failure(), before.status.last_failure());
    assert_eq!(back.history().baseline, before.history().baseline);
    assert_eq!((back.accepted, back.file_size, back.expected), (false, Some(3), Some(GOOD)));
    assert_eq!(take_back(store, 1, 600).await, None);

    // Whoever switches it on again has overruled it; other content may be accepted and taken back all the same.
    accept(store, 1, &absence, 700).await;
    let off = SourceRecord { disabled: true, ..recorded.clone() };
    import(store, vec![off], 750).await;
    import(store, vec![recorded], 800).await;
    assert_eq!(get(store, 1).await.state(), State::Pending);
    assert_eq!(take_back(store, 1, 900).await, None);
    let other = Digest::Sha256([8; 32]);
    accept(store, 1, &acceptance(other, Some(4)), 1_000).await;
    assert_eq!(take_back(store, 1, 1_100).await.unwrap().state(), State::Pending);
    assert_eq!(take_back(store, 1, 1_200).await, None);
}
