//! Values at and beyond what a database keeps, and callers that vanish.

use std::error::Error as _;

use futures_util::{FutureExt as _, stream};
use stocktake_domain::ports::{ImportError, StoreError, WorkerId};
use stocktake_domain::{Failure, NewJob, NewToken, Scope, Selection, SourceRecord, Timestamp, TokenDigest};

use crate::support::{
    Database, GOOD, MODEL, TERMS, at, claim, count, entry, get, import, import_numbers, key, state, successes,
};

fn internal<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    let StoreError::Internal(source) = outcome.unwrap_err() else { panic!("another error") };
    source.to_string()
}

async fn refused(db: &Database, entry: SourceRecord) -> String {
    let batches = stream::iter([Ok(vec![crate::support::entry(1), entry])]);
    match db.store.catalogue.import(MODEL, Box::pin(batches), at(1)).await.unwrap_err() {
        ImportError::Store(error) => error.source().unwrap().to_string(),
        ImportError::Source(error) => panic!("{error}"),
    }
}

pub(crate) async fn values_that_do_not_fit_are_refused(db: &Database) {
    let large = u64::try_from(i64::MAX).unwrap() + 1;
    let text = refused(db, SourceRecord { file_size: Some(large), ..entry(2) }).await;
    assert_eq!(text, "record 2: file_size 9223372036854775808 is beyond 9223372036854775807");
    let mut odd = entry(2);
    "a\0b".clone_into(&mut odd.location.path);
    let text = refused(db, odd).await;
    assert_eq!(text, "record 2: path \"a\\0b\" holds a NUL character, which no database text may");
    assert_eq!(count(&db.store, Selection::default()).await, 0);
    import_numbers(&db.store, [1], 1).await;
    let accepted = db.store.catalogue.accept(MODEL, &key(1), GOOD, Some(large), at(1)).await;
    assert!(internal(accepted).contains("beyond"));
    let token = NewToken {
        name: "\0".to_owned(),
        owner: String::new(),
        admin: false,
        scope: Scope::Api,
        expires_at: None,
        digest: TokenDigest([0; 32]),
    };
    assert!(internal(db.store.tokens.create(&token, at(1)).await).contains("NUL"));
    assert!(internal(db.store.tokens.revoke("a\0", at(1)).await).contains("NUL"));
    let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "\0".to_owned() };
    assert!(internal(db.store.jobs.enqueue(&job, at(1)).await).contains("NUL"));
    let name = WorkerId("\0".to_owned());
    let claimed = db.store.queue.claim(&name, &crate::support::any(1), TERMS, at(1)).await;
    assert!(internal(claimed).contains("NUL"));
}

pub(crate) async fn the_largest_values_fit(db: &Database) {
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    let large = u64::try_from(i64::MAX).unwrap();
    let entries = vec![
        SourceRecord { created_at: Some(first), file_size: Some(large), ..entry(i64::MIN) },
        SourceRecord { created_at: Some(last), file_size: Some(0), ..entry(i64::MAX) },
    ];
    import(&db.store, entries, i64::MAX).await;
    let record = get(&db.store, i64::MIN).await;
    assert_eq!((record.created_at, record.file_size), (Some(first), Some(large)));
    assert_eq!(get(&db.store, i64::MAX).await.created_at, Some(last));
    let lease = claim(&db.store, 10, i64::MAX).await.unwrap();
    let results = successes(&lease, i64::MAX);
    assert_eq!(db.store.queue.complete(lease.id, &results, true).await.unwrap(), 2);
    assert_eq!(db.store.catalogue.summary().await.unwrap()[0].bytes, large);
}

pub(crate) async fn odd_texts_come_back(db: &Database) {
    let mut odd = entry(1);
    "a'b\"c\\d\n%?$1:x\u{10ffff}".clone_into(&mut odd.location.path);
    "größe ?".clone_into(&mut odd.location.storage);
    import(&db.store, vec![odd.clone()], 1).await;
    assert_eq!(get(&db.store, 1).await.location, odd.location);
    let lease = claim(&db.store, 1, 1).await.unwrap();
    assert_eq!(lease.storage, odd.location.storage);
    // What a system says may hold anything.
    let running = lease.records[0].verification.clone();
    let failed = running.fail(Failure::unreadable("bad\0name"), at(2), 0);
    let outcome = stocktake_domain::ports::Outcome::Failed(failed);
    db.store.queue.complete(lease.id, &[(key(1), outcome)], true).await.unwrap();
    let text = get(&db.store, 1).await.status.failure().unwrap().text();
    assert_eq!(text, "Error during verification: bad\u{fffd}name");
}

pub(crate) async fn a_vanished_caller_leaves_nothing_half_done(db: &Database) {
    import_numbers(&db.store, 1..=500, 100).await;
    let everything = NewJob { model: MODEL, selection: Selection::default(), requested_by: "x".to_owned() };
    db.store.jobs.enqueue(&everything, at(100)).await.unwrap();
    // Each try is given up after one poll more than the one before.
    for polls in 1..40 {
        let mut advancing = Box::pin(db.store.jobs.advance(10, at(200)));
        for _ in 0..polls {
            if advancing.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Whatever was still under way in the background is over after one that waits.
    while db.store.jobs.advance(10, at(200)).await.unwrap().is_some() {}
    let job = &db.store.jobs.list(None, 1).await.unwrap()[0];
    assert_eq!((job.marked, job.state.is_over()), (500, true));
    for number in [1, 250, 500] {
        assert_eq!(get(&db.store, number).await.history().attempt, 1);
        assert_eq!(state(&db.store, number).await, stocktake_domain::State::Pending);
    }
}
