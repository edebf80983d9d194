//! Queries on a PostgreSQL connection.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};

use crate::error::Fault;
use crate::queries::Dialect;
use crate::rows::{LeaseRow, RecordRow, ResultRow, StagedRow};
use crate::session::{Command, Rows, Session};
use crate::sql::{Sql, Value};

/// The first of the two numbers of an advisory lock of ours that guards a model's imports ("stk" in ASCII).
const IMPORTS: i32 = 0x73_746b;

/// The columns of some rows, each as an array for `unnest`.
macro_rules! columns {
    ($sql:expr, $rows:expr, $($field:ident),+ $(,)?) => {
        $sql$(.bind(Value::from($rows.iter().map(|row| row.$field.clone()).collect::<Vec<_>>())))+
    };
}

impl Session for AsyncPgConnection {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> Result<Vec<R>, Fault> {
        Ok(diesel_async::RunQueryDsl::load(query, self).await?)
    }

    async fn execute<Q: Command>(&mut self, statement: Q) -> Result<u64, Fault> {
        let rows = diesel_async::RunQueryDsl::execute(statement, self).await?;
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    async fn batch(&mut self, statements: &'static str) -> Result<(), Fault> {
        Ok(self.batch_execute(statements).await?)
    }

    async fn lock_imports(&mut self, model: i16) -> Result<(), Fault> {
        let sql = Sql::<diesel::sql_types::Text>::new("SELECT CAST(pg_advisory_xact_lock(?, ?) AS text)");
        Session::load::<String, _>(self, sql.bind(IMPORTS).bind(i32::from(model))).await?;
        Ok(())
    }

    /// One statement for all results; the rows are found one after the other, in the order given. The model comes
    /// with them: of a model known beforehand the planner might look at all records, see [`Dialect::one_of`].
    async fn write_results(&mut self, lease: &LeaseRow, results: Vec<ResultRow>) -> Result<u64, Fault> {
        let sql = Sql::<()>::new(
            "UPDATE records AS r SET state = u.state, due_at = NULL, attempt = u.attempt, \
             baseline = u.baseline, baseline_at = u.baseline_at, failed_at = u.failed_at, \
             retry_count = u.retry_count, retry_at = u.retry_at, failure_kind = u.failure_kind, \
             failure = u.failure, calculated = u.calculated, matches_source = u.matches_source \
             FROM (SELECT CAST(? AS smallint) AS model, v.* FROM unnest(?::bytea[], ?::smallint[], \
             ?::bigint[], ?::bytea[], ?::bigint[], ?::bigint[], ?::integer[], ?::bigint[], ?::smallint[], \
             ?::text[], ?::bytea[], ?::boolean[]) AS v (key, state, attempt, baseline, baseline_at, \
             failed_at, retry_count, retry_at, failure_kind, failure, calculated, matches_source) OFFSET 0) AS u \
             WHERE r.model = u.model AND r.key = u.key AND r.attempt = u.attempt - 1 AND r.due_at <= ?",
        );
        let sql = columns!(
            sql.bind(lease.model),
            results,
            key,
            state,
            attempt,
            baseline,
            baseline_at,
            failed_at,
            retry_count,
            retry_at,
            failure_kind,
            failure,
            calculated,
            matches_source,
        );
        Session::execute(self, sql.bind(lease.claimed_at)).await
    }

    async fn add_records(&mut self, records: Vec<RecordRow>) -> Result<(), Fault> {
        Session::execute(self, inserted(&records)).await?;
        Ok(())
    }

    /// By an INSERT that expects to meet what is known. That takes half as long again, so that new records do without.
    async fn write_records(&mut self, records: Vec<RecordRow>) -> Result<(), Fault> {
        let sql = inserted(&records).push(
            " ON CONFLICT (model, key) DO UPDATE SET storage = excluded.storage, path = excluded.path, \
             created_at = excluded.created_at, file_size = excluded.file_size, \
             expected = excluded.expected, rule = excluded.rule, mutable = excluded.mutable, \
             accepted = excluded.accepted, owner = excluded.owner, source_checksum = excluded.source_checksum, \
             content_changed_at = excluded.content_changed_at, from_source = excluded.from_source, state = excluded.state, \
             due_at = excluded.due_at, attempt = excluded.attempt, baseline = excluded.baseline, \
             baseline_at = excluded.baseline_at, failed_at = excluded.failed_at, \
             retry_count = excluded.retry_count, retry_at = excluded.retry_at, \
             failure_kind = excluded.failure_kind, failure = excluded.failure, \
             calculated = excluded.calculated, matches_source = excluded.matches_source",
        );
        Session::execute(self, sql).await?;
        Ok(())
    }

    async fn stage(&mut self, entries: Vec<StagedRow>) -> Result<(), Fault> {
        let sql = Sql::<()>::new(
            "INSERT INTO staged (key, storage, path, created_at, file_size, expected, rule, mutable, \
             disabled, owner, source_checksum, content_changed_at) SELECT * FROM unnest(?::bytea[], ?::text[], ?::text[], \
             ?::bigint[], ?::bigint[], ?::bytea[], ?::text[], ?::boolean[], ?::boolean[], ?::text[], ?::bytea[], \
             ?::bigint[]) ON CONFLICT (key) DO UPDATE SET \
             storage = excluded.storage, path = excluded.path, created_at = excluded.created_at, \
             file_size = excluded.file_size, expected = excluded.expected, rule = excluded.rule, \
             mutable = excluded.mutable, disabled = excluded.disabled, owner = excluded.owner, \
             source_checksum = excluded.source_checksum, content_changed_at = excluded.content_changed_at",
        );
        let sql = columns!(
            sql,
            entries,
            key,
            storage,
            path,
            created_at,
            file_size,
            expected,
            rule,
            mutable,
            disabled,
            owner,
            source_checksum,
            content_changed_at
        );
        Session::execute(self, sql).await?;
        Ok(())
    }

    /// ANALYZE, if the planner knows of less than nine tenths of what is there now.
    async fn gather_statistics(&mut self, added: u64) -> Result<(), Fault> {
        let sql = Sql::<diesel::sql_types::Bool>::new(
            "SELECT reltuples < 9 * ? FROM pg_class WHERE oid = CAST('records' AS regclass)",
        );
        if self.one::<bool, _>(sql.bind(i64::try_from(added).unwrap_or(i64::MAX / 9))).await? {
            self.batch("ANALYZE records").await?;
        }
        Ok(())
    }

    async fn announce_work(&mut self) -> Result<(), Fault> {
        self.batch("NOTIFY stocktake_work").await
    }
}

/// The INSERT of these records.
fn inserted(records: &[RecordRow]) -> Sql {
    let sql = Sql::new(
        "INSERT INTO records (model, key, storage, path, created_at, file_size, expected, rule, \
         mutable, accepted, owner, source_checksum, content_changed_at, from_source, state, due_at, attempt, baseline, \
         baseline_at, failed_at, retry_count, retry_at, failure_kind, failure, calculated, matches_source) \
         SELECT * FROM unnest(?::smallint[], ?::bytea[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], \
         ?::bytea[], ?::text[], ?::boolean[], ?::boolean[], ?::text[], ?::bytea[], ?::bigint[], \
         ?::boolean[], ?::smallint[], ?::bigint[], ?::bigint[], ?::bytea[], ?::bigint[], ?::bigint[], \
         ?::integer[], ?::bigint[], ?::smallint[], ?::text[], ?::bytea[], ?::boolean[])",
    );
    columns!(
        sql,
        records,
        model,
        key,
        storage,
        path,
        created_at,
        file_size,
        expected,
        rule,
        mutable,
        accepted,
        owner,
        source_checksum,
        content_changed_at,
        from_source,
        state,
        due_at,
        attempt,
        baseline,
        baseline_at,
        failed_at,
        retry_count,
        retry_at,
        failure_kind,
        failure,
        calculated,
        matches_source,
    )
}
