//! What PostgreSQL reads of a model that was filled a moment ago, of which its planner has heard nothing yet: no more
//! than of any other.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::stream;
use secrecy::ExposeSecret as _;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{
    ClaimFilter, ClaimedRecord, LeaseTerms, ModelSyncState, Outcome, SyncBatch, WorkerId, numbered,
};
use stocktake_domain::{
    Digest, Failure, Location, Model, NewJob, RecordKey, Selection, SourceRecord, Timestamp,
};
use stocktake_testbed::postgres;

const NEW: Model = Model::Uploads;
const ROWS: i64 = 20_000;
const BATCH: u32 = 500;
const LEASE: Duration = Duration::from_secs(3600);
/// A worker counts as alive for longer, so that its leases time out.
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: LEASE.saturating_mul(9) };
/// The most index entries that a call about a batch may read. One that looked at the whole model would read all.
const FEW: i64 = 8000;

/// The databases' clock.
static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);

fn now_is(millis: i64) {
    CLOCK.set(Timestamp::from_millis(millis));
}

fn settings(url: &str, max_connections: u32) -> StoreSettings {
    let clock = StoreClock::Fixed(CLOCK.clone());
    StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections,
        thread_connections: 0,
        timeout: LEASE,
        clock,
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn entries(numbers: std::ops::Range<i64>) -> Vec<SourceRecord> {
    let location = |number| Location { storage: "main".to_owned(), path: format!("{number}.bin") };
    numbers.map(|number| SourceRecord::new(RecordKey::integer(number), location(number))).collect()
}

async fn sync(store: &Store, numbers: std::ops::Range<i64>) {
    let worker = WorkerId("w".to_owned());
    assert!(store.sync_state.acquire_leader_lease(&worker, LEASE).await.unwrap());
    let piece = SyncBatch { records: entries(numbers), scanned_range: None };
    store.sync_state.apply(&worker, piece, &ModelSyncState::new(NEW)).await.unwrap().unwrap();
}

/// A model that the planner knows, and behind it one that it does not.
async fn fill(settings: &StoreSettings) {
    migrate(settings).await.unwrap();
    postgres()
        .sql(
            settings.url.expose_secret(),
            "ALTER TABLE records_9 SET (autovacuum_enabled = off); ALTER TABLE records_19 SET (autovacuum_enabled = off)",
        )
        .unwrap();
    let store = open(settings).await.unwrap();
    let known = stream::iter([Ok(numbered(1, entries(0..ROWS)))]);
    store.catalogue.import(Model::LfsObjects, Box::pin(known)).await.unwrap();
    for first in (0..ROWS).step_by(1000) {
        sync(&store, first..first + 1000).await;
    }
}

/// How many index entries of the records were read until now. The server counts what a connection did at the
/// latest when it ends, so that the program's are waited for.
fn read(url: &str) -> i64 {
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'stocktake'";
    while postgres().sql(url, ours).unwrap() != "0" {
        std::thread::yield_now();
    }
    let read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'records\\_%'";
    postgres().sql(url, read).unwrap().parse().unwrap()
}

/// What a worker, a job and an import do with a batch.
#[derive(Debug, Clone, Copy)]
enum Call {
    Complete(bool),
    Retry,
    Expire,
    Reap,
    Mark,
    Sync,
    Import,
}

fn outcome(record: ClaimedRecord, good: bool) -> (RecordKey, Outcome) {
    let outcome = if good {
        Outcome::Succeeded(record.verification.succeed(Digest::Sha256([1; 32]), at(3)))
    } else {
        Outcome::Failed(record.verification.fail(Failure::missing_repository(), at(3), 0))
    };
    (record.key, outcome)
}

async fn run(store: &Store, call: Call) {
    let filter = ClaimFilter { models: vec![NEW], ..ClaimFilter::any(BATCH) };
    let worker = WorkerId("w".to_owned());
    let claim = store.queue.claim(&worker, &filter, TERMS);
    let batch = i64::from(BATCH);
    match call {
        Call::Complete(good) => {
            let lease = claim.await.unwrap().unwrap();
            let outcomes: Vec<_> = lease.records.into_iter().map(|record| outcome(record, good)).collect();
            assert_eq!(store.queue.complete(lease.id, &outcomes, true).await.unwrap(), u64::from(BATCH));
        }
        Call::Retry => {
            now_is(1_000_000);
            assert_eq!(store.queue.retry_failed(&Model::ALL, BATCH).await.unwrap(), u64::from(BATCH));
        }
        Call::Expire => {
            let expired =
                store.queue.expire_succeeded(NEW, None, Duration::from_secs(1), 2 * BATCH).await.unwrap();
            assert_eq!(expired.1, u64::from(BATCH));
        }
        Call::Reap => {
            now_is(2_000_000);
            claim.await.unwrap().unwrap();
            now_is(2_000_000 + i64::try_from(LEASE.as_millis()).unwrap());
            assert_eq!(store.queue.reap(LEASE).await.unwrap().timed_out, u64::from(BATCH));
        }
        Call::Mark => {
            let keys = Some((0..batch).map(|number| RecordKey::integer(number * 7)).collect());
            let selection = Selection { keys, ..Selection::default() };
            let job = NewJob { model: NEW, selection, requested_by: "me".to_owned() };
            store.jobs.enqueue(&job).await.unwrap();
            store.jobs.advance(BATCH).await.unwrap();
        }
        Call::Sync => sync(store, 0..batch).await,
        Call::Import => {
            let same = stream::iter([Ok(numbered(1, entries(0..batch)))]);
            store.catalogue.import(NEW, Box::pin(same)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_costs_what_a_known_one_costs() {
    let url = postgres().create_database().unwrap();
    let settings = settings(&url, 2);
    fill(&settings).await;
    for call in [
        Call::Complete(true),
        Call::Complete(false),
        Call::Retry,
        Call::Expire,
        Call::Reap,
        Call::Mark,
        Call::Sync,
        Call::Import,
    ] {
        let before = read(&url);
        run(&open(&settings).await.unwrap(), call).await;
        let cost = read(&url) - before;

        assert!((1..FEW).contains(&cost), "{call:?} read {cost}");
    }
}
