//! Rows a second through the ports, on a fresh SQLite file and a fresh PostgreSQL cluster that syncs to disk.
//!
//! `cargo bench -p stocktake-diesel-storage --bench queue [-- ROWS]`; 200,000 rows unless told. What is repeated is told by its
//! median. A bulk recalculation is compared with the bare UPDATE: the same columns of the same table, in batches as
//! large, by a client that knows the ranges of the keys.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that only measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::sqlite::SqliteConnection;
use futures_util::stream;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{
    ClaimFilter, ClaimedRecord, Lease, LeaseTerms, ModelSyncState, Outcome, PageRequest, PageStart,
    ScanLimit, ScannedRange, SortOrder, SyncBatch, WorkerId, numbered,
};
use stocktake_domain::{
    Digest, Location, Model, NewJob, RecordKey, Selection, SourceRecord, State, Timestamp,
};
use stocktake_testbed::PgCluster;

const MODEL: Model = Model::Uploads;
const BATCH: u32 = 1000;
const LEASE: Duration = Duration::from_secs(3600);
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: LEASE };

/// How many times what can be repeated is measured.
const ROUNDS: usize = 3;

/// Records marked in one step of a bulk recalculation, and by one bare UPDATE.
const MARKED_AT_ONCE: u32 = 10_000;

fn main() {
    let rows = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(200_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{}/bench.db", folder.path().display());
    runtime.block_on(measure("SQLite", format!("sqlite://{file}"), rows, |sql| bare_on_sqlite(&file, &sql)));
    let cluster = PgCluster::start_with(&[]).unwrap();
    let url = cluster.create_database().unwrap();
    let bare = |sql: Vec<String>| {
        let began = Instant::now();
        cluster.sql(&url, &format!("BEGIN; {}; COMMIT", sql.join("; COMMIT; BEGIN; "))).unwrap();
        began.elapsed()
    };
    runtime.block_on(measure("PostgreSQL", url.clone(), rows, bare));
}

/// Runs statements, each in a transaction of its own, on a copy of the database without the triggers, which call a
/// function that only the program has.
fn bare_on_sqlite(file: &str, statements: &[String]) -> Duration {
    let copy = format!("{file}.copy");
    let mut original = SqliteConnection::establish(file).unwrap();
    original.batch_execute(&format!("VACUUM INTO '{copy}'")).unwrap();
    let mut connection = SqliteConnection::establish(&copy).unwrap();
    connection.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
    for trigger in ["records_added", "records_changed", "records_moved", "records_removed"] {
        connection.batch_execute(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let began = Instant::now();
    for statement in statements {
        connection.batch_execute(statement).unwrap();
    }
    let took = began.elapsed();
    drop(connection);
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{copy}{suffix}")));
    }
    took
}

/// The bare UPDATEs that mark all records of the model.
fn bare_updates(name: &str, rows: i64) -> Vec<String> {
    let key = |number: i64| {
        let bytes = hex::encode(key_bytes(number));
        if name == "SQLite" { format!("x'{bytes}'") } else { format!("'\\x{bytes}'") }
    };
    let table = if name == "SQLite" { "records" } else { "records_19" };
    let step = i64::from(MARKED_AT_ONCE);
    let update = |first: i64| {
        format!(
            "UPDATE {table} SET state = 0, due_at = 1, attempt = attempt + 1, retry_at = NULL \
             WHERE model = 19 AND key >= {} AND key < {}",
            key(first),
            key(first + step),
        )
    };
    (0..rows).step_by(usize::try_from(step).unwrap()).map(update).collect()
}

/// The bytes of the key that is this number.
fn key_bytes(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

async fn measure(name: &str, url: String, rows: i64, bare: impl Fn(Vec<String>) -> Duration) {
    let clock = StoreClock::Fixed(Arc::<ManualClock>::default());
    let settings = StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 8,
        thread_connections: 0,
        timeout: Duration::from_secs(60),
        clock,
    };
    migrate(&settings).await.unwrap();
    let store = open(&settings).await.unwrap();
    let rate = |what: &str, count: i64, began: Instant| print(name, what, count, began.elapsed());
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
    again_and_again(name, &store, rows, bare).await;
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

/// Verifies all records for the first time, and in rounds: recalculates all in bulk, verifies all by one worker, does the same
/// with two, and with the bare UPDATE.
async fn again_and_again(name: &str, store: &Store, rows: i64, bare: impl Fn(Vec<String>) -> Duration) {
    let began = Instant::now();
    work(store, 1).await;
    print(name, "claim and complete, first", rows, began.elapsed());
    let mut found = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let bare = bare(bare_updates(name, rows));
        if name != "SQLite" {
            work(store, 1).await;
        }
        let began = Instant::now();
        mark(store).await;
        let marked = began.elapsed();
        let began = Instant::now();
        work(store, 1).await;
        let one = began.elapsed();
        mark(store).await;
        let began = Instant::now();
        work(store, 2).await;
        for (list, took) in found.iter_mut().zip([bare, marked, one, began.elapsed()]) {
            list.push(took);
        }
    }
    let [bare, marked, one, two] = found.map(|mut list| {
        list.sort_unstable();
        list.swap_remove(list.len() / 2)
    });
    print(name, "claim and complete, again", rows, one);
    print(name, "... two workers", rows, two);
    print(name, "bare UPDATE in batches", rows, bare);
    print(name, "bulk recalculation", rows, marked);
    println!(
        "{name:<10} {:<28} {:>12.2}",
        "... to the bare UPDATE",
        bare.as_secs_f64() / marked.as_secs_f64()
    );
}

fn print(name: &str, what: &str, count: i64, took: Duration) {
    let millis = i64::try_from(took.as_millis()).unwrap().max(1);
    println!("{name:<10} {what:<28} {:>9} /s", count * 1000 / millis);
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
    let good = |record: &ClaimedRecord| {
        let digest = digest_of(record.key.as_integer().unwrap());
        (record.key.clone(), Outcome::Succeeded(record.verification.clone().succeed(digest, now)))
    };
    lease.records.iter().map(good).collect()
}

/// A digest as that of any content: in no order, and always the same for a record.
fn digest_of(number: i64) -> Digest {
    let mut word = number.unsigned_abs();
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        // SplitMix64.
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    Digest::Sha256(bytes)
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
    while store.jobs.advance(MARKED_AT_ONCE).await.unwrap().is_some() {}
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
                scan_at_most: ScanLimit::PAGE,
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
