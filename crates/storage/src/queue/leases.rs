//! Keeping leases alive, and ending those whose time is over.

use diesel::ExpressionMethods as _;
use diesel::QueryDsl as _;
use stocktake_domain::Failure;
use stocktake_domain::ports::{LeaseId, Reaped, Renewal};

use super::Fault;
use crate::rows::{FAILED, LeaseRow, failure_kind_code};
use crate::schema::leases;
use crate::session::Session;
use crate::sql::Sql;

/// Renews leases; returns those that are gone.
pub(super) async fn renew<S: Session>(
    session: &mut S,
    mut renewals: Vec<Renewal>,
    alive_until: i64,
    deadline: i64,
) -> Result<Vec<LeaseId>, Fault> {
    // In the order of the leases, in which whoever locks several does it.
    renewals.sort_unstable_by_key(|renewal| renewal.lease);
    let mut gone = Vec::new();
    for renewal in renewals {
        let lease = leases::table.find(renewal.lease.0);
        let touched = if renewal.progressed {
            let change = (leases::alive_until.eq(alive_until), leases::deadline.eq(deadline));
            session.execute(diesel::update(lease).set(change)).await?
        } else {
            session.execute(diesel::update(lease).set(leases::alive_until.eq(alive_until))).await?
        };
        if touched == 0 {
            gone.push(renewal.lease);
        }
    }
    Ok(gone)
}

/// Ends leases past their deadline or sign of life; also says whether anything became due.
pub(super) async fn reap<S: Session>(
    session: &mut S,
    failure: Failure,
    now: i64,
) -> Result<(Reaped, bool), Fault> {
    let sql = Sql::<leases::SqlType>::new(
        "SELECT l.id, l.model, l.storage, l.first_key, l.last_key, l.due_from, l.claimed_at, l.worker, \
         l.alive_until, l.deadline FROM leases l WHERE l.deadline <= ? OR l.alive_until <= ? ORDER BY l.id",
    );
    let sql = sql.push(S::DIALECT.for_update_skip_locked()).bind(now).bind(now);
    let over: Vec<LeaseRow> = session.load(sql).await?;
    let mut reaped = Reaped::default();
    let any = !over.is_empty();
    for lease in over {
        session.execute(diesel::delete(leases::table.find(lease.id))).await?;
        if lease.deadline <= now {
            reaped.timed_out += time_out(session, &lease, &failure, now).await?;
        } else {
            reaped.released += 1;
        }
    }
    Ok((reaped, any))
}

/// [`stocktake_domain::Verification::time_out`] of all that the lease held. The records are due again at
/// once, yet later than the claim.
async fn time_out<S: Session>(
    session: &mut S,
    lease: &LeaseRow,
    failure: &Failure,
    now: i64,
) -> Result<u64, Fault> {
    let sql = Sql::<()>::new(format!(
        "UPDATE records AS r SET attempt = r.attempt + 1, state = ?, due_at = ?, retry_count = r.retry_count + 1, \
         failed_at = ?, retry_at = ?, failure_kind = ?, failure = ? \
         FROM (SELECT r.model, r.key FROM records AS r{} WHERE r.model = ? AND (r.storage, r.key) >= (?, ?) \
         AND (r.storage, r.key) <= (?, ?) AND r.due_at IS NOT NULL AND r.due_at >= ? AND r.due_at <= ? \
         ORDER BY r.storage, r.key{}) AS held WHERE r.model = held.model AND r.key = held.key",
        S::DIALECT.in_queue(),
        S::DIALECT.for_update(),
    ));
    let sql = sql.bind(FAILED).bind(now.max(lease.claimed_at.saturating_add(1))).bind(now).bind(now);
    let sql = sql.bind(failure_kind_code(failure.kind())).bind(failure.text().to_owned());
    let sql = sql.bind(lease.model).bind(lease.storage.clone()).bind(lease.first_key.clone());
    let sql = sql.bind(lease.storage.clone()).bind(lease.last_key.clone());
    session.execute(sql.bind(lease.due_from).bind(lease.claimed_at)).await
}
