//! Rows a second through the ports, on a fresh SQLite file and a fresh PostgreSQL cluster that syncs to disk.
//!
//! `cargo bench -p stocktake-diesel-storage --bench queue [-- ROWS]`; 200,000 rows unless told.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that only measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{
    ClaimFilter, Lease, LeaseTerms, ModelSyncState, Outcome, PageRequest, PageStart, ScannedRange, SortOrder,
    SyncBatch, WorkerId, numbered,
};
use stocktake_domain::{
    Digest, Location, Model, NewJob, RecordKey, Selection, SourceRecord, State, Timestamp,
};
use stocktake_testbed::PgCluster;

const MODEL: Model = Model::Uploads;
const BATCH: u32 = 1000;
const LEASE: Duration = Duration::from_secs(3600);
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: LEASE };

fn main() {
    let rows = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(200_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}/bench.db", folder.path().display());
    runtime.block_on(measure("SQLite", file, rows));
    let cluster = PgCluster::start_with(&[]).unwrap();
    runtime.block_on(measure("PostgreSQL", cluster.create_database().unwrap(), rows));
}

async fn measure(name: &str, url: String, rows: i64) {
    let clock = StoreClock::Fixed(Arc::<ManualClock>::default());
    let settings = StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 8,
        timeout: Duration::from_secs(60),
        clock,
    };
    migrate(&settings).await.unwrap();
    let store = open(&settings).await.unwrap();
    let rate = |what: &str, count: i64, began: Instant| {
        let millis = i64::try_from(began.elapsed().as_millis()).unwrap().max(1);
        println!("{name:<10} {what:<28} {:>9} /s", count * 1000 / millis);
    };
    for what in ["import, all new", "import, all known"] {
        let began = Instant::now();
        import(&store, rows).await;
        rate(what, rows, began);
    }
    for what in ["sync of new rows", "sync of unchanged rows"] {
        let began = Instant::now();
        sync(&store, rows, false).await;
        rate(what, rows, began);
    }
    let began = Instant::now();
    sync(&store, rows, true).await;
    rate("sync of rows that are gone", rows, began);
    for (what, workers) in [("claim and complete", 1), ("... two workers", 2)] {
        let began = Instant::now();
        work(&store, workers).await;
        rate(what, rows, began);
        let began = Instant::now();
        mark(&store).await;
        rate("bulk recalculation", rows, began);
    }
    work(&store, 1).await;
    for (what, state) in [("pages of 20", None), ("... succeeded", Some(State::Succeeded))] {
        for (place, at) in [("start", 0), ("middle", rows / 2), ("end", rows - 21)] {
            let began = Instant::now();
            pages(&store, state, at).await;
            rate(&format!("{what}, {place}"), 8 * PAGES, began);
        }
    }
    let began = Instant::now();
    store.catalogue.summary().await.unwrap();
    rate("summary, rows", rows, began);
}

fn entry(number: i64) -> SourceRecord {
    let path = format!("{:02x}/{number:010}.bin", number % 256);
    SourceRecord {
        created_at: Some(Timestamp::from_millis(number)),
        file_size: Some(4096),
        expected: Some(Digest::Sha256([7; 32])),
        ..SourceRecord::new(RecordKey::integer(number), Location { storage: "main".to_owned(), path })
    }
}

async fn import(store: &Store, rows: i64) {
    let batches =
        (0..rows).step_by(1000).map(|first| Ok(numbered(1, (first..rows.min(first + 1000)).map(entry))));
    store.catalogue.import(MODEL, Box::pin(stream::iter(batches))).await.unwrap();
}

/// Syncs another model, in pages as a source gives them; `gone`: all at once, with no row left.
async fn sync(store: &Store, rows: i64, gone: bool) {
    let worker = WorkerId("sync".to_owned());
    assert!(store.sync_state.acquire_leader_lease(&worker, LEASE).await.unwrap());
    let state = ModelSyncState::new(Model::LfsObjects);
    let pages = if gone { 0..1 } else { 0..rows };
    for first in pages.step_by(PAGE) {
        let entries: Vec<SourceRecord> = if gone { vec![] } else { page_from(first, rows) };
        let key = |number| Some(RecordKey::integer(number));
        let (after, to) = (key(first - 1), entries.last().map(|entry| entry.key.clone()));
        let scanned_range = Some(ScannedRange { after, to, most_deleted: u64::MAX });
        let piece = SyncBatch { records: entries, scanned_range };
        store.sync_state.apply(&worker, piece, &state).await.unwrap().unwrap();
    }
}

/// Rows that a source gives at once.
const PAGE: usize = 5000;

fn page_from(first: i64, rows: i64) -> Vec<SourceRecord> {
    (first..rows).take(PAGE).map(entry).collect()
}

fn results(lease: &Lease) -> Vec<(RecordKey, Outcome)> {
    let now = Timestamp::from_millis(3);
    let good = |verification: &stocktake_domain::Verification<stocktake_domain::Started>| {
        Outcome::Succeeded(verification.clone().succeed(Digest::Sha256([7; 32]), now))
    };
    lease.records.iter().map(|record| (record.key.clone(), good(&record.verification))).collect()
}

async fn work(store: &Store, workers: usize) {
    let tasks = (0..workers).map(|index| {
        let store = store.clone();
        tokio::spawn(async move {
            let worker = WorkerId(format!("w{index}"));
            let filter = ClaimFilter::any(BATCH);
            while let Some(lease) = store.queue.claim(&worker, &filter, TERMS).await.unwrap() {
                store.queue.complete(lease.id, &results(&lease), true).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn mark(store: &Store) {
    let job = NewJob { model: MODEL, selection: Selection::default(), requested_by: "bench".to_owned() };
    store.jobs.enqueue(&job).await.unwrap();
    while store.jobs.advance(10_000).await.unwrap().is_some() {}
}

const PAGES: i64 = 1000;

async fn pages(store: &Store, state: Option<State>, at: i64) {
    let readers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let request = PageRequest {
                model: MODEL,
                selection: Selection { state, ..Selection::default() },
                order: SortOrder::Ascending,
                start: PageStart::After(RecordKey::integer(at)),
                limit: 20,
            };
            for _ in 0..PAGES {
                store.catalogue.page(&request).await.unwrap();
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
}
