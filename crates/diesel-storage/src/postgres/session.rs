//! Queries on a PostgreSQL connection: its own SQL, and what its errors mean.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Bool, SmallInt, Text};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use stocktake_domain::ports::{Outage, StoreError, Unavailable};
use stocktake_domain::{PathGlob, Timestamp};
use tokio::time::timeout;

use super::row_type::RowType;
use crate::columns::{Row, Table, list_of, set_from};
use crate::dialect::{Dialect, Index, Lock, RECORDS_OF_EVERY_MODEL};
use crate::error::DbError;
use crate::jobs::push_queued;
use crate::mark::Mark;
use crate::queries::{DUE_NOW, by_key, push_keys_in, push_model, seen};
use crate::rows::{
    BaselineColumns, JOB, JobRow, JobSql, LeaseRow, NewJobRow, ON_STAGED_KEY, RECORD, RecordRow, RecordSql,
    ResultColumns, ResultRow, SUCCEEDED, Seen, StagedRow,
};
use crate::session::{Command, Marking, Reading, Rows, Session};
use crate::span::Span;
use crate::sql::Sql;

/// The first of the two numbers of an advisory lock of ours that guards a model's imports ("stk" in ASCII).
const IMPORTS: i32 = 0x73_746b;

/// The first of the two numbers of an advisory lock of ours that guards the mark on a model ("stm" in ASCII).
const MARKS: i32 = 0x73_746d;

/// Our advisory lock of who folds the counts ("stkcnt" in ASCII).
const COUNTS: i64 = 0x7374_6b63_6e74;

/// Later than any claim.
const NEVER: i64 = i64::MAX;

/// Rows inserted by one statement.
const INSERTED_AT_ONCE: usize = 1000;

/// The changes that are there move into the counts.
const FOLD_COUNTS: &str = "WITH taken AS (DELETE FROM record_count_changes RETURNING *), \
    counted AS (INSERT INTO record_counts AS c SELECT SUM(records), SUM(mebibytes), SUM(beside), SUM(size_only), \
    SUM(said_by_store), SUM(computed_at_rest), SUM(mismatched), SUM(good_before), model, state, failure_kind, storage, answers \
    FROM taken GROUP BY model, state, failure_kind, storage, answers \
    ON CONFLICT (model, storage, state, failure_kind, answers) DO UPDATE SET \
    records = c.records + excluded.records, mebibytes = c.mebibytes + excluded.mebibytes, \
    beside = c.beside + excluded.beside, size_only = c.size_only + excluded.size_only, \
    said_by_store = c.said_by_store + excluded.said_by_store, \
    computed_at_rest = c.computed_at_rest + excluded.computed_at_rest, \
    mismatched = c.mismatched + excluded.mismatched, good_before = c.good_before + excluded.good_before) \
    INSERT INTO success_slots AS s SELECT slot, SUM(records), COALESCE(MIN(oldest), 9223372036854775807), model, storage \
    FROM taken WHERE slot IS NOT NULL GROUP BY slot, model, storage \
    HAVING SUM(records) <> 0 OR MIN(oldest) IS NOT NULL ON CONFLICT (model, storage, slot) DO UPDATE SET \
    records = s.records + excluded.records, oldest = LEAST(s.oldest, excluded.oldest)";

/// All results in one statement, each as a row of the model's table of which no more is filled in; they are found one after the
/// other, in the order given. The model comes with them: of a model known beforehand the planner might look at all records, see
/// [`crate::dialect::Dialect::KEY_IN`]. What is marked is due without a due time; that of all else is compared such that it does not
/// follow that there is one: else the planner, for whom nothing is due where nothing was when it looked, would read all that is due
/// by then for each result.
fn write_results_text(table: &str) -> String {
    format!(
        "UPDATE {table} AS r SET due_at = NULL, answers = GREATEST(r.answers, ?), {}, {} \
         FROM (SELECT CAST(? AS smallint) AS model, {} FROM {} OFFSET 0) AS u \
         WHERE r.model = u.model AND r.key = u.key AND r.attempt = u.attempt - 1 \
         AND ((r.state = {SUCCEEDED} AND r.answers < ?) OR COALESCE(r.due_at, {NEVER}) <= ?)",
        set_from(&ResultColumns::columns(), "u"),
        list_of(&BaselineColumns::columns(), |column| format!("{0} = COALESCE(u.{0}, r.{0})", column.name)),
        list_of(&ResultRow::columns(), |column| format!("v.{}", column.name)),
        unnested(table),
    )
}

static STAGE: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", insert_text::<StagedRow>(StagedRow::NAME), *ON_STAGED_KEY));

