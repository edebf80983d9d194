//! Whose clock counts: the server's on PostgreSQL; on SQLite this host's, unless it is set while leases depend on it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{ClaimFilter, Lease, LeaseTerms, Reaped, WorkerId, numbered};
use stocktake_domain::{Location, Model, RecordKey, SourceRecord, Timestamp};
use stocktake_testbed::postgres;

const LEASE: Duration = Duration::from_secs(8 * 3600);
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: Duration::from_secs(60) };
const SOON: Duration = Duration::from_secs(5);

/// More than are read ahead of who takes their paths.
const RECORDS: i64 = 3_000;

/// 2026-01-01T00:00:00Z.
const TODAY: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A database with records that are due, and this host's clock.
async fn database(url: &str) -> (Store, Arc<ManualClock>) {
    let host = Arc::<ManualClock>::default();
    host.set(TODAY);
    let clock = StoreClock::Database { host: host.clone() };
    let settings = StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 2,
        thread_connections: 0,
        timeout: Duration::from_secs(20),
        clock,
    };
    migrate(&settings).await.unwrap();
    let store = open(&settings).await.unwrap();
    let entries = stream::iter([Ok(numbered(1, (1..=RECORDS).map(entry)))]);
    store.catalogue.import(Model::Uploads, Box::pin(entries)).await.unwrap();
    (store, host)
}

fn entry(number: i64) -> SourceRecord {
    let location = Location { storage: "main".to_owned(), path: format!("{number}.bin") };
    SourceRecord::new(RecordKey::integer(number), location)
}

async fn claim(store: &Store) -> Option<Lease> {
    let filter = ClaimFilter {
        models: vec![],
        storages: None,
        except_storages: vec![],
        due_from: None,
        limit: 10_000,
    };
    store.queue.claim(&WorkerId("w".to_owned()), &filter, TERMS).await.unwrap()
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

#[tokio::test]
async fn on_postgresql_no_hosts_clock_counts() {
    let url = postgres().create_database().unwrap();
    let (store, host) = database(&url).await;
    let lease = claim(&store).await.unwrap();
    let server = || {
        let now = postgres().sql(&url, "SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)").unwrap();
        Timestamp::from_millis(now.parse().unwrap())
    };
    for shown in [TODAY, Timestamp::from_millis(0), TODAY.after(LEASE * 9), TODAY.after(LEASE * 100_000)] {
        host.set(shown);
        assert_eq!(store.queue.reap(LEASE).await.unwrap(), Reaped::default(), "{shown}");
        assert!(claim(&store).await.is_none());
        let now = store.clock.now();
        assert!(apart(now, server()) < SOON && now <= server(), "{now} {}", server());
    }
    store.queue.complete(lease.id, &[], true).await.unwrap();
    assert!(claim(&store).await.is_some());
}

#[tokio::test]
async fn on_sqlite_a_clock_that_is_set_ends_no_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (store, host) = database(&format!("sqlite://{}/test.db", folder.path().display())).await;
    for shown in [TODAY.after(LEASE * 9), TODAY.after(LEASE * 100_000), TODAY] {
        let before = store.clock.now();
        let lease = claim(&store).await.unwrap();
        host.set(shown);
        assert_eq!(store.queue.reap(LEASE).await.unwrap(), Reaped::default(), "{shown}");
        assert!(apart(store.clock.now(), before) < SOON);
        // Nobody depends on it any more.
        store.queue.complete(lease.id, &[], true).await.unwrap();
        assert_eq!(store.queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
        assert!(apart(store.clock.now(), shown) < SOON, "{shown}");
    }
    // A little back is waited for.
    let before = store.clock.now();
    host.set(before.before(Duration::from_secs(2)));
    assert_eq!(store.queue.retry_failed(&Model::ALL, 10).await.unwrap(), 0);
    assert!(store.clock.now() >= before);
}

#[tokio::test]
async fn no_transaction_waits_for_what_is_not_the_database() {
    let url = postgres().create_database().unwrap();
    let (store, _) = database(&url).await;
    // Entries that do not come, and paths that nobody takes.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let entries = stream::unfold(receiver, async |mut receiver: tokio::sync::mpsc::Receiver<_>| {
        Some((receiver.recv().await?, receiver))
    });
    let catalogue = Arc::clone(&store.catalogue);
    let import = tokio::spawn(async move { catalogue.import(Model::Uploads, Box::pin(entries)).await });
    sender.send(Ok(numbered(1, [entry(RECORDS + 1)]))).await.unwrap();
    let paths = store.catalogue.paths(None, "main").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND pid <> pg_backend_pid() AND (state LIKE 'idle in transaction%' OR backend_xmin IS NOT NULL)";
    assert_eq!(postgres().sql(&url, open).unwrap(), "0");
    drop((sender, paths));
    assert_eq!(import.await.unwrap().unwrap().added, 1);
}
