//! The migrations: reversible on both databases, with what is in the tables.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use stocktake_diesel_storage::{Encryption, StoreClock, StoreSettings, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::{Digest, Failure, JobState, Metadata, Model, RecordKey, State, Timestamp};
use stocktake_testbed::postgres;

/// A migration's name, and its two files.
struct Migration {
    name: String,
    up: String,
    down: String,
}

/// All migrations of a database, in their order.
fn migrations(database: &str) -> Vec<Migration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let mut found: Vec<Migration> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let read = |file: &str| fs::read_to_string(path.join(file)).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            Migration { up: read("up.sql"), down: read("down.sql"), name }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= 5);
    found
}

/// A database that statements are run in past the program.
enum Raw {
    Sqlite(SqliteConnection, String),
    Postgres(String),
}

#[derive(QueryableByName)]
struct Definition {
    #[diesel(sql_type = sql_types::Text)]
    sql: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

impl Raw {
    fn sqlite(folder: &Path) -> Self {
        let path = format!("{}/test.db", folder.display());
        Self::Sqlite(SqliteConnection::establish(&path).unwrap(), format!("sqlite://{path}"))
    }

    fn postgres() -> Self {
        Self::Postgres(postgres().create_database().unwrap())
    }

    fn url(&self) -> &str {
        match self {
            Self::Sqlite(_, url) | Self::Postgres(url) => url,
        }
    }

    fn migrations(&self) -> Vec<Migration> {
        migrations(match self {
            Self::Sqlite(..) => "sqlite",
            Self::Postgres(_) => "postgres",
        })
    }

    fn run(&mut self, statements: &str) {
        match self {
            Self::Sqlite(connection, _) => connection.batch_execute(statements).unwrap(),
            Self::Postgres(url) => drop(postgres().sql(url, statements).unwrap()),
        }
    }

    /// How many records match.
    fn count(&mut self, condition: &str) -> i64 {
        let query = format!("SELECT count(*) AS count FROM records WHERE {condition}");
        match self {
            Self::Sqlite(connection, _) => sql_query(query).get_result::<Count>(connection).unwrap().count,
            Self::Postgres(url) => postgres().sql(url, &query).unwrap().parse().unwrap(),
        }
    }

    /// Bytes, given in hexadecimal.
    fn bytes(&self, hex: &str) -> String {
        match self {
            Self::Sqlite(..) => format!("x'{hex}'"),
            Self::Postgres(_) => format!("'\\x{hex}'"),
        }
    }

