//! Opening, losing and finding again the database itself. Its migrations are in `migrations.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::error::Error as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::StoreError;
use stocktake_domain::{Model, RecordKey, TokenDigest};
use stocktake_testbed::{Certificate, PgCluster, postgres};
use tokio::runtime::{Builder, Runtime};

fn settings(url: &str) -> StoreSettings {
    let (timeout, host) = (Duration::from_secs(20), Arc::<ManualClock>::default());
    StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 4,
        thread_connections: 0,
        timeout,
        clock: StoreClock::Database { host },
    }
}

fn in_folder(folder: &Path) -> StoreSettings {
    settings(&format!("sqlite://{}/a/b/test.db", folder.display()))
}

async fn reads(store: &Store) -> Result<(), StoreError> {
    store.catalogue.get(Model::Uploads, &RecordKey::integer(1)).await.map(|_| ())
}

#[tokio::test]
async fn other_urls_are_refused_in_one_sentence_without_the_password() {
    for (url, text) in [
        ("mysql://u:secret@h/d", "a database URL begins with sqlite://, postgres:// or postgresql://"),
        ("nonsense", "a database URL begins with sqlite://, postgres:// or postgresql://"),
        ("sqlite://", "a SQLite URL is sqlite:// and the path of a file, without parameters"),
        ("sqlite://:memory:", "a SQLite URL is sqlite:// and the path of a file, without parameters"),
        ("postgres://u:secret@h:port/d", "the PostgreSQL URL cannot be read"),
        (
            "postgres://h/d?sslmode=x",
            "sslmode=x is not known: disable, allow, prefer, require, verify-ca or verify-full",
        ),
    ] {
        let StoreError::Internal(source) = open(&settings(url)).await.err().unwrap() else { panic!("{url}") };
        assert_eq!(source.to_string(), text);
        assert!(migrate(&settings(url)).await.is_err());
        assert!(!format!("{:?}", settings(url)).contains("secret"));
    }
}

