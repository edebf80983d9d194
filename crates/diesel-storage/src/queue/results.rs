//! Results of attempts, written only while their lease still is.

use diesel::QueryDsl as _;
use diesel::sql_types::Bool;
use stocktake_domain::ports::Results;

use super::results_by_day;
use crate::dialect::Lock;
use crate::error::DbError;
use crate::mark::Mark;
use crate::marks;
use crate::queries::push_in_queue;
use crate::rows::{LEASE, LeaseRow, LeaseSql, ResultRow};
use crate::schema::leases;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Writes results and, with `last`, ends the lease. Returns how many were written, and whether the end of
/// the lease leaves anything due.
pub(super) async fn write<S: Session>(
    session: &mut S,
    lease: i64,
    mut results: Vec<ResultRow>,
    counted: Results,
    last: bool,
) -> Result<(u64, bool), DbError> {
    let Some(lease) = hold(session, lease).await? else { return Ok((0, false)) };
    // All who lock several records lock them in the order of their keys.
    results.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    results.dedup_by(|later, earlier| later.key == earlier.key);
    for row in &mut results {
        row.baseline.seal(lease.model, &row.key);
    }
    let mark = marks::read(session, lease.model).await?;
    let written = if results.is_empty() { 0 } else { session.write_results(&lease, results, mark).await? };
    results_by_day::add(session, lease.model, lease.id, &counted.written(written)).await?;
    if !last {
        return Ok((written, false));
    }
    session.execute(diesel::delete(leases::table.find(lease.id))).await?;
    let span = Span::closed(lease.first_key, lease.last_key);
    let due = leaves_due(session, (lease.model, &lease.storage), mark, span).await?;
    Ok((written, due))
}

/// The lease, kept until the transaction ends; `None` if it is over.
async fn hold<S: Session>(session: &mut S, lease: i64) -> Result<Option<LeaseRow>, DbError> {
    let sql = Sql::<LeaseSql>::new(format!("SELECT {} FROM leases l WHERE l.id = ?", *LEASE));
    session.first(sql.push(S::locking(Lock::Update)).bind(lease)).await
}

/// Whether anything in the range of a lease that ends is due: unfinished, or due anew since the claim. The mark is told of it.
async fn leaves_due<S: Session>(
    session: &mut S,
    (model, storage): (i16, &str),
    mark: Option<Mark>,
    span: Span,
) -> Result<bool, DbError> {
    if let Some(mark) = mark
        && marks::settle(session, (model, storage), mark, span.clone()).await?
    {
        return Ok(true);
    }
    let sql = Sql::<Bool>::new("SELECT EXISTS (SELECT 1");
    session.one(push_in_queue::<S, _>(sql, model, storage, &span).push(")")).await
}
