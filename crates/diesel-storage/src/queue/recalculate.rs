//! Recalculation of records by their rows: `Status::recalculate` in SQL.

use std::sync::LazyLock;

use diesel::sql_types::{Binary, Text};
use stocktake_domain::Selection;
use stocktake_domain::ports::SCANNED_FOR_EACH;

use crate::dialect::Dialect;
use crate::error::DbError;
use crate::key;
use crate::queries::{DUE_NOW, Filter, First, next_attempt, push_keys_in, push_one};
use crate::rows::{DISABLED, PENDING};
use crate::scanning::Scan;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// What follows a condition: only records that are switched on.
static SWITCHED_ON: LazyLock<String> = LazyLock::new(|| format!(" AND r.state <> {DISABLED}"));

/// Recalculates one record; false if there is none.
pub(crate) async fn one<S: Session>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
    now: i64,
) -> Result<bool, DbError> {
    let sql = push_one::<S, _>(Sql::<Text>::new("SELECT r.storage"), model, key.clone());
    let storage: Option<String> = session.first(sql).await?;
    let Some(storage) = storage else { return Ok(false) };
    session.hold_claims(Some(model), Some(storage)).await?;
    let sql = recalculation::<S>(model, now).push(" WHERE r.model = ? AND r.key = ?").bind(model).bind(key);
    Ok(session.execute(sql).await? > 0)
}

/// Recalculates the records of a batch, or with a share so many of a million of them; returns how many.
pub(crate) async fn matching<S: Session>(
    session: &mut S,
    Batch { filter, span, .. }: &Batch,
    share: Option<u32>,
    now: i64,
) -> Result<u64, DbError> {
    let sql = recalculation_of_many::<S>(filter.model, span, now);
    if share.is_none() && filter.is_all() {
        let sql = sql.push(" WHERE r.model = ?").bind(filter.model).push(&SWITCHED_ON);
        return session.execute(push_keys_in(sql, span)).await;
    }
    // A query of its own names the keys: it may join, which an UPDATE may not do alike in both databases.
    let (before, after) = S::KEY_IN;
    let sql = sql.push(" WHERE").push(before).bind(filter.model);
    let mut sql = filter.select_from::<S, _>(sql.push("SELECT r.key"), span);
    if !filter.recalculates_disabled() {
        sql = sql.push(&SWITCHED_ON);
    }
    if let Some(share) = share {
        sql = sql.push(" AND ").push(S::LOT).push(" < ?").bind(i32::try_from(share).unwrap_or(i32::MAX));
    }
    session.execute(sql.push(after)).await
}

/// Recalculates the next records of a selection behind a key; returns the key to go on behind, and how many records those were.
pub(crate) async fn next<S: Session>(
    session: &mut S,
    (model, selection, share): (i16, Selection, Option<u32>),
    after: Option<Vec<u8>>,
    limit: u32,
    now: i64,
) -> Result<(Option<Vec<u8>>, u64), DbError> {
    let batch = Batch::next(session, model, &selection, after, limit).await?;
    session.hold_claims(Some(model), None).await?;
    let marked = matching(session, &batch, share, now).await?;
    Ok((batch.next, marked))
}

/// Records of a selection that are recalculated at once.
pub(crate) struct Batch {
    filter: Filter,
    span: Span,
    /// The key to go on behind; `None` at the end.
    pub(crate) next: Option<Vec<u8>>,
}

impl Batch {
    /// The next records of a selection behind a key. The batches follow the keys, so that each record is come to
    /// once, whatever its marking does to its state.
    pub(crate) async fn next<S: Session>(
        session: &mut S,
        model: i16,
        selection: &Selection,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<Self, DbError> {
        let filter = Filter::new(model, selection).looking(session).await?;
        let span = Span::behind(after);
        if let Some(keys) = filter.keys() {
            let ahead = keys.get(keys.partition_point(|key| *key < span.from)..).unwrap_or_default();
            let taken = ahead.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
            let (batch, rest) = ahead.split_at(taken);
            let next = batch.last().filter(|_| !rest.is_empty()).cloned();
            return Ok(Self { filter: filter.with_keys(batch), span, next });
        }
        let most = u64::from(limit) * u64::from(SCANNED_FOR_EACH);
        let Scan { mut span, stop } = Scan::within(session, &filter, span, false, most).await?;
        let first = First { rows: i64::from(limit) + 1, descending: false };
        let sql = filter.select_first::<S, _>(Sql::<Binary>::new("SELECT r.key"), &span, first);
        let sql = sql.push(" LIMIT 2 OFFSET ? + 0").bind(i64::from(limit) - 1);
        let bounds: Vec<Vec<u8>> = session.load(sql).await?;
        let next = match bounds.as_slice() {
            [last, _] => Some(last.clone()),
            _ => stop,
        };
        if let Some(last) = &next {
            span.to = key::behind(last.clone());
        }
        Ok(Self { filter, span, next })
    }
}

/// `UPDATE … AS r SET …`, as an administrator's demand changes a record of the model.
fn recalculation<D: Dialect>(model: i16, now: i64) -> Sql {
    let sql = Sql::new(format!(
        "UPDATE {} AS r SET attempt = {}, state = ?, due_at = {DUE_NOW}, retry_at = NULL",
        D::records(model),
        next_attempt(model)
    ));
    sql.bind(PENDING).bind(now).bind(now)
}

/// The same of records with a key in the span. Whether any lease covers any of them is asked once, and only if one does is it
/// asked of each.
fn recalculation_of_many<D: Dialect>(model: i16, span: &Span, now: i64) -> Sql {
    const LEASED: &str =
        "EXISTS (SELECT 1 FROM leases o WHERE o.model = ? AND o.first_key < ? AND o.last_key >= ?)";
    let of_span = |sql: Sql| sql.bind(model).bind(span.to.clone()).bind(span.from.clone());
    let table = D::records(model);
    let sql = of_span(Sql::new(format!("UPDATE {table} AS r SET attempt = CASE WHEN {LEASED}")));
    let sql =
        sql.push(&format!(" THEN {} ELSE r.attempt + 1 END, state = ?", next_attempt(model))).bind(PENDING);
    let sql = of_span(sql.push(&format!(", due_at = CASE WHEN {LEASED}")));
    let sql = sql.push(&format!(" THEN {DUE_NOW} ELSE ? END, retry_at = NULL"));
    sql.bind(now).bind(now).bind(now)
}
