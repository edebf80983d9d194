//! Results of attempts, written only while their lease still is.

use diesel::QueryDsl as _;
use diesel::sql_types::Bool;
use stocktake_domain::ports::Results;

use super::results_by_day;
use crate::dialect::Lock;
use crate::error::DbError;
use crate::key;
use crate::queries::{Span, push_in_queue};
use crate::rows::{LEASE, LeaseRow, LeaseSql, ResultRow};
use crate::schema::leases;
use crate::session::Session;
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
    let written = if results.is_empty() { 0 } else { session.write_results(&lease, results).await? };
    results_by_day::add(session, lease.model, lease.id, &counted.written(written)).await?;
    if !last {
        return Ok((written, false));
    }
    session.execute(diesel::delete(leases::table.find(lease.id))).await?;
    let due = leaves_due(session, lease).await?;
    Ok((written, due))
}

/// The lease, kept until the transaction ends; `None` if it is over.
async fn hold<S: Session>(session: &mut S, lease: i64) -> Result<Option<LeaseRow>, DbError> {
    let sql = Sql::<LeaseSql>::new(format!("SELECT {} FROM leases l WHERE l.id = ?", *LEASE));
    session.first(sql.push(S::locking(Lock::Update)).bind(lease)).await
}

/// Whether anything in the lease's range is due: unfinished, or due anew since the claim.
async fn leaves_due<S: Session>(session: &mut S, lease: LeaseRow) -> Result<bool, DbError> {
    let span = Span { from: lease.first_key, to: key::behind(lease.last_key) };
    let sql = Sql::<Bool>::new("SELECT EXISTS (SELECT 1");
    let sql = push_in_queue::<S, _>(sql, lease.model, &lease.storage, &span);
    session.one(sql.push(")")).await
}
