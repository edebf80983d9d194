//! What becomes due by the passing of time, and how much is outstanding.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::sql_types::{BigInt, Binary, Bool, SmallInt};
use stocktake_domain::{LONGEST_RETRY_DELAY, RecordKey, Timestamp};

use super::claim::{self, ClaimScope};
use crate::dialect::{Dialect, Index, Lock, RECORDS_OF_EVERY_MODEL};
use crate::error::DbError;
use crate::key;
use crate::marks;
use crate::queries::{
    DUE_NOW, Filter, by_key, marked, push_in_queue, push_in_state, push_marked, push_model,
};
use crate::ranges::Ranges;
use crate::rows::{FAILED, PENDING, SUCCEEDED, unsigned};
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Failed records whose retry time has come, in the order of it; then those whose retry time is further away than the
/// longest wait. Each by a range of its own, which an index serves.
fn ripe(now: Timestamp) -> [(&'static str, i64); 2] {
    [("r.retry_at <= ?", now.millis()), ("r.retry_at > ?", now.latest_end(LONGEST_RETRY_DELAY).millis())]
}

/// Makes failed records due whose retry time has come; also says whether there were any.
pub(super) async fn retry_failed<S: Session>(
    session: &mut S,
    models: Vec<i16>,
    limit: u32,
    now: Timestamp,
) -> Result<(u64, bool), DbError> {
    if models.is_empty() {
        return Ok((0, false));
    }
    let models = models.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (mut due, mut held) = (0, false);
    for (condition, bound) in ripe(now) {
        let waiting = format!(
            " FROM {RECORDS_OF_EVERY_MODEL} AS r{} WHERE r.state = {FAILED} AND r.due_at IS NULL AND {condition} AND r.model IN ({models})",
            S::indexed_by(Index::ToRetry),
        );
        let any = Sql::<Bool>::new(format!("SELECT EXISTS (SELECT 1{waiting})"));
        let left = u64::from(limit).saturating_sub(due);
        if left == 0 || !session.one::<bool, _>(any.bind(bound)).await? {
            continue;
        }
        if !std::mem::replace(&mut held, true) {
            session.hold_claims(None, None).await?;
        }
        // Records that somebody else is writing are passed over: nobody waits here, and so nobody deadlocks.
        let sql = Sql::<(SmallInt, Binary)>::new(format!(
            "SELECT r.model, r.key{waiting} ORDER BY r.retry_at LIMIT ? + 0{}",
            S::locking(Lock::UpdateSkipLocked),
        ));
        let sql = sql.bind(bound).bind(i64::try_from(left).unwrap_or(i64::MAX));
        let found: Vec<(i16, Vec<u8>)> = session.load(sql).await?;
        due += make_due(session, found, now.millis()).await?;
    }
    Ok((due, due > 0))
}

/// Makes these records due; returns how many.
async fn make_due<S: Session>(session: &mut S, found: Vec<(i16, Vec<u8>)>, now: i64) -> Result<u64, DbError> {
    let mut keys_of: BTreeMap<i16, Vec<Vec<u8>>> = BTreeMap::new();
    for (model, key) in found {
        keys_of.entry(model).or_default().push(key);
    }
    let mut due = 0;
    for (model, keys) in keys_of {
        let (before, after) = S::KEY_IN;
        let sql = Sql::<()>::new(format!("UPDATE {} AS r SET due_at = {DUE_NOW} WHERE", S::records(model)));
        let sql = sql.bind(now).bind(now).push(before).bind(model).push("SELECT r.key");
        let sql = Filter::of_keys(model, keys).select_from::<S, _>(sql, &Span::all());
        due += session.execute(sql.push(after)).await?;
    }
    Ok(due)
}

/// A look at the records of a model in key order.
pub(super) struct Sweep {
    pub(super) model: i16,
    pub(super) after: Option<Vec<u8>>,
    pub(super) older_than: Duration,
    pub(super) limit: u32,
}

/// Makes old successes pending. Returns where to go on and how many there were, and whether there were any.
pub(super) async fn expire_succeeded<S: Session>(
    session: &mut S,
    sweep: Sweep,
    now: Timestamp,
) -> Result<((Option<RecordKey>, u64), bool), DbError> {
    let mut span = Span::behind(sweep.after.clone());
    let sql = push_model::<S, _>(Sql::<Binary>::new("SELECT r.key"), sweep.model);
    let sql = sql.push(" AND r.key >= ? ORDER BY r.key LIMIT 1 OFFSET ? + 0");
    let sql = sql.bind(span.from.clone()).bind(i64::from(sweep.limit.max(1)) - 1);
    let last: Option<Vec<u8>> = session.first(sql).await?;
    if let Some(last) = &last {
        span.to = key::behind(last.clone());
    }
    let next = last.map(|bytes| key::decode(&bytes)).transpose()?;
    let any = sweep.select_old::<S, _>(Sql::<Bool>::new("SELECT EXISTS (SELECT 1"), &span, now);
    if !session.one::<bool, _>(any.push(")")).await? {
        return Ok(((next, 0), false));
    }
    session.hold_claims(Some(sweep.model), None).await?;
    let (before, after) = S::KEY_IN;
    let sql = Sql::<()>::new(format!(
        "UPDATE {} AS r SET state = {PENDING}, due_at = {DUE_NOW} WHERE",
        S::records(sweep.model)
    ));
    let sql = sql.bind(now.millis()).bind(now.millis()).push(before).bind(sweep.model).push("SELECT r.key");
    let sql = sweep.select_old::<S, _>(sql, &span, now).push(by_key(false)).push(S::locking(Lock::Update));
    let expired = session.execute(sql.push(after)).await?;
    Ok(((next, expired), expired > 0))
}

impl Sweep {
    /// Adds FROM and WHERE: the successes `r` in the span that are old, or in the future.
    fn select_old<D: Dialect, T>(&self, sql: Sql<T>, span: &Span, now: Timestamp) -> Sql<T> {
        let sql = push_in_state::<D, _>(sql, self.model, SUCCEEDED, span);
        // What is marked is due already.
        let sql = sql.push(&format!(" AND NOT {}", marked(Some(self.model))));
        let sql = sql.push(" AND (r.baseline_at < ? OR r.baseline_at > ?)");
        sql.bind(now.before(self.older_than).millis()).bind(now.latest_end(Duration::ZERO).millis())
    }
}

/// Counts due records of the queues that match, leased or not.
pub(super) async fn outstanding<S: Session>(
    session: &mut S,
    scope: ClaimScope,
    at_most: u64,
) -> Result<u64, DbError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let due_from = scope.due_from.unwrap_or(i64::MIN);
    let mut found = 0;
    for queue in claim::queues(session, scope.clone()).await? {
        let counting = || Sql::<BigInt>::new("SELECT COUNT(*) FROM (SELECT 1");
        let sql = push_in_queue::<S, _>(counting(), queue.model, &queue.storage, &Span::all());
        let mut looks = vec![sql.push(" AND r.due_at >= ?").bind(due_from)];
        if marks::read(session, queue.model).await?.is_some_and(|mark| mark.came_at >= due_from) {
            let ranges = Ranges::of_storage(session, queue.model, &queue.storage).await?;
            looks.extend(
                ranges
                    .within(&Span::all())
                    .into_iter()
                    .map(|(storage, range)| push_marked::<S, _>(counting(), queue.model, &storage, &range)),
            );
        }
        for sql in looks {
            let sql = sql.push(" LIMIT ? + 0) AS due").bind(at_most - found);
            found += session.one::<i64, _>(sql).await?;
            if found >= at_most {
                return unsigned(found, "count");
            }
        }
    }
    unsigned(found, "count")
}