/// A session of PostgreSQL, whatever runs its statements.
pub(super) trait Postgresql {}

impl Postgresql for AsyncPgConnection {}

impl<S: Postgresql> Dialect for S {
    // Each model has a partition, which statements about one model name: a plan that is kept for any model would concern all of
    // them, with their locks.
    fn records(model: i16) -> Cow<'static, str> {
        Cow::Owned(format!("{RECORDS_OF_EVERY_MODEL}_{model}"))
    }

    // OFFSET 0 keeps the planner from joining in another order.
    fn held(model: Option<i16>) -> String {
        let table = model.map_or(Cow::Borrowed(RECORDS_OF_EVERY_MODEL), Self::records);
        let of_model = model.map(|model| format!(" AND l.model = {model}")).unwrap_or_default();
        format!(
            " FROM (SELECT h.* FROM leases l CROSS JOIN LATERAL (SELECT * FROM {table} c \
             WHERE c.model + 0 = l.model AND c.storage = l.storage AND c.key >= l.first_key AND c.key <= l.last_key \
             AND c.due_at IS NOT NULL AND c.due_at >= l.due_from AND c.due_at <= l.claimed_at OFFSET 0) AS h \
             WHERE TRUE{of_model} UNION ALL SELECT h.* FROM leases l JOIN marks k \
             ON k.model = l.model AND k.came_at >= l.due_from AND k.came_at <= l.claimed_at \
             CROSS JOIN LATERAL (SELECT * FROM {table} c \
             WHERE c.model - 0 = l.model AND c.storage = l.storage AND c.key >= l.first_key AND c.key <= l.last_key \
             AND c.due_at IS NULL AND c.state = {SUCCEEDED} AND c.answers < k.number OFFSET 0) AS h \
             WHERE TRUE{of_model}) AS r WHERE TRUE"
        )
    }

    // What is due has its storage in the index of the queue, and all else in that of the storages. Of each half the planner knows
    // at once that one part of the condition is not true, so that it reads each by its index and merges the two in any order by
    // key. For that the expressions with which the two indexes begin have one value.
    fn in_storage(model: i16) -> String {
        let table = Self::records(model);
        format!(
            " FROM (SELECT c.*, c.model + 0 AS of_model, TRUE AS is_due FROM {table} c \
             UNION ALL SELECT c.*, c.model - 0, FALSE FROM {table} c) AS r WHERE r.of_model = ? \
             AND ((r.is_due AND r.due_at IS NOT NULL) OR (NOT r.is_due AND r.due_at IS NULL)) AND r.storage = ?"
        )
    }

    // Of a model that was filled a moment ago the planner believes that there is hardly a record, and would look at
    // all of them rather than for each key; of a model that it learns only when the statement runs, it does not.
    const KEY_IN: (&'static str, &'static str) =
        (" r.model = (SELECT CAST(? AS smallint)) AND r.key = ANY (ARRAY (", "))");

    const MERGES: bool = false;

    const LOT: &'static str = "floor(random() * 1000000)";

    const POSITION: &'static str = "strpos";

    const COUNTS: &'static str = "(SELECT records, mebibytes, beside, size_only, said_by_store, computed_at_rest, mismatched, \
        good_before, model, state, failure_kind, storage, answers FROM record_counts UNION ALL \
        SELECT records, mebibytes, beside, size_only, said_by_store, computed_at_rest, mismatched, \
        good_before, model, state, failure_kind, storage, answers FROM record_count_changes)";

    // The first slot that is not empty when the changes are counted in; or one that is among the changes alone.
    const OLDEST_SUCCESSES: &'static str = "WITH changed AS MATERIALIZED ( \
        SELECT model, storage, slot, SUM(records) AS records, MIN(oldest) AS oldest FROM record_count_changes \
        WHERE slot IS NOT NULL GROUP BY model, storage, slot) \
        SELECT q.model, q.storage, first.oldest FROM (SELECT model, storage FROM record_counts WHERE state = 2 \
        UNION SELECT model, storage FROM changed) AS q CROSS JOIN LATERAL ( \
        SELECT found.oldest FROM ( \
        (SELECT s.slot, LEAST(s.oldest, c.oldest) AS oldest FROM success_slots s \
        LEFT JOIN changed c ON c.model = q.model AND c.storage = q.storage AND c.slot = s.slot \
        WHERE s.model = q.model AND s.storage = q.storage AND s.records + COALESCE(c.records, 0) > 0 \
        ORDER BY s.slot LIMIT 1) UNION ALL \
        SELECT c.slot, c.oldest FROM changed c WHERE c.model = q.model AND c.storage = q.storage AND c.records > 0 \
        AND NOT EXISTS (SELECT 1 FROM success_slots s \
        WHERE s.model = q.model AND s.storage = q.storage AND s.slot = c.slot)) AS found \
        ORDER BY found.slot LIMIT 1) AS first";

    fn push_path_matches<T>(sql: Sql<T>, path: &PathGlob) -> Sql<T> {
        sql.push("r.path ~ ?").bind(path.to_regex())
    }

    fn indexed_by(_index: Index) -> &'static str {
        ""
    }

    fn locking(lock: Lock) -> &'static str {
        match lock {
            Lock::Update => " FOR UPDATE",
            Lock::UpdateSkipLocked => " FOR UPDATE SKIP LOCKED",
            Lock::KeyShare => " FOR KEY SHARE",
        }
    }

    fn push_each_of_page<T>(sql: Sql<T>, model: i16) -> Sql<T> {
        let sql = sql.push(&format!(
            " CROSS JOIN LATERAL (SELECT * FROM {} c WHERE c.model = ? AND c.key = m.key OFFSET 0) AS r",
            Self::records(model)
        ));
        sql.bind(model)
    }

    fn push_with_keys<T>(sql: Sql<T>, model: i16, keys: &[Vec<u8>]) -> Sql<T> {
        let sql = sql.push(&format!(
            " FROM unnest(?::bytea[]) AS wanted (key) CROSS JOIN LATERAL \
             (SELECT * FROM {} c WHERE c.model = ? AND c.key = wanted.key OFFSET 0) AS r WHERE TRUE",
            Self::records(model)
        ));
        sql.bind(keys.to_vec()).bind(model)
    }
}

