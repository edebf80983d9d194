//! Values at and beyond what a database keeps, and callers that vanish.

use crate::contract::support::{
    GOOD, MODEL, TERMS, acceptance, at, claim, count, entry, get, import, import_numbers, key, state, stream,
    successes,
};
use crate::contract::tasks::{poll_once, yield_now};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{Applied, ClaimFilter, ImportError, StoreError, WorkerId};
use crate::{
    Failure, NewAcceptance, NewJob, NewToken, Scope, Selection, SourceRecord, Timestamp, TokenDigest,
};

/// What is wrong, as the source of the error says it.
fn reason<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome.unwrap_err() {
        StoreError::Internal(source) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn import_of(store: &Ports, entry: SourceRecord) -> Result<Applied, StoreError> {
    let batches = stream([Ok(vec![crate::contract::support::entry(1), entry])]);
    store.as_of(at(1)).catalogue.import(MODEL, batches).await.map_err(|error| match error {
        ImportError::Store(error) => error,
        error => panic!("{error}"),
    })
}

pub async fn values_that_do_not_fit_are_refused(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let large = u64::try_from(i64::MAX).unwrap() + 1;
    let sized = SourceRecord { file_size: Some(large), ..entry(2) };
    assert!(reason(import_of(store, sized).await).contains("file_size 9223372036854775808"));
    let mut odd = entry(2);
    "a\0b".clone_into(&mut odd.location.path);
    assert!(reason(import_of(store, odd).await).contains("NUL"));
    assert_eq!(count(store, Selection::default()).await, 0);
    import_numbers(store, [1], 1).await;
    let sized = acceptance(GOOD, Some(large));
    assert!(reason(store.catalogue.accept(MODEL, &key(1), &sized).await).contains("beyond"));
    let odd = NewAcceptance { size: None, reason: Some("a\0b".to_owned()), ..sized };
    assert!(reason(store.catalogue.accept(MODEL, &key(1), &odd).await).contains("NUL"));
    assert!(reason(store.catalogue.take_back(MODEL, &key(1), "\0", None).await).contains("NUL"));
    let token = NewToken {
        name: "\0".to_owned(),
        owner: String::new(),
        admin: false,
        scope: Scope::Api,
        expires_at: None,
        digest: TokenDigest([0; 32]),
    };
    assert!(reason(store.as_of(at(1)).tokens.create(&token).await).contains("NUL"));
    assert!(reason(store.as_of(at(1)).tokens.revoke("a\0").await).contains("NUL"));
    let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "\0".to_owned() };
    assert!(reason(store.as_of(at(1)).jobs.enqueue(&job).await).contains("NUL"));
    let name = WorkerId("\0".to_owned());
    let claimed = store.as_of(at(1)).queue.claim(&name, &ClaimFilter::any(1), TERMS).await;
    assert!(reason(claimed).contains("NUL"));
}

pub async fn the_largest_values_fit(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    let large = u64::try_from(i64::MAX).unwrap();
    let entries = vec![
        SourceRecord { created_at: Some(first), file_size: Some(large), ..entry(i64::MIN) },
        SourceRecord { created_at: Some(last), file_size: Some(0), ..entry(i64::MAX) },
    ];
    import(store, entries, i64::MAX).await;
    let record = get(store, i64::MIN).await;
    assert_eq!((record.created_at, record.file_size), (Some(first), Some(large)));
    assert_eq!(get(store, i64::MAX).await.created_at, Some(last));
    let lease = claim(store, 10, i64::MAX).await.unwrap();
    let results = successes(&lease, i64::MAX);
    assert_eq!(store.queue.complete(lease.id, &results, true).await.unwrap(), 2);
    assert_eq!(store.catalogue.summary().await.unwrap()[0].bytes, large);
}

pub async fn odd_texts_come_back(db: &dyn DatabaseFixture) {
    let store = db.ports();
    let mut odd = entry(1);
    "a'b\"c\\d\n%?$1:x\u{10ffff}".clone_into(&mut odd.location.path);
    "größe ?".clone_into(&mut odd.location.storage);
    import(store, vec![odd.clone()], 1).await;
    assert_eq!(get(store, 1).await.location, odd.location);
    let lease = claim(store, 1, 1).await.unwrap();
    assert_eq!(lease.storage, odd.location.storage);
    // What a system says may hold anything.
    let running = lease.records[0].verification.clone();
    let failed = running.fail(Failure::unreadable("bad\0name"), at(2), 0);
    let outcome = crate::ports::Outcome::Failed(failed);
    store.queue.complete(lease.id, &[(key(1), outcome)], true).await.unwrap();
    let text = get(store, 1).await.status.failure().unwrap().text();
    assert_eq!(text, "Error during verification: bad\u{fffd}name");
}

pub async fn a_vanished_caller_leaves_nothing_half_done(db: &dyn DatabaseFixture) {
    let store = db.ports();
    import_numbers(store, 1..=500, 100).await;
    // In batches, and by one mark, which counts no attempt.
    for selection in [Selection::in_state(crate::State::Pending), Selection::default()] {
        let job = NewJob { model: MODEL, selection, requested_by: "x".to_owned() };
        store.as_of(at(100)).jobs.enqueue(&job).await.unwrap();
        // Each call is dropped after one more poll than the one before.
        for polls in 1..40 {
            let mut advancing = Box::pin(store.as_of(at(200)).jobs.advance(10));
            for _ in 0..polls {
                if poll_once(advancing.as_mut()).await {
                    break;
                }
                yield_now().await;
            }
        }
        // Whatever still runs in the background is over after a call that waits.
        while store.as_of(at(200)).jobs.advance(10).await.unwrap().is_some() {}
        let job = &store.jobs.list(None, 1).await.unwrap()[0];
        assert_eq!((job.marked, job.state.is_over()), (500, true));
        for number in [1, 250, 500] {
            assert_eq!(get(store, number).await.history().attempt, 1);
            assert_eq!(state(store, number).await, crate::State::Pending);
        }
        assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
    }
}
