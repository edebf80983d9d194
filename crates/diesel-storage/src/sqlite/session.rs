//! Queries on a SQLite connection, and its own SQL. It locks no rows: a transaction that writes is alone.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::Instant;

use diesel::connection::SimpleConnection as _;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult};
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};
use stocktake_domain::{PathGlob, Timestamp};

use super::counts::Changes;
use crate::columns::{Kind, Row, Table, Visitor, all_of, list_of};
use crate::dialect::{Dialect, Index, Lock, RECORDS_OF_EVERY_MODEL};
use crate::error::DbError;
use crate::jobs::push_queued;
use crate::mark::Mark;
use crate::rows::{
    JobRow, LeaseRow, NewJobRow, ON_STAGED_KEY, RecordRow, ResultRow, SUCCEEDED, Seen, StagedRow,
};
use crate::schema::jobs;
use crate::session::{Command, Marking, Reading, Rows, Session, Step, Task};
use crate::span::Span;
use crate::sql::Sql;

/// A connection, and until when what runs on it may begin another statement or commit.
pub(crate) struct SqliteSession {
    connection: SqliteConnection,
    deadline: Option<Instant>,
    counts: Changes,
    /// Whether a statement failed that had changed records: what was noted of it cannot be told apart any more.
    is_broken: bool,
}

impl SqliteSession {
    /// A session on this connection.
    pub(super) fn new(mut connection: SqliteConnection) -> Result<Self, DbError> {
        let counts = Changes::register(&mut connection)?;
        Ok(Self { connection, deadline: None, counts, is_broken: false })
    }

    /// Gives all that runs from now on this deadline.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Runs a task in a transaction that writes, from its beginning on.
    pub(super) async fn transaction<R: Send>(&mut self, task: impl Task<Self, R>) -> Result<R, DbError> {
        self.connection.batch_execute("BEGIN IMMEDIATE")?;
        self.is_broken = false;
        self.counts.begin();
        let done = task(self).await.and_then(|done| self.write_counts().map(|()| done));
        let done = done.and_then(|done| self.in_time().map(|()| done));
        self.counts.end();
        end_transaction(&mut self.connection, done)
    }

    /// Runs a task that only reads, all of it as the database is at one moment.
    pub(super) async fn snapshot<R: Send>(&mut self, task: impl Task<Self, R>) -> Result<R, DbError> {
        self.connection.batch_execute("BEGIN")?;
        let done = task(self).await;
        end_transaction(&mut self.connection, done)
    }

    fn write_counts(&mut self) -> Result<(), DbError> {
        if self.is_broken {
            return Err(DbError::data("a statement that wrote records failed, and its transaction went on"));
        }
        Ok(self.counts.write(&mut self.connection)?)
    }

