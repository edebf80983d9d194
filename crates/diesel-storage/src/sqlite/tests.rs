//! Time-outs and errors of a SQLite file.

use std::error::Error as _;

use diesel::sql_types::BigInt;
use futures_util::FutureExt as _;
use stocktake_domain::contract::ManualClock;

use super::*;
use crate::encryption::Encryption;
use crate::session::Reading as _;
use crate::settings::StoreClock;
use crate::sql::Sql;

/// Counts for seconds.
const LONG: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) \
    SELECT COUNT(*) FROM n";

async fn database(folder: &Path, timeout: Duration) -> Sqlite {
    let clock = StoreClock::Fixed(Arc::<ManualClock>::default());
    let settings = StoreSettings {
        url: String::new().into(),
        max_connections: 1,
        thread_connections: 0,
        timeout,
        clock,
        encryption: Encryption::default(),
    };
    Sqlite::open(folder.join("test.db"), &settings, Access::Full).await.unwrap()
}

async fn count(database: &Sqlite, work: Work, text: &'static str) -> Result<i64, StoreError> {
    database.run(work, move |session| session.one::<i64, _>(Sql::<BigInt>::new(text)).boxed()).await
}

async fn execute(database: &Sqlite, text: &'static str) -> Result<u64, StoreError> {
    database.run(Work::Write, move |session| session.execute(Sql::<()>::new(text)).boxed()).await
}

#[tokio::test]
async fn a_long_statement_is_given_up_and_its_connection_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), Duration::from_millis(100)).await;
    assert!(matches!(count(&database, Work::Read, LONG).await, Err(StoreError::Unavailable(_))));
    // The only connection for reading is busy until the statement ends; then it answers again.
    while count(&database, Work::Read, "SELECT 7").await.ok() != Some(7) {}
    assert!(matches!(count(&database, Work::Survey, LONG).await, Ok(4_000_000)));
}

#[tokio::test]
async fn nothing_of_a_call_given_up_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), Duration::from_millis(100)).await;
    execute(&database, "CREATE TABLE t (a)").await.unwrap();
    let given_up = database.run(Work::Write, |session| {
        async {
            session.execute(Sql::<()>::new("INSERT INTO t VALUES (1)")).await?;
            session.one::<i64, _>(Sql::<BigInt>::new(LONG)).await
        }
        .boxed()
    });
    assert!(matches!(given_up.await, Err(StoreError::Unavailable(_))));
    while execute(&database, "INSERT INTO t VALUES (2)").await.is_err() {}
    assert_eq!(count(&database, Work::Read, "SELECT SUM(a) FROM t").await.unwrap(), 2);
}

/// The sentence of an error, and whether trying again can help.
fn told(file: &Path, outcome: Result<impl Sized, StoreError>) -> (String, bool) {
    let error = outcome.err().unwrap();
    let text = error.source().unwrap().to_string();
    let rest = text.strip_prefix(&format!("{}: ", file.display())).unwrap();
    (rest.to_owned(), matches!(error, StoreError::Unavailable(_)))
}

#[tokio::test]
async fn each_fault_of_a_file_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = database(folder.path(), Duration::from_millis(50)).await;
    execute(&database, "CREATE TABLE t (a)").await.unwrap();
    let other = SqliteSession::new(
        connect::open_first(&Handle::current(), file.clone(), Duration::from_secs(1), Access::Full)
            .await
            .unwrap(),
    );
    let mut other = other.unwrap();
    other.execute(Sql::<()>::new("BEGIN IMMEDIATE")).await.unwrap();
    // Not by the deadline of an ordinary call, which is as long as the wait for the lock.
    let busy = database.run(Work::Import, |session| session.execute(Sql::<()>::new("DELETE FROM t")).boxed());
    let busy = told(&file, busy.await);
    assert_eq!(busy, ("another process keeps the database locked".to_owned(), true));
    other.execute(Sql::<()>::new("ROLLBACK")).await.unwrap();
    let import = async |first: &'static str| {
        let task = database.run(Work::Import, move |session| {
            async move {
                session.load::<i64, _>(Sql::<BigInt>::new(first)).await?;
                session.execute(Sql::<()>::new("INSERT INTO t VALUES (zeroblob(1000000))")).await
            }
            .boxed()
        });
        told(&file, task.await)
    };
    let (sentence, passing) = import("PRAGMA max_page_count = 10").await;
    assert_eq!((sentence.as_str(), passing), ("the database has reached its largest size", true));
    let (sentence, passing) = import("PRAGMA query_only = 1").await;
    assert!(sentence.starts_with("the database is read-only") && !passing, "{sentence}");
}

