//! Queries on a SQLite connection.

use std::future::ready;

use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::ports::StoreError;

use crate::error::Fault;
use crate::queries::Dialect;
use crate::rows::{RecordRow, ResultRow, StagedRow};
use crate::schema::{records, staged};
use crate::session::{Command, Rows, Session, Step};
use crate::sql::Sql;

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

    /// One statement for each result: on SQLite that is faster than one for all. Written as text, because
    /// Diesel prepares an UPDATE of its own anew each time, which takes longer than to run it.
    fn write_results(&mut self, model: i16, results: Vec<ResultRow>) -> impl Step<u64> {
        let mut written = 0;
        for result in results {
            let sql = Sql::<()>::new(
                "UPDATE records SET state = ?, due_at = NULL, attempt = ?, baseline = ?, baseline_at = ?, \
                 failed_at = ?, retry_count = ?, retry_at = ?, failure_kind = ?, failure = ? \
                 WHERE model = ? AND key = ? AND attempt = ?",
            );
            let sql = sql.bind(result.state).bind(result.attempt).bind(result.baseline);
            let sql = sql.bind(result.baseline_at).bind(result.failed_at).bind(result.retry_count);
            let sql = sql.bind(result.retry_at).bind(result.failure_kind).bind(result.failure);
            let sql = sql.bind(model).bind(result.key).bind(result.attempt.saturating_sub(1));
            match sql.execute(self) {
                Ok(rows) => written += count(rows),
                Err(error) => return ready(Err(error.into())),
            }
        }
        ready(Ok(written))
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
