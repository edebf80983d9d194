//! Keeping leases alive, and ending those whose time is over.

use std::collections::BTreeMap;

use diesel::ExpressionMethods as _;
use diesel::QueryDsl as _;
use diesel::sql_types::{BigInt, SmallInt, Text};
use stocktake_domain::ports::{Holder, LeaseId, LeaseTerms, Reaped, Renewal, Results, WorkerId};
use stocktake_domain::{CLOCK_TOLERANCE, Failure, Timestamp};

use super::results_by_day;
use crate::dialect::Lock;
use crate::error::DbError;
use crate::marks;
use crate::queries::{by_key, push_in_queue, push_marked};
use crate::rows::{FAILED, LEASE, LeaseEnd, LeaseEnds, LeaseRow, LeaseSql, failure_cause, failure_kind_code};
use crate::schema::leases;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Stands for all leases that timed out, where results are counted by lease.
const TIMED_OUT: i64 = 0;

/// Renews leases; returns those that are gone.
pub(super) async fn renew<S: Session>(
    session: &mut S,
    mut renewals: Vec<Renewal>,
    terms: LeaseTerms,
    now: Timestamp,
) -> Result<Vec<LeaseId>, DbError> {
    // In the order of the leases, in which whoever locks several does it.
    renewals.sort_unstable_by_key(|renewal| renewal.lease);
    let ends = LeaseEnds::new(terms, now);
    let mut gone = Vec::new();
    for renewal in renewals {
        let lease = leases::table.find(renewal.lease.0);
        let touched = if renewal.progressed {
            session.execute(diesel::update(lease).set(ends)).await?
        } else {
            let LeaseEnds { alive_until, heartbeat_timeout, .. } = ends;
            let change =
                (leases::alive_until.eq(alive_until), leases::heartbeat_timeout.eq(heartbeat_timeout));
            session.execute(diesel::update(lease).set(change)).await?
        };
        if touched == 0 {
            gone.push(renewal.lease);
        }
    }
    Ok(gone)
}

/// Ends leases past their deadline, or whose worker has had no heartbeat for too long; also says whether anything became due.
pub(super) async fn reap<S: Session>(
    session: &mut S,
    failure: Failure,
    now: Timestamp,
) -> Result<(Reaped, bool), DbError> {
    let sql = Sql::<LeaseSql>::new(format!(
        "SELECT {} FROM leases l WHERE l.deadline <= ? OR l.alive_until <= ? \
         OR l.deadline - l.duration > ? OR l.alive_until - l.heartbeat_timeout > ? ORDER BY l.id",
        *LEASE
    ));
    let sql = sql.push(S::locking(Lock::UpdateSkipLocked)).bind(now.millis()).bind(now.millis());
    let latest = now.after(CLOCK_TOLERANCE).millis();
    let mut over: Vec<LeaseRow> = session.load(sql.bind(latest).bind(latest)).await?;
    // The records of several leases are locked in the order of their keys, as everybody locks records.
    over.sort_unstable_by(|a, b| (a.model, &a.first_key).cmp(&(b.model, &b.first_key)));
    results_by_day::forget(session, now.day()).await?;
    session.fold_counts().await?;
    let mut reaped = Reaped::default();
    let mut timed_out = BTreeMap::<i16, u64>::new();
    let (any, mut ended) = (!over.is_empty(), Vec::new());
    for lease in over {
        session.execute(diesel::delete(leases::table.find(lease.id))).await?;
        match lease.end(now) {
            Some(LeaseEnd::TimedOut) => {
                let count = time_out(session, &lease, &failure, now.millis()).await?;
                *timed_out.entry(lease.model).or_default() += count;
                reaped.timed_out += count;
            }
            Some(LeaseEnd::Released) | None => reaped.released += 1,
        }
        ended.push((lease.model, lease.storage, Span::closed(lease.first_key, lease.last_key)));
    }
    // In the order of the models, in which whoever counts in several rows locks them.
    for (model, count) in timed_out {
        results_by_day::add(session, model, TIMED_OUT, &Results::failures(now, count)).await?;
    }
    // Last of all, as everybody locks marks. They may have recorded results before.
    for (model, storage, span) in ended {
        if let Some(mark) = marks::read(session, model).await? {
            marks::settle(session, (model, &storage), mark, span).await?;
        }
    }
    Ok((reaped, any))
}

/// The other worker whose lease lasts longest. All leases are read: there are as many as workers hold, not as records.
pub(super) async fn holder_besides<S: Session>(
    session: &mut S,
    worker: String,
    models: Vec<i16>,
    now: Timestamp,
) -> Result<Option<Holder>, DbError> {
    let sql = Sql::<(Text, SmallInt, BigInt, BigInt)>::new(
        "SELECT l.worker, l.model, l.alive_until, l.deadline FROM leases l WHERE l.worker <> ?",
    );
    let leases: Vec<(String, i16, i64, i64)> = session.load(sql.bind(worker)).await?;
    let wanted = leases.into_iter().filter(|(_, model, ..)| models.is_empty() || models.contains(model));
    let last = wanted.max_by_key(|(.., alive_until, deadline)| *alive_until.min(deadline));
    Ok(last.map(|(worker, _, alive_until, deadline)| Holder {
        worker: WorkerId(worker),
        lasts: Timestamp::from_millis(alive_until.min(deadline)).since(now),
    }))
}

/// [`stocktake_domain::Verification::time_out`] of all that the lease held. The records are due again at
/// once, yet later than the claim.
async fn time_out<S: Session>(
    session: &mut S,
    lease: &LeaseRow,
    failure: &Failure,
    now: i64,
) -> Result<u64, DbError> {
    let span = Span::closed(lease.first_key.clone(), lease.last_key.clone());
    let mark = marks::read(session, lease.model).await?;
    let mark = mark.filter(|mark| mark.is_due_between(lease.due_from, lease.claimed_at));
    if mark.is_some() {
        // Two statements change records of the span.
        session.lock_span(lease.model, Some(lease.storage.clone()), span.clone()).await?;
    }
    let timed_out = || {
        let due_at = now.max(lease.claimed_at.saturating_add(1));
        let sql = Sql::<()>::new(format!(
            "UPDATE {} AS r SET attempt = r.attempt + 1, state = ?, due_at = ?, failed_at = ?, \
             failing_since = COALESCE(r.failing_since, r.failed_at, ?), retry_at = ?, \
             retry_count = r.retry_count + 1, failure_kind = ?, failure_cause = ? WHERE{}",
            S::records(lease.model),
            S::KEY_IN.0,
        ));
        let sql = sql.bind(FAILED).bind(due_at).bind(now).bind(now).bind(now);
        let sql = sql.bind(failure_kind_code(failure.kind())).bind(failure_cause(failure));
        sql.bind(lease.model).push("SELECT r.key")
    };
    let sql = push_in_queue::<S, _>(timed_out(), lease.model, &lease.storage, &span);
    let sql = sql.push(" AND r.due_at >= ? AND r.due_at <= ?").bind(lease.due_from).bind(lease.claimed_at);
    let in_order = |sql: Sql| sql.push(by_key(false)).push(S::locking(Lock::Update)).push(S::KEY_IN.1);
    // First what is marked: it is due by its row then, though not by what the lease held.
    let by_mark = match mark {
        Some(_) => {
            let sql = push_marked::<S, _>(timed_out(), lease.model, &lease.storage, &span);
            session.execute(in_order(sql)).await?
        }
        None => 0,
    };
    Ok(by_mark + session.execute(in_order(sql)).await?)
}