    /// All definitions of the schema.
    fn schema(&mut self) -> String {
        match self {
            Self::Sqlite(connection, _) => {
                let query = sql_query(
                    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY name",
                );
                let definitions: Vec<Definition> = query.load(connection).unwrap();
                // Renaming a table puts its name into quotation marks.
                definitions.into_iter().map(|found| found.sql.replace('"', "") + "\n").collect()
            }
            Self::Postgres(url) => {
                let mut dump = postgres().command("pg_dump");
                let output = dump.args(["--schema-only", "--no-owner", url]).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let text = String::from_utf8(output.stdout).unwrap();
                // Each dump has a token of its own in its first and last lines.
                let lines = text.lines().filter(|line| !line.contains("restrict"));
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// Each migration up; each down again leaves the schema there was before it, and up again the one after it.
fn are_reversible(mut database: Raw) {
    let mut schemas = vec![database.schema()];
    let migrations = database.migrations();
    for migration in &migrations {
        database.run(&migration.up);
        schemas.push(database.schema());
    }
    assert!(schemas.last().unwrap().contains("sync_states"));
    for (migration, around) in migrations.iter().zip(schemas.windows(2)).rev() {
        let [before, after] = around else { panic!("two schemas") };
        assert_ne!(before, after, "{}", migration.name);
        for (statements, expected) in
            [(&migration.down, before), (&migration.up, after), (&migration.down, before)]
        {
            database.run(statements);
            assert_eq!(database.schema(), *expected, "{}", migration.name);
        }
    }
}

#[test]
fn migrations_of_sqlite_are_reversible() {
    let folder = tempfile::tempdir().unwrap();
    are_reversible(Raw::sqlite(folder.path()));
}

#[test]
fn migrations_of_postgres_are_reversible() {
    are_reversible(Raw::postgres());
}

fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 1,
        thread_connections: 0,
        timeout: Duration::from_secs(20),
        clock: StoreClock::Fixed(Arc::<ManualClock>::default()),
    }
}

/// Inserts a record in the state `state`, with the columns that there were after `0004_names`.
fn insert(database: &mut Raw, number: usize, state: u8, more: &str) {
    let (key, digest) =
        (database.bytes(&format!("80000000000000{number:02x}")), database.bytes(&"09".repeat(16)));
    database.run(&format!(
        "INSERT INTO records (model, key, storage, path, created_at, file_size, expected, rule, mutable, accepted, \
         owner, source_checksum, content_changed_at, from_source, state, failed_at, retry_count, attempt, due_at, \
         retry_at, failure_kind, failure, calculated, baseline, baseline_at, matches_source) VALUES (19, {key}, 's', \
         'p', 1, 2, {digest}, 'length:1', TRUE, TRUE, 'group/project', {digest}, 3, TRUE, {state}, 7, 1, 5, {more})"
    ));
}

/// Runs all up to the fourth, then `fill`, then all others up, `check`, down to the fourth and up again.
async fn around_records(
    mut database: Raw,
    fill: fn(&mut Raw),
    check: impl AsyncFn(&mut Raw),
    restored: fn(&mut Raw),
) {
    let migrations = database.migrations();
    let (old, new) = migrations.split_at(4);
    for migration in old {
        database.run(&migration.up);
    }
    fill(&mut database);
    for migration in new {
        database.run(&migration.up);
    }
    check(&mut database).await;
    new.iter().rev().for_each(|migration| database.run(&migration.down));
    restored(&mut database);
    for migration in new {
        database.run(&migration.up);
    }
    check(&mut database).await;
}

/// A record in each state, with a value in every column that its state lets one have.
fn fill_states(database: &mut Raw) {
    let digest = database.bytes(&"09".repeat(16));
    for (state, more) in [
        (0, format!("4, NULL, NULL, NULL, NULL, {digest}, 6, FALSE")),
        (2, format!("NULL, NULL, NULL, NULL, NULL, {digest}, 6, FALSE")),
        (3, format!("NULL, 8, 2, 'Error during verification: bad', {digest}, {digest}, 6, NULL")),
        (4, "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL".to_owned()),
    ] {
        insert(database, usize::from(state), state, &more);
    }
}

#[tokio::test]
async fn records_of_every_state_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for database in [Raw::sqlite(folder.path()), Raw::postgres()] {
        let kept = |database: &mut Raw| {
            let digest = database.bytes(&"09".repeat(16));
            let rest =
                "rule = 'length:1' AND mutable AND attempt = 5 AND failed_at = 7 AND content_changed_at = 3";
            assert_eq!(database.count(&format!("{rest} AND source_checksum = {digest}")), 4);
            assert_eq!(database.count(&format!("baseline = {digest} AND baseline_at = 6")), 3);
            assert_eq!(database.count("retry_at = 8 AND failure_kind = 2"), 1);
        };
        around_records(database, fill_states, async |database| kept(database), |_| ()).await;
    }
}

#[tokio::test]
async fn records_that_are_there_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for database in [Raw::sqlite(folder.path()), Raw::postgres()] {
        let counted = async |database: &mut Raw| {
            let store = open(&settings(database.url())).await.unwrap();
            assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
            let [uploads] = &store.catalogue.summary().await.unwrap()[..] else { panic!("one model") };
            assert_eq!((uploads.states.len(), uploads.bytes, uploads.mismatched), (4, 8, 1));
            assert_eq!(uploads.oldest_success, Some(Timestamp::from_millis(6)));
        };
        around_records(database, fill_states, counted, |_| ()).await;
    }
}

/// Without marks, what is marked is due by its row. A job about a whole model that wrote records begins anew, with a mark.
#[tokio::test]
async fn what_is_marked_stays_pending() {
    let folder = tempfile::tempdir().unwrap();
    for mut database in [Raw::sqlite(folder.path()), Raw::postgres()] {
        let migrations = database.migrations();
        let place = migrations.iter().position(|migration| migration.name == "0032_marks").unwrap();
        migrations.iter().take(4).for_each(|migration| database.run(&migration.up));
        fill_states(&mut database);
        database.run("UPDATE records SET failed_at = NULL WHERE state = 2");
        migrations.iter().take(place).skip(4).for_each(|migration| database.run(&migration.up));
        database.run(
            "INSERT INTO jobs (model, requested_by, state, marked, created_at, started_at) VALUES (19, 'me', 1, 3, 1, 2)",
        );
        let marks = migrations.get(place).unwrap();
        database.run(&marks.up);
        let (none, all) = (database.bytes(""), database.bytes("ffff"));
        database.run(&format!(
            "INSERT INTO marks (model, number, came_at) VALUES (19, 7, 50); \
             INSERT INTO mark_ranges (model, storage, first_key, end_key, mixed) VALUES (19, 's', {none}, {all}, FALSE)"
        ));
        let is_pending = async |database: &Raw, succeeded| {
            let store = open(&settings(database.url())).await.unwrap();
            assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
            let [uploads] = &store.catalogue.summary().await.unwrap()[..] else { panic!("one model") };
            let of = |state| uploads.states.iter().find(|(of, _)| *of == state).map(|(_, count)| *count);
            assert_eq!((of(State::Pending), of(State::Succeeded)), (Some(2), None));
            assert_eq!(uploads.oldest_success, succeeded);
            let [job] = &store.jobs.open().await.unwrap()[..] else { panic!("one job") };
            assert_eq!((job.state, job.marked, job.started_at), (JobState::Queued, 0, None));
        };
        is_pending(&database, Some(Timestamp::from_millis(6))).await;
        database.run(&marks.down);
        assert_eq!(database.count("state = 0 AND due_at = 50 AND baseline_at = 6"), 1);
        assert_eq!(database.count("state = 2"), 0);
        database.run(&marks.up);
        is_pending(&database, None).await;
    }
}

/// A record that is changed past the program: PostgreSQL counts it all the same, SQLite refuses the change.
#[tokio::test]
async fn no_record_is_changed_without_being_counted() {
    let folder = tempfile::tempdir().unwrap();
    for database in [Raw::sqlite(folder.path()), Raw::postgres()] {
        let changed = async |database: &mut Raw| {
            let statements =
                ["UPDATE records SET storage = 't' WHERE state = 2", "DELETE FROM records WHERE state = 3"];
            for statement in statements {
                match database {
                    Raw::Sqlite(connection, _) => {
                        let refused = connection.batch_execute(statement).unwrap_err().to_string();
                        assert!(refused.contains("count_record"), "{refused}");
                    }
                    Raw::Postgres(url) => drop(postgres().sql(url, statement).unwrap()),
                }
                let store = open(&settings(database.url())).await.unwrap();
                assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
            }
            if let Raw::Postgres(url) = database {
                postgres().sql(url, "TRUNCATE records").unwrap();
                let store = open(&settings(url)).await.unwrap();
                assert_eq!(store.catalogue.summary().await.unwrap(), []);
            }
        };
        let mut database = database;
        let migrations = database.migrations();
        let (old, new) = migrations.split_at(4);
        for migration in old {
            database.run(&migration.up);
        }
        fill_states(&mut database);
        for migration in new {
            database.run(&migration.up);
        }
        changed(&mut database).await;
    }
}

/// The partitions are new tables: who could read the records can read them, before and after.
#[test]
fn grants_stay_with_the_records() {
    let mut database = Raw::postgres();
    let migrations = database.migrations();
    let place = migrations.iter().position(|migration| migration.name == "0031_partitions").unwrap();
    let (old, new) = migrations.split_at(place);
    for migration in old {
        database.run(&migration.up);
    }
    database.run("GRANT SELECT, UPDATE ON records TO PUBLIC");
    let mut granted = |place: &str, statements: &str| {
        database.run(statements);
        let query =
            format!("SELECT array_to_string(relacl, ' ') FROM pg_class WHERE oid = '{place}'::regclass");
        let granted = postgres().sql(database.url(), &query).unwrap();
        assert!(granted.contains(" =rw/"), "{place}: {granted}");
    };
    granted("records", "");
    let [partitions, ..] = new else { panic!("the migration") };
    granted("records", &partitions.up);
    granted("records_7", "");
    granted("records", &partitions.down);
}

/// A failure that was kept as a text: the digest found and our own last one, in hexadecimal, as far as they were kept.
struct Kept {
    failure: Failure,
    calculated: Option<String>,
    baseline: Option<String>,
    /// What comes back, where that is more than there was.
    restored: Option<String>,
}

impl Kept {
    fn new(failure: Failure) -> Self {
        Self { failure, calculated: None, baseline: None, restored: None }
    }