    /// Runs statements, at once: the future is ready.
    fn run<R>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<R>,
    ) -> Ready<Result<R, DbError>> {
        if let Err(late) = self.in_time() {
            return ready(Err(late));
        }
        let before = self.counts.reported();
        let done = work(&mut self.connection);
        self.is_broken |= done.is_err() && self.counts.reported() > before;
        ready(done.map_err(DbError::from))
    }

    fn in_time(&self) -> Result<(), DbError> {
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => {
                Err(DbError::Unavailable("the time for an answer of the database is over".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl Dialect for SqliteSession {
    fn records(_model: i16) -> Cow<'static, str> {
        Cow::Borrowed(RECORDS_OF_EVERY_MODEL)
    }

    // CROSS JOIN keeps the order of the join. The sign before `l.model` takes its affinity away, with which it
    // would not be looked up in an index on an expression.
    fn held(model: Option<i16>) -> String {
        let of_model = model.map(|model| format!(" AND l.model = {model}")).unwrap_or_default();
        format!(
            " FROM (SELECT r.* FROM leases l CROSS JOIN records AS r INDEXED BY records_in_queue \
             ON r.model + 0 = +l.model AND r.storage = l.storage AND r.key >= l.first_key AND r.key <= l.last_key \
             AND r.due_at IS NOT NULL AND r.due_at >= l.due_from AND r.due_at <= l.claimed_at WHERE TRUE{of_model} \
             UNION ALL SELECT r.* FROM leases l CROSS JOIN marks k \
             ON k.model = l.model AND k.came_at >= l.due_from AND k.came_at <= l.claimed_at \
             CROSS JOIN records AS r INDEXED BY records_in_storage \
             ON r.model - 0 = +l.model AND r.storage = l.storage AND r.key >= l.first_key AND r.key <= l.last_key \
             WHERE r.state = {SUCCEEDED} AND r.answers < k.number{of_model}) AS r WHERE TRUE"
        )
    }

    fn in_storage(_model: i16) -> String {
        " FROM records AS r INDEXED BY records_in_storage WHERE r.model - 0 = ? AND r.storage = ?".to_owned()
    }

    const KEY_IN: (&'static str, &'static str) = (" r.model = ? AND r.key IN (", ")");

    const MERGES: bool = true;

    const LOT: &'static str = "abs(random() % 1000000)";

    const POSITION: &'static str = "instr";

    const COUNTS: &'static str = "record_counts";

    const OLDEST_SUCCESSES: &'static str = "SELECT c.model, c.storage, (SELECT s.oldest FROM success_slots s \
        WHERE s.model = c.model AND s.storage = c.storage ORDER BY s.slot LIMIT 1) AS oldest \
        FROM record_counts c WHERE c.state = 2 AND c.failure_kind = 0 AND c.records > 0";

    fn push_path_matches<T>(sql: Sql<T>, path: &PathGlob) -> Sql<T> {
        sql.push(super::glob::MATCHES).bind(path.as_str().to_owned())
    }

    fn indexed_by(index: Index) -> &'static str {
        match index {
            Index::ByState => " INDEXED BY records_by_state",
            Index::InQueue => " INDEXED BY records_in_queue",
            Index::InStorage => " INDEXED BY records_in_storage",
            Index::ToRetry => " INDEXED BY records_to_retry",
            Index::Mismatched => " INDEXED BY records_mismatched",
            Index::Findings => " INDEXED BY records_findings",
            Index::Failing => " INDEXED BY records_failing",
            Index::ByChecksum => " INDEXED BY records_by_checksum",
            Index::WithKeyData => " INDEXED BY records_with_key_data",
        }
    }

    fn locking(_lock: Lock) -> &'static str {
        ""
    }

    fn push_each_of_page<T>(sql: Sql<T>, model: i16) -> Sql<T> {
        sql.push(" CROSS JOIN records AS r ON r.model = ? AND r.key = m.key").bind(model)
    }

    /// The keys go as JSON, because SQLite has no arrays.
    fn push_with_keys<T>(sql: Sql<T>, model: i16, keys: &[Vec<u8>]) -> Sql<T> {
        let quoted: Vec<String> = keys.iter().map(|key| format!("\"{}\"", hex::encode(key))).collect();
        let sql = sql.push(
            " FROM json_each(?) AS wanted CROSS JOIN records AS r \
             ON r.model = ? AND r.key = unhex(wanted.value) WHERE TRUE",
        );
        sql.bind(format!("[{}]", quoted.join(","))).bind(model)
    }
}

impl Reading for SqliteSession {
    fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> impl Step<Vec<R>> {
        self.run(|connection| query.load(connection))
    }
}

impl Session for SqliteSession {
    fn execute<Q: Command>(&mut self, statement: Q) -> impl Step<u64> {
        self.run(|connection| statement.execute(connection).map(count))
    }

    fn server_time(&mut self) -> impl Step<Option<Timestamp>> {
        ready(Ok(None))
    }

    fn is_migrated(&mut self) -> impl Step<bool> {
        self.one(Sql::<Bool>::new(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__diesel_schema_migrations')",
        ))
    }

    fn lock_imports(&mut self, _model: i16) -> impl Step<()> {
        // A transaction that writes is alone. So it is with the next ones.
        ready(Ok(()))
    }

    fn lock_marking(&mut self, _model: i16, _marking: Marking) -> impl Step<()> {
        ready(Ok(()))
    }

    fn hold_claims(&mut self, _model: Option<i16>, _storage: Option<String>) -> impl Step<()> {
        ready(Ok(()))
    }

    fn lock_records(
        &mut self,
        _model: i16,
        _keys: Vec<Vec<u8>>,
    ) -> impl Step<Option<Vec<(RecordRow, Seen)>>> {
        ready(Ok(None))
    }

    fn lock_span(&mut self, _model: i16, _storage: Option<String>, _span: Span) -> impl Step<()> {
        ready(Ok(()))
    }

    fn keep_clear_of_new_leases(&mut self, _model: i16, _known: Vec<i64>, _now: i64) -> impl Step<()> {
        ready(Ok(()))
    }

    fn write_results(
        &mut self,
        lease: &LeaseRow,
        results: Vec<ResultRow>,
        mark: Option<Mark>,
    ) -> impl Step<u64> {
        self.run(|connection| super::results::write(connection, lease, &results, mark).map(count))
    }

    fn add_records(&mut self, records: Vec<RecordRow>) -> impl Step<()> {
        self.run(|connection| insert_all::<_, New>(connection, &records))
    }

    fn write_records(&mut self, records: Vec<RecordRow>) -> impl Step<()> {
        self.run(|connection| insert_all::<_, Replacing>(connection, &records))
    }

    fn create_staged(&mut self) -> impl Step<()> {
        let columns = list_of(&StagedRow::columns(), |column| {
            let constraint = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{constraint}", column.name, column.sqlite)
        });
        let (table, key) = (StagedRow::NAME, StagedRow::KEY.join(", "));
        let text =
            format!("CREATE TEMPORARY TABLE {table} ({columns}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID");
        self.run(|connection| connection.batch_execute(&text))
    }

    fn stage(&mut self, entries: Vec<StagedRow>) -> impl Step<()> {
        self.run(|connection| {
            // Within the transaction of an import, too.
            connection.batch_execute("SAVEPOINT staging")?;
            let done = insert_all::<_, Staging>(connection, &entries);
            let end = if done.is_ok() { "RELEASE staging" } else { "ROLLBACK TO staging; RELEASE staging" };
            done.and(connection.batch_execute(end))
        })
    }

    fn gather_statistics(&mut self, _model: i16, _added: u64) -> impl Step<()> {
        // The statements name their index.
        ready(Ok(()))
    }

    fn fold_counts(&mut self) -> impl Step<()> {
        // They are written with each change.
        ready(Ok(()))
    }

    fn announce_work(&mut self) -> impl Step<()> {
        // Other processes look at `PRAGMA data_version`.
        ready(Ok(()))
    }

    fn enqueue(&mut self, job: NewJobRow, now: Timestamp) -> impl Step<JobRow> {
        self.run(|connection| {
            let same = push_queued::<Self, _>(Sql::<BigInt>::new(""), &job).load(connection)?;
            if let Some(id) = same.into_iter().next() {
                return jobs::table.find::<i64>(id).select(all_of::<JobRow>()).first(connection);
            }
            let made = (job, jobs::created_at.eq(now.millis()));
            diesel::insert_into(jobs::table).values(made).returning(all_of::<JobRow>()).get_result(connection)
        })
    }
}

/// Commits what has been done, or rolls it back. By hand, because SQLite itself rolls back when a disk is full, and
/// Diesel then reports that there is nothing to roll back, and uses the connection no more.
fn end_transaction<R, E: From<Error>>(connection: &mut SqliteConnection, done: Result<R, E>) -> Result<R, E> {
    let ended = done.and_then(|done| Ok(connection.batch_execute("COMMIT").map(|()| done)?));
    if ended.is_err() {
        // What is reported is the first failure, not that of the rollback.
        let _ = connection.batch_execute("ROLLBACK");
    }
    ended
}

/// Rows that one statement inserts, where there are so many: it is found, bound and reset once for all of them.
const INSERTED_AT_ONCE: usize = 16;

/// How rows are inserted.
trait Insertion: 'static {
    /// What the statement begins with.
    const BEGINNING: &'static str;

    /// What comes of a row whose key is there already.
    fn on_conflict() -> &'static str;
}