impl Reading for AsyncPgConnection {
    async fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> Result<Vec<R>, DbError> {
        Ok(diesel_async::RunQueryDsl::load(query, self).await?)
    }
}

impl Session for AsyncPgConnection {
    async fn execute<Q: Command>(&mut self, statement: Q) -> Result<u64, DbError> {
        let rows = diesel_async::RunQueryDsl::execute(statement, self).await?;
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    async fn server_time(&mut self) -> Result<Option<Timestamp>, DbError> {
        let sql = Sql::<BigInt>::new("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)");
        Ok(Some(Timestamp::from_millis(self.one(sql).await?)))
    }

    async fn is_migrated(&mut self) -> Result<bool, DbError> {
        self.one(Sql::<Bool>::new("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL")).await
    }

    async fn lock_imports(&mut self, model: i16) -> Result<(), DbError> {
        let sql = Sql::<Bool>::new("SELECT pg_try_advisory_xact_lock(?, ?)");
        if !self.one::<bool, _>(sql.bind(IMPORTS).bind(i32::from(model))).await? {
            tracing::info!("records of this model are written by another transaction: waiting for its end");
            let sql = Sql::<Text>::new("SELECT CAST(pg_advisory_xact_lock(?, ?) AS text)");
            Reading::load::<String, _>(self, sql.bind(IMPORTS).bind(i32::from(model))).await?;
        }
        Ok(())
    }

    async fn lock_marking(&mut self, model: i16, marking: Marking) -> Result<(), DbError> {
        let lock = match marking {
            Marking::Make => "pg_advisory_xact_lock",
            Marking::Answer => "pg_advisory_xact_lock_shared",
        };
        let sql = Sql::<Text>::new(format!("SELECT CAST({lock}(?, ?) AS text)"));
        Reading::load::<String, _>(self, sql.bind(MARKS).bind(i32::from(model))).await?;
        Ok(())
    }

    async fn hold_claims(&mut self, model: Option<i16>, storage: Option<String>) -> Result<(), DbError> {
        let mut sql = Sql::<Text>::new("SELECT q.storage FROM queues q WHERE TRUE");
        if let Some(model) = model {
            sql = sql.push(" AND q.model = ?").bind(model);
        }
        if let Some(storage) = storage {
            sql = sql.push(" AND q.storage = ?").bind(storage);
        }
        Reading::load::<String, _>(self, sql.push(" ORDER BY q.model, q.storage FOR SHARE")).await?;
        Ok(())
    }

    async fn lock_records(
        &mut self,
        model: i16,
        keys: Vec<Vec<u8>>,
    ) -> Result<Option<Vec<(RecordRow, Seen)>>, DbError> {
        // One after the other, in the order of their keys, as everybody locks records.
        let sql = Sql::<(RecordSql, SmallInt)>::new(format!(
            "SELECT {}, {} FROM unnest(?::bytea[]) AS wanted (key) CROSS JOIN LATERAL \
             (SELECT * FROM {} c WHERE c.model = ? AND c.key = wanted.key FOR UPDATE) AS r",
            *RECORD,
            seen(Some(model)),
            Self::records(model)
        ));
        let mut rows: Vec<(RecordRow, Seen)> = Reading::load(self, sql.bind(keys).bind(model)).await?;
        rows.sort_unstable_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        Ok(Some(rows))
    }

    async fn lock_span(&mut self, model: i16, storage: Option<String>, span: Span) -> Result<(), DbError> {
        let sql = push_model::<Self, _>(Sql::<BigInt>::new("SELECT COUNT(*) FROM (SELECT 1"), model);
        let mut sql = push_keys_in(sql, &span);
        if let Some(storage) = storage {
            sql = sql.push(" AND r.storage = ?").bind(storage);
        }
        let sql = sql.push(by_key(false)).push(Self::locking(Lock::Update));
        self.one::<i64, _>(sql.push(") AS locked")).await?;
        Ok(())
    }

    async fn keep_clear_of_new_leases(
        &mut self,
        model: i16,
        known: Vec<i64>,
        now: i64,
    ) -> Result<(), DbError> {
        self.hold_claims(Some(model), None).await?;
        // Lease by lease, as in `held`: joined with the leases, all that is due of the model might be read.
        let ((before, after), table) = (Self::KEY_IN, Self::records(model));
        let sql = Sql::<()>::new(format!(
            "UPDATE {table} AS r SET due_at = {DUE_NOW} WHERE COALESCE(r.due_at, {NEVER}) = ? AND{before}\
             SELECT c.key FROM leases n CROSS JOIN LATERAL (SELECT d.key FROM {table} d \
             WHERE d.model + 0 = n.model AND d.storage = n.storage AND d.key >= n.first_key AND d.key <= n.last_key \
             AND d.due_at = ? OFFSET 0) AS c WHERE n.model = ? AND n.id <> ALL (?){after}"
        ));
        let sql = sql.bind(now).bind(now).bind(now).bind(model).bind(now).bind(model).bind(known);
        Session::execute(self, sql).await?;
        Ok(())
    }

    async fn write_results(
        &mut self,
        lease: &LeaseRow,
        results: Vec<ResultRow>,
        mark: Option<Mark>,
    ) -> Result<u64, DbError> {
        let table = Self::records(lease.model);
        let rows = RowType::read(self, &table).await?.array(&results)?;
        let answered = Mark::answered_by(mark, lease.claimed_at);
        let sql = Sql::<()>::new(write_results_text(&table)).bind(answered).bind(lease.model).bind(rows);
        Session::execute(self, sql.bind(answered).bind(lease.claimed_at)).await
    }

    async fn add_records(&mut self, records: Vec<RecordRow>) -> Result<(), DbError> {
        for of_model in of_each_model(&records) {
            insert(self, &of_model.table, &insert_text::<RecordRow>(&of_model.table), of_model.records)
                .await?;
        }
        Ok(())
    }

    async fn write_records(&mut self, records: Vec<RecordRow>) -> Result<(), DbError> {
        for of_model in of_each_model(&records) {
            insert(self, &of_model.table, &upsert_text::<RecordRow>(&of_model.table), of_model.records)
                .await?;
        }
        Ok(())
    }

    async fn create_staged(&mut self) -> Result<(), DbError> {
        let columns = list_of(&StagedRow::columns(), |column| {
            let constraint = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{constraint}", column.name, column.postgres.name())
        });
        let (table, key) = (StagedRow::NAME, StagedRow::KEY.join(", "));
        // What goes with the connection need not be on a disk, or on a standby, before we go on.
        let text = format!(
            "BEGIN; SET LOCAL synchronous_commit = off; \
             CREATE TEMPORARY TABLE {table} ({columns}, PRIMARY KEY ({key})); COMMIT"
        );
        Ok(self.batch_execute(&text).await?)
    }

    async fn stage(&mut self, entries: Vec<StagedRow>) -> Result<(), DbError> {
        insert(self, StagedRow::NAME, &STAGE, &entries).await
    }

    /// ANALYZE, if the planner knows of fewer than were added now: how many there are beyond that it concludes from the size of
    /// the table. A sample of 3,000 rows is enough for statements whose plans hardly depend on what is in the table.
    async fn gather_statistics(&mut self, model: i16, added: u64) -> Result<(), DbError> {
        let table = Self::records(model);
        let sql = Sql::<Bool>::new(
            "SELECT reltuples < ? FROM pg_class WHERE oid = CAST(CAST(? AS text) AS regclass)",
        );
        let sql = sql.bind(i64::try_from(added).unwrap_or(i64::MAX)).bind(table.to_string());
        if self.one::<bool, _>(sql).await? {
            // Who gathers them already does it for us as well, and may not be done before its transaction is.
            let analyze = format!("SET LOCAL default_statistics_target = 10; ANALYZE (SKIP_LOCKED) {table}");
            self.batch_execute(&analyze).await?;
        }
        Ok(())
    }

    async fn fold_counts(&mut self) -> Result<(), DbError> {
        let alone = Sql::<Bool>::new("SELECT pg_try_advisory_xact_lock(?)").bind(COUNTS);
        if self.one::<bool, _>(alone).await? {
            Session::execute(self, Sql::<()>::new(FOLD_COUNTS)).await?;
            Session::execute(self, Sql::<()>::new("DELETE FROM success_slots WHERE records = 0")).await?;
            Session::execute(self, Sql::<()>::new("DELETE FROM record_counts WHERE records = 0")).await?;
        }
        Ok(())
    }

    async fn announce_work(&mut self) -> Result<(), DbError> {
        Ok(self.batch_execute("NOTIFY stocktake_work").await?)
    }

    async fn enqueue(&mut self, job: NewJobRow, now: Timestamp) -> Result<JobRow, DbError> {
        let sql = push_queued::<Self, _>(Sql::<JobSql>::new("WITH same AS MATERIALIZED ("), &job);
        let sql = job.push_values(sql.push("), made AS (INSERT INTO jobs "), now);
        let sql = sql.push(&format!(
            " WHERE NOT EXISTS (SELECT 1 FROM same) RETURNING *), \
             told AS MATERIALIZED (SELECT pg_notify('stocktake_work', '')) SELECT {} FROM (SELECT * FROM made \
             UNION ALL SELECT * FROM jobs WHERE id = (SELECT id FROM same)) AS jobs CROSS JOIN told",
            *JOB
        ));
        self.one(sql).await
    }
}

/// What an error means to the caller. The codes of PostgreSQL do not come through Diesel, and its messages are
/// in any language: so a connection that reported an error of no known kind is asked whether it still is.
pub(super) async fn explain(mut connection: &AsyncPgConnection, error: DbError) -> StoreError {
    const PING: Duration = Duration::from_secs(1);
    let DbError::Query(Error::DatabaseError(kind, _)) = &error else { return error.into() };
    match kind {
        DatabaseErrorKind::Unknown => match timeout(PING, connection.batch_execute("SELECT 1")).await {
            Ok(Ok(())) => error.into(),
            Ok(Err(_)) | Err(_) => StoreError::Unavailable(Unavailable::new(Outage::Unreachable, error)),
        },
        _ => error.into(),
    }
}

/// Records of one model, and the table they go to.
struct OfModel<'r> {
    table: Cow<'static, str>,
    records: &'r [RecordRow],
}