    fn mismatch(expected: Digest, found: Digest, calculated: &str) -> Self {
        let calculated = Some(calculated.to_owned());
        Self { calculated, ..Self::new(Failure::checksum_mismatch(expected, found)) }
    }

    fn changed(was: Digest, is: Digest, baseline: &str, calculated: &str) -> Self {
        let since = Timestamp::from_millis(1_738_754_830_173);
        Self {
            baseline: Some(baseline.to_owned()),
            calculated: Some(calculated.to_owned()),
            ..Self::new(Failure::content_changed(since, was, is))
        }
    }

    /// The same, from before the digest found was kept.
    fn older(self) -> Self {
        Self { restored: self.calculated, calculated: None, ..self }
    }
}

/// Failures of every cause, also such whose text was cut.
fn failures() -> Vec<Kept> {
    let gitaly = |byte: u8| Digest::Gitaly(std::array::from_fn(|index| if index < 2 { 0 } else { byte }));
    let size = |bytes| Digest::Metadata(Metadata::Size(bytes));
    let (sha, md5, hex) = (|byte| Digest::Sha256([byte; 32]), |byte| Digest::Md5([byte; 16]), str::repeat);
    vec![
        Kept::new(Failure::missing_file("a b/c's, calculated x")),
        Kept::new(Failure::missing_file(&format!("{}/end", "é".repeat(400)))),
        Kept::new(Failure::missing_repository()),
        Kept::mismatch(sha(1), sha(2), &hex("02", 32)),
        Kept::mismatch(Digest::Sha1([1; 20]), Digest::Sha1([2; 20]), &hex("02", 20)),
        Kept::mismatch(md5(1), md5(2), &hex("02", 16)).older(),
        Kept::mismatch(md5(1), Digest::Metadata(Metadata::Md5([3; 16])), &format!("02{}", hex("03", 16))),
        Kept::mismatch(sha(1), Digest::Metadata(Metadata::Sha256([3; 32])), &format!("02{}", hex("03", 32))),
        Kept::new(Failure::size_mismatch(12, 3)),
        Kept::changed(sha(1), sha(2), &hex("01", 32), &hex("02", 32)),
        Kept::changed(md5(1), md5(2), &hex("01", 16), &hex("02", 16)).older(),
        Kept::changed(size(123), size(4567), "02000000000000007b", "0200000000000011d7"),
        Kept::changed(
            gitaly(1),
            gitaly(2),
            &format!("010000{}", hex("01", 18)),
            &format!("010000{}", hex("02", 18)),
        ),
        Kept::new(Failure::altered("object 12: expected one, found another")),
        Kept::new(Failure::altered(&"ü".repeat(400))),
        Kept::new(Failure::unreadable("a line\nand another")),
        Kept::new(Failure::unreadable("Size mismatch: expected 1 bytes, found 2")),
        Kept::new(Failure::invalid("the path leaves its storage")),
        Kept::new(Failure::timed_out(Duration::from_secs(30_600))),
    ]
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn kind_code(failure: &Failure) -> usize {
    let names = ["missing", "altered", "unreadable", "invalid", "timed_out"];
    names.iter().position(|name| *name == failure.kind().name()).unwrap() + 1
}

fn fill_failures(database: &mut Raw) {
    for (number, kept) in failures().iter().enumerate() {
        let bytes =
            |hex: &Option<String>| hex.as_deref().map_or("NULL".to_owned(), |hex| database.bytes(hex));
        let (calculated, baseline) = (bytes(&kept.calculated), bytes(&kept.baseline));
        let (kind, text) = (kind_code(&kept.failure), quoted(&kept.failure.text()));
        let at = if kept.baseline.is_some() { "6" } else { "NULL" };
        insert(
            database,
            number,
            3,
            &format!("NULL, 8, {kind}, {text}, {calculated}, {baseline}, {at}, NULL"),
        );
    }
    // Not a text of ours: it stays, though nothing is known of it.
    insert(database, 99, 3, "NULL, 8, 2, 'bad', NULL, NULL, NULL, NULL");
}

/// Reads them through the port.
async fn failures_are_known(database: &mut Raw) {
    let store = open(&settings(database.url())).await.unwrap();
    let read = async |number: usize| {
        let key = RecordKey::integer(i64::try_from(number).unwrap());
        let record = store.catalogue.get(Model::Uploads, &key).await.unwrap().unwrap();
        record.status.failure().cloned().unwrap()
    };
    for (number, kept) in failures().into_iter().enumerate() {
        assert_eq!(read(number).await, kept.failure);
    }
    assert_eq!(read(99).await, Failure::altered("bad"));
}

fn texts_are_back(database: &mut Raw) {
    for (number, kept) in failures().iter().enumerate() {
        let key = database.bytes(&format!("80000000000000{number:02x}"));
        let calculated = kept.restored.as_ref().or(kept.calculated.as_ref());
        let calculated = calculated.map_or("NULL".to_owned(), |hex| database.bytes(hex));
        let (kind, text) = (kind_code(&kept.failure), quoted(&kept.failure.text()));
        let condition = format!(
            "key = {key} AND failure_kind = {kind} AND failure = {text} \
             AND calculated IS NOT DISTINCT FROM {calculated}"
        );
        assert_eq!(database.count(&condition), 1, "{condition}");
    }
    assert_eq!(database.count("failure = 'Error during verification: bad'"), 1);
}

#[tokio::test]
async fn texts_of_failures_become_causes_and_texts_again() {
    let folder = tempfile::tempdir().unwrap();
    for database in [Raw::sqlite(folder.path()), Raw::postgres()] {
        around_records(database, fill_failures, failures_are_known, texts_are_back).await;
    }
}