#[tokio::test]
async fn an_unreachable_database_is_told_at_once() {
    let nobody = "postgres://nobody:secret@127.0.0.1:1/none";
    for outcome in [open(&settings(nobody)).await.map(|_| ()), migrate(&settings(nobody)).await.map(|_| ())] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)));
        let text = error.source().unwrap().to_string();
        assert!(text.starts_with("127.0.0.1:1/none: ") && !text.contains("secret"), "{text}");
    }
    let missing = postgres().url("there_is_none");
    assert!(matches!(open(&settings(&missing)).await, Err(StoreError::Unavailable(_))));
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = settings(&format!("sqlite://{}/test.db", file.path().display()));
    assert!(matches!(open(&below_a_file).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn an_encoding_that_cannot_keep_every_name_is_refused() {
    let cluster = postgres();
    let url = cluster.create_database().unwrap();
    let name = format!("{}_latin", url.rsplit('/').next().unwrap());
    let made =
        format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    cluster.sql(&cluster.url("postgres"), &made).unwrap();
    let refused = migrate(&settings(&cluster.url(&name))).await.unwrap_err().to_string();
    assert!(refused.contains("the encoding of this database is LATIN1"), "{refused}");
}

#[tokio::test]
async fn a_schema_that_is_not_current_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for settings in [in_folder(folder.path()), settings(&postgres().create_database().unwrap())] {
        let store = open(&settings).await.unwrap();
        let check = async |expected: &str| {
            let StoreError::Schema(text) = store.catalogue.check().await.unwrap_err() else { panic!() };
            assert_eq!(text, expected);
        };
        check("it was never migrated").await;
        assert!(migrate(&settings).await.unwrap().starts_with(&["0001_catalogue".to_owned()]));
        store.catalogue.check().await.unwrap();
        assert!(migrate(&settings).await.unwrap().is_empty());
        alter(&settings, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
        let newer =
            "migration 9999 is of a newer version of this program, which must be used for this database";
        check(newer).await;
        for outcome in [open(&settings).await.map(|_| ()), migrate(&settings).await.map(|_| ())] {
            assert!(matches!(outcome, Err(StoreError::Schema(text)) if text == newer));
        }
        alter(&settings, "DELETE FROM __diesel_schema_migrations");
        check("migration 0001 is pending").await;
    }
}

/// Runs a statement past the program.
fn alter(settings: &StoreSettings, statement: &str) {
    match settings.url.expose_secret().strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(statement).unwrap(),
        None => drop(postgres().sql(settings.url.expose_secret(), statement).unwrap()),
    }
}

#[tokio::test]
async fn two_processes_may_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for settings in [in_folder(folder.path()), settings(&postgres().create_database().unwrap())] {
        let starts: Vec<_> = (0..4)
            .map(|_| {
                let settings = settings.clone();
                tokio::spawn(async move { migrate(&settings).await.unwrap().len() })
            })
            .collect();
        let mut applied = Vec::new();
        for start in starts {
            applied.push(start.await.unwrap());
        }
        applied.sort_unstable();
        assert!(matches!(applied[..], [0, 0, 0, all] if all > 0), "{applied:?}");
        open(&settings).await.unwrap().catalogue.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_database_is_found_again() {
    let cluster = PgCluster::start().unwrap();
    let settings = settings(&cluster.create_database().unwrap());
    migrate(&settings).await.unwrap();
    let store = open(&settings).await.unwrap();
    let mut signal = store.queue.wake_signal();
    signal.wait().await;
    reads(&store).await.unwrap();
    // A connection that another kills, as an administrator would.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stocktake'";
    cluster.sql(settings.url.expose_secret(), kill).unwrap();
    assert!(matches!(reads(&store).await, Ok(()) | Err(StoreError::Unavailable(_))));
    reads(&store).await.unwrap();
    cluster.stop().unwrap();
    for _ in 0..3 {
        assert!(matches!(reads(&store).await, Err(StoreError::Unavailable(_))));
        let key = RecordKey::integer(1);
        let recalculated = store.queue.recalculate(Model::Uploads, &key).await;
        assert!(matches!(recalculated, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.catalogue.check().await, Err(StoreError::Unavailable(_))));
    }
    cluster.restart().unwrap();
    reads(&store).await.unwrap();
    store.catalogue.check().await.unwrap();
    // The listener comes back by itself, and says so.
    signal.wait().await;
}

#[tokio::test]
async fn a_call_that_waits_too_long_gives_up_and_harms_no_other() {
    let url = postgres().create_database().unwrap();
    let patient = settings(&url);
    migrate(&patient).await.unwrap();
    let hasty = StoreSettings { max_connections: 1, timeout: Duration::from_secs(3), ..patient };
    let store = open(&hasty).await.unwrap();
    // Somebody holds the table; the statement waits, then gives up, and its connection is not used again.
    let mut holder = postgres().command("psql");
    holder
        .arg(&url)
        .arg("--command")
        .arg("BEGIN; LOCK TABLE tokens; SELECT pg_advisory_lock(7); SELECT pg_sleep(60)");
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted";
    while postgres().sql(&url, held).unwrap() != "1" {
        tokio::task::yield_now().await;
    }
    assert!(matches!(store.tokens.list().await, Err(StoreError::Unavailable(_))));
    reads(&store).await.unwrap();
    let stop = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7";
    postgres().sql(&url, stop).unwrap();
    holder.wait().unwrap();
    assert!(store.tokens.list().await.unwrap().is_empty());
}

/// A migrated database, with settings under which the server calls the connections by a name of their own.
async fn named(cluster: &PgCluster, name: &str, thread_connections: u32) -> StoreSettings {
    let url = cluster.create_database().unwrap();
    migrate(&settings(&url)).await.unwrap();
    StoreSettings { thread_connections, ..settings(&format!("{url}?application_name={name}")) }
}

/// How many connections of this name the server has.
fn connections(cluster: &PgCluster, settings: &StoreSettings, name: &str) -> String {
    count(cluster, settings, &format!("application_name = '{name}'"))
}

/// How many of these have looked a record up at last.
fn that_looked_up(cluster: &PgCluster, settings: &StoreSettings, name: &str) -> String {
    count(cluster, settings, &format!("application_name = '{name}' AND query LIKE 'SELECT r.%'"))
}

fn count(cluster: &PgCluster, settings: &StoreSettings, condition: &str) -> String {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE {condition}");
    cluster.sql(without_name(settings), &count).unwrap()
}

fn without_name(settings: &StoreSettings) -> &str {
    settings.url.expose_secret().split('?').next().unwrap()
}

#[tokio::test]
async fn the_look_ups_of_a_thread_share_a_connection_which_is_made_anew() {
    let cluster = PgCluster::start().unwrap();
    let settings = named(&cluster, "sharing", 1).await;
    let store = open(&settings).await.unwrap();
    // That with which the database was opened, and that of the thread, which the first look-up does not wait for.
    while that_looked_up(&cluster, &settings, "sharing") != "2" {
        reads(&store).await.unwrap();
    }
    for read in join_all((0..100).map(|_| reads(&store))).await {
        read.unwrap();
    }
    assert_eq!(connections(&cluster, &settings, "sharing"), "2");
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sharing'";
    cluster.sql(without_name(&settings), kill).unwrap();
    // Each connection is found to be lost once.
    for _ in 0..2 {
        assert!(matches!(reads(&store).await, Ok(()) | Err(StoreError::Unavailable(_))));
    }
    while that_looked_up(&cluster, &settings, "sharing") != "2" {
        reads(&store).await.unwrap();
    }
    cluster.stop().unwrap();
    for _ in 0..3 {
        assert!(matches!(reads(&store).await, Err(StoreError::Unavailable(_))));
    }
    cluster.restart().unwrap();
    reads(&store).await.unwrap();
}

#[test]
fn threads_take_no_more_than_half_of_the_connections() {
    let cluster = PgCluster::start().unwrap();
    let main = Runtime::new().unwrap();
    let settings = main.block_on(named(&cluster, "halving", 9));
    let store = main.block_on(open(&settings)).unwrap();
    let new_thread = || Builder::new_current_thread().enable_all().build().unwrap();
    let thread_that_makes = |expected: &str| {
        let thread = new_thread();
        while that_looked_up(&cluster, &settings, "halving") != expected {
            thread.block_on(reads(&store)).unwrap();
        }
        thread
    };
    // Of four connections the pool has two, of which one is open since the beginning.
    let (first, _second) = (thread_that_makes("2"), thread_that_makes("3"));
    let third = new_thread();
    for read in third.block_on(join_all((0..9).map(|_| reads(&store)))) {
        read.unwrap();
    }
    assert_eq!(connections(&cluster, &settings, "halving"), "4");
    // A thread that ends makes room for another.
    drop((first, third));
    while connections(&cluster, &settings, "halving") != "2" {}
    thread_that_makes("3");
}

#[tokio::test]
async fn a_look_up_without_an_answer_leaves_its_connection() {
    let patient = named(postgres(), "leaving", 1).await;
    let hasty = StoreSettings { timeout: Duration::from_secs(3), ..patient };
    let url = without_name(&hasty);
    let store = open(&hasty).await.unwrap();
    while that_looked_up(postgres(), &hasty, "leaving") != "2" {
        reads(&store).await.unwrap();
    }
    let digest = TokenDigest([1; 32]);
    let mut holder = postgres().command("psql");
    holder
        .arg(url)
        .arg("--command")
        .arg("BEGIN; LOCK TABLE tokens; SELECT pg_advisory_lock(8); SELECT pg_sleep(60)");
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 8 AND granted";
    while postgres().sql(url, held).unwrap() != "1" {
        tokio::task::yield_now().await;
    }
    assert!(matches!(store.tokens.find(&digest).await, Err(StoreError::Unavailable(_))));
    // The server is still at that one, but another connection answers the next.
    reads(&store).await.unwrap();
    let stop = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 8";
    postgres().sql(url, stop).unwrap();
    holder.wait().unwrap();
    assert_eq!(store.tokens.find(&digest).await.unwrap(), None);
}

/// The rest of what a URL may say of TLS is tested where it is read, in `stocktake-net`.
#[tokio::test]
async fn the_url_decides_on_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "DNS:localhost").unwrap();
    let cluster = PgCluster::start().unwrap();
    cluster.enable_tls(&certificate).unwrap();
    let by_address = cluster.create_database().unwrap();
    let full = |url: &str| {
        settings(&format!("{url}?sslmode=verify-full&sslrootcert={}", certificate.authority.display()))
    };
    let by_name = full(&by_address.replace("127.0.0.1", "localhost"));
    assert!(!migrate(&by_name).await.unwrap().is_empty());
    let store = open(&by_name).await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'stocktake' AND ssl";
    assert_ne!(cluster.sql(&by_address, encrypted).unwrap(), "0");
    drop(store);
    // The certificate is not for the address.
    assert!(matches!(open(&full(&by_address)).await, Err(StoreError::Unavailable(_))));
}
