//! Results of attempts, written only while their lease still is.

use diesel::QueryDsl as _;
use diesel::sql_types::Bool;

use super::Fault;
use crate::key;
use crate::queries::Span;
use crate::rows::{LeaseRow, ResultRow};
use crate::schema::leases;
use crate::session::Session;
use crate::sql::Sql;

/// Writes results and, with `last`, ends the lease. Returns how many were written, and whether the end of
/// the lease leaves anything due.
pub(super) async fn write<S: Session>(
    session: &mut S,
    lease: i64,
    mut results: Vec<ResultRow>,
    last: bool,
) -> Result<(u64, bool), Fault> {
    let Some(lease) = hold(session, lease).await? else { return Ok((0, false)) };
    // All who lock several records lock them in the order of their keys.
    results.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    results.dedup_by(|later, earlier| later.key == earlier.key);
    let written = if results.is_empty() { 0 } else { session.write_results(lease.model, results).await? };
    if !last {
        return Ok((written, false));
    }
    session.execute(diesel::delete(leases::table.find(lease.id))).await?;
    let due = leaves_due(session, lease).await?;
    Ok((written, due))
}

/// The lease, kept until the transaction ends; `None` if it is over.
async fn hold<S: Session>(session: &mut S, lease: i64) -> Result<Option<LeaseRow>, Fault> {
    let sql = Sql::<leases::SqlType>::new(
        "SELECT l.id, l.model, l.storage, l.first_key, l.last_key, l.due_from, l.claimed_at, l.worker, \
         l.alive_until, l.deadline FROM leases l WHERE l.id = ?",
    );
    session.first(sql.push(S::DIALECT.for_update()).bind(lease)).await
}

/// Whether anything in the lease's range is due: unfinished, or due anew since the claim.
async fn leaves_due<S: Session>(session: &mut S, lease: LeaseRow) -> Result<bool, Fault> {
    let span = Span { from: lease.first_key, to: key::behind(lease.last_key) };
    let sql = Sql::<Bool>::new(format!(
        "SELECT EXISTS (SELECT 1 FROM records AS r{} WHERE r.model = ? AND (r.storage, r.key) >= (?, ?) \
         AND (r.storage, r.key) < (?, ?) AND r.due_at IS NOT NULL)",
        S::DIALECT.in_queue(),
    ));
    let sql = sql.bind(lease.model).bind(lease.storage.clone()).bind(span.from);
    session.one(sql.bind(lease.storage).bind(span.to)).await
}
