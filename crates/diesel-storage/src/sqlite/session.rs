//! Queries on a SQLite connection.

use std::future::ready;

use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use stocktake_domain::ports::StoreError;

use crate::error::Fault;
use crate::queries::Dialect;
use crate::rows::{LeaseRow, RecordRow, ResultRow, StagedRow};
use crate::schema::{records, staged};
use crate::session::{Command, Rows, Session, Step};

impl Session for SqliteConnection {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> impl Step<Vec<R>> {
        ready(query.load(self).map_err(Fault::from))
    }

    fn execute<Q: Command>(&mut self, statement: Q) -> impl Step<u64> {
        ready(statement.execute(self).map(count).map_err(Fault::from))
    }

    fn batch(&mut self, statements: &'static str) -> impl Step<()> {
        ready(self.batch_execute(statements).map_err(Fault::from))
    }

    fn lock_imports(&mut self, _model: i16) -> impl Step<()> {
        // A transaction that writes is alone.
        ready(Ok(()))
    }

    /// One statement for each result: on SQLite that is faster than one for all.
    fn write_results(&mut self, lease: &LeaseRow, results: Vec<ResultRow>) -> impl Step<u64> {
        let (model, claimed_at) = (lease.model, lease.claimed_at);
        let mut written = 0;
        for result in results {
            match (WriteResult { model, claimed_at, result }).execute(self) {
                Ok(rows) => written += count(rows),
                Err(error) => return ready(Err(error.into())),
            }
        }
        ready(Ok(written))
    }

    fn add_records(&mut self, records: Vec<RecordRow>) -> impl Step<()> {
        let all = records.iter().try_for_each(|record| {
            diesel::insert_into(records::table).values(record).execute(self).map(|_| ())
        });
        ready(all.map_err(Fault::from))
    }

    fn write_records(&mut self, records: Vec<RecordRow>) -> impl Step<()> {
        let all = records.iter().try_for_each(|record| {
            diesel::replace_into(records::table).values(record).execute(self).map(|_| ())
        });
        ready(all.map_err(Fault::from))
    }

    fn stage(&mut self, entries: Vec<StagedRow>) -> impl Step<()> {
        let all = self.transaction::<_, Error, _>(|connection| {
            entries.iter().try_for_each(|entry| {
                diesel::replace_into(staged::table).values(entry).execute(connection).map(|_| ())
            })
        });
        ready(all.map_err(Fault::from))
    }

    fn gather_statistics(&mut self, _added: u64) -> impl Step<()> {
        // The statements name their index.
        ready(Ok(()))
    }

    fn announce_work(&mut self) -> impl Step<()> {
        // Other processes look at `PRAGMA data_version`.
        ready(Ok(()))
    }
}

/// Writes one result, where the record is still what the lease holds. Diesel's own UPDATE is prepared anew each
/// time, which takes longer than to run it; this one is prepared once, and found again by its type.
#[derive(QueryId)]
struct WriteResult {
    model: i16,
    claimed_at: i64,
    result: ResultRow,
}

impl QueryFragment<Sqlite> for WriteResult {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let row = &self.result;
        out.push_sql("UPDATE records SET due_at = NULL, state = ");
        out.push_bind_param::<SmallInt, _>(&row.state)?;
        out.push_sql(", attempt = ");
        out.push_bind_param::<BigInt, _>(&row.attempt)?;
        out.push_sql(", baseline = ");
        out.push_bind_param::<Nullable<Binary>, _>(&row.baseline)?;
        out.push_sql(", baseline_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.baseline_at)?;
        out.push_sql(", failed_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.failed_at)?;
        out.push_sql(", retry_count = ");
        out.push_bind_param::<Integer, _>(&row.retry_count)?;
        out.push_sql(", retry_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.retry_at)?;
        out.push_sql(", failure_kind = ");
        out.push_bind_param::<Nullable<SmallInt>, _>(&row.failure_kind)?;
        out.push_sql(", failure = ");
        out.push_bind_param::<Nullable<Text>, _>(&row.failure)?;
        out.push_sql(", calculated = ");
        out.push_bind_param::<Nullable<Binary>, _>(&row.calculated)?;
        out.push_sql(", matches_source = ");
        out.push_bind_param::<Nullable<Bool>, _>(&row.matches_source)?;
        out.push_sql(" WHERE model = ");
        out.push_bind_param::<SmallInt, _>(&self.model)?;
        out.push_sql(" AND key = ");
        out.push_bind_param::<Binary, _>(&row.key)?;
        out.push_sql(" AND attempt + 1 = ");
        out.push_bind_param::<BigInt, _>(&row.attempt)?;
        out.push_sql(" AND due_at <= ");
        out.push_bind_param::<BigInt, _>(&self.claimed_at)
    }
}

impl diesel::RunQueryDsl<SqliteConnection> for WriteResult {}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// What a fault on SQLite means to the caller. SQLite's own messages are its only codes here, and constant.
pub(super) fn explain(fault: Fault) -> StoreError {
    const PASSING: [&str; 5] = [
        "database is locked",
        "database table is locked",
        "unable to open database file",
        "disk I/O error",
        "database or disk is full",
    ];
    match &fault {
        Fault::Query(Error::DatabaseError(_, information))
            if PASSING.iter().any(|message| information.message().starts_with(message)) =>
        {
            StoreError::Unavailable(fault.into())
        }
        _ => fault.into(),
    }
}