/// No row has its key.
struct New;

impl Insertion for New {
    const BEGINNING: &'static str = "INSERT INTO ";

    fn on_conflict() -> &'static str {
        ""
    }
}

/// Each takes the place of the row with its key.
struct Replacing;

impl Insertion for Replacing {
    const BEGINNING: &'static str = "REPLACE INTO ";

    fn on_conflict() -> &'static str {
        ""
    }
}

/// They are the entries of an import.
struct Staging;

impl Insertion for Staging {
    const BEGINNING: &'static str = "INSERT INTO ";

    fn on_conflict() -> &'static str {
        &ON_STAGED_KEY
    }
}

fn insert_all<R: Table, I: Insertion>(connection: &mut SqliteConnection, rows: &[R]) -> QueryResult<()> {
    let (chunks, rest) = rows.as_chunks::<INSERTED_AT_ONCE>();
    chunks.iter().try_for_each(|chunk| Insert::<R, I, _>::new(chunk).execute(connection).map(|_| ()))?;
    rest.iter()
        .try_for_each(|row| Insert::<R, I, _>::new(std::array::from_ref(row)).execute(connection).map(|_| ()))
}

/// Inserts some rows. Prepared once, and found again by its type.
struct Insert<'a, R, I, const ROWS: usize> {
    rows: &'a [R; ROWS],
    insertion: PhantomData<I>,
}