#[tokio::test]
async fn a_damaged_file_and_another_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    std::fs::write(&file, "no database, but long enough to be looked at: ".repeat(100)).unwrap();
    let opened =
        connect::open_first(&Handle::current(), file.clone(), Duration::from_secs(1), Access::Full).await;
    assert_eq!(told(&file, opened), ("the file is no SQLite database".to_owned(), false));
    std::fs::remove_file(&file).unwrap();
    let whole = database(folder.path(), Duration::from_secs(10)).await;
    execute(&whole, "CREATE TABLE t (a)").await.unwrap();
    execute(&whole, "INSERT INTO t VALUES (zeroblob(100000))").await.unwrap();
    count(&whole, Work::Read, "PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    drop(whole);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.get_mut(4096..).unwrap().fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let damaged = database(folder.path(), Duration::from_secs(10)).await;
    let outcome = count(&damaged, Work::Read, "SELECT COUNT(*) FROM t").await;
    let (sentence, passing) = told(&file, outcome);
    assert!(
        sentence.starts_with("the database is damaged: `PRAGMA integrity_check`") && !passing,
        "{sentence}"
    );
}

#[tokio::test]
async fn a_transaction_that_sqlite_rolled_back_itself_costs_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), Duration::from_secs(10)).await;
    execute(&database, "CREATE TABLE t (a PRIMARY KEY ON CONFLICT ROLLBACK)").await.unwrap();
    execute(&database, "INSERT INTO t VALUES (1)").await.unwrap();
    for _ in 0..3 {
        let refused = execute(&database, "INSERT INTO t VALUES (2), (1)").await.err().unwrap();
        let cause = refused.source().unwrap().to_string();
        assert!(cause.contains("UNIQUE constraint failed"), "{cause}");
    }
    execute(&database, "INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!(count(&database, Work::Read, "SELECT SUM(a) FROM t").await.unwrap(), 4);
}

/// SQLite keeps what a statement of a transaction may have to undo; in a file, once it is more than a number that
/// `.cargo/config.toml` gives.
#[tokio::test]
async fn a_statement_may_change_any_number_of_pages() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), Duration::from_secs(10)).await;
    execute(&database, "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE, c)").await.unwrap();
    for (added, rows) in
        [("n.i < 20", 20), ("n.i < 40", 40), ("n.i < 100", 100), ("n.i < 300", 300), ("n.i < 3000", 3_000)]
    {
        let changed = database.run(Work::Write, move |session| {
            async move {
                let add = format!(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE {added}) \
                     INSERT OR REPLACE INTO t SELECT i, i, zeroblob(3000) FROM n"
                );
                session.execute(Sql::<()>::new(add)).await?;
                session.execute(Sql::<()>::new("UPDATE t SET b = b + 10000, c = zeroblob(3001)")).await
            }
            .boxed()
        });
        assert_eq!(changed.await.unwrap(), rows);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_noticed_without_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = database(folder.path(), Duration::from_secs(10)).await;
    database.check_writable().await.unwrap();
    // What was seen is believed for a while.
    *database.writable.lock().await = Some((Instant::now(), Some("x: the disk is full".to_owned())));
    assert_eq!(
        database.check_writable().await.err().unwrap().source().unwrap().to_string(),
        "x: the disk is full"
    );
    *database.writable.lock().await = None;
    std::fs::remove_file(&file).unwrap();
    let gone = database.check_writable().await.err().unwrap();
    let replaced =
        format!("{} was replaced or removed while it was open: start this program anew", file.display());
    assert_eq!(gone.source().unwrap().to_string(), replaced);
    // Another file in its place is none that this program may go on with.
    std::fs::write(&file, "").unwrap();
    for work in [Work::Read, Work::Write] {
        let refused = count(&database, work, "SELECT 1").await.err().unwrap();
        assert_eq!(refused.source().unwrap().to_string(), replaced, "{work:?}");
    }
}