/// The records, in the order given, by model.
fn of_each_model(records: &[RecordRow]) -> impl Iterator<Item = OfModel<'_>> {
    let by_model = records.chunk_by(|a, b| a.model == b.model);
    by_model.filter_map(|records| {
        let [first, ..] = records else { return None };
        Some(OfModel { table: AsyncPgConnection::records(first.model), records })
    })
}

/// Runs a statement that inserts these rows into the table.
async fn insert<R: Table>(
    session: &mut AsyncPgConnection,
    table: &str,
    statement: &str,
    rows: &[R],
) -> Result<(), DbError> {
    let row_type = RowType::read(session, table).await?;
    let mut chunks = rows.chunks(INSERTED_AT_ONCE);
    let mut next_array = || chunks.next().map(|chunk| row_type.array(chunk)).transpose();
    let mut next = next_array()?;
    while let Some(array) = next {
        let inserting = Session::execute(session, Sql::<()>::new(statement).bind(array));
        // The next ones are brought into their form while the server is at these.
        let (inserted, following) = tokio::join!(biased; inserting, async { next_array() });
        inserted?;
        next = following?;
    }
    Ok(())
}

/// The rows `v` of an array of rows of this table.
fn unnested(table: &str) -> String {
    format!("unnest(CAST(? AS {table}[])) AS v")
}

fn insert_text<R: Table>(table: &str) -> String {
    let columns = R::columns();
    let of = |alias: &str| list_of(&columns, |column| format!("{alias}{}", column.name));
    format!("INSERT INTO {table} ({}) SELECT {} FROM {}", of(""), of("v."), unnested(table))
}

fn upsert_text<R: Table>(table: &str) -> String {
    let (insert, key) = (insert_text::<R>(table), R::KEY.join(", "));
    format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {}", R::set_from("excluded"))
}