impl<'a, R, I, const ROWS: usize> Insert<'a, R, I, ROWS> {
    fn new(rows: &'a [R; ROWS]) -> Self {
        Self { rows, insertion: PhantomData }
    }
}

impl<R: Table, I: Insertion, const ROWS: usize> QueryId for Insert<'_, R, I, ROWS> {
    type QueryId = Insert<'static, R, I, ROWS>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<R: Table, I: Insertion, const ROWS: usize> QueryFragment<Sqlite> for Insert<'_, R, I, ROWS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(I::BEGINNING);
        out.push_sql(R::NAME);
        for (index, row) in self.rows.iter().enumerate() {
            if index == 0 {
                out.push_sql(" (");
                row.visit(&mut Names { out: out.reborrow(), separator: "" })?;
                out.push_sql(") VALUES (");
            } else {
                out.push_sql(", (");
            }
            row.visit(&mut Values { out: out.reborrow(), separator: "" })?;
            out.push_sql(")");
        }
        out.push_sql(I::on_conflict());
        Ok(())
    }
}

impl<R: Table, I: Insertion, const ROWS: usize> diesel::RunQueryDsl<SqliteConnection>
    for Insert<'_, R, I, ROWS>
{
}

/// Writes `a, b, …`.
struct Names<'p, 'b> {
    out: AstPass<'p, 'b, Sqlite>,
    separator: &'static str,
}

impl<'b> Visitor<'b> for Names<'_, 'b> {
    fn column<K: Kind>(&mut self, name: &'static str, _value: &'b K::Rust) -> QueryResult<()> {
        self.out.push_sql(std::mem::replace(&mut self.separator, ", "));
        self.out.push_sql(name);
        Ok(())
    }
}

/// Writes `?, ?, …`.
struct Values<'p, 'b> {
    out: AstPass<'p, 'b, Sqlite>,
    separator: &'static str,
}

impl<'b> Visitor<'b> for Values<'_, 'b> {
    fn column<K: Kind>(&mut self, _name: &'static str, value: &'b K::Rust) -> QueryResult<()> {
        self.out.push_sql(std::mem::replace(&mut self.separator, ", "));
        K::bind(&mut self.out, value)
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
