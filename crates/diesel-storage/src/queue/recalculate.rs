//! Marking records for recalculation: `Status::recalculate` in SQL.

use diesel::sql_types::{Binary, Bool, Text};
use stocktake_domain::Selection;

use crate::error::DbError;
use crate::key;
use crate::queries::{DUE_NOW, Filter, NEXT_ATTEMPT, Span, by_key, push_keys_in};
use crate::rows::PENDING;
use crate::session::Session;
use crate::sql::Sql;

/// Marks one record; false if there is none.
pub(crate) async fn one<S: Session>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
    now: i64,
) -> Result<bool, DbError> {
    let sql = Sql::<Text>::new("SELECT r.storage FROM records r WHERE r.model = ? AND r.key = ?");
    let storage: Option<String> = session.first(sql.bind(model).bind(key.clone())).await?;
    let Some(storage) = storage else { return Ok(false) };
    session.hold_claims(Some(model), Some(storage)).await?;
    let sql = recalculation(now).push(" WHERE r.model = ? AND r.key = ?").bind(model).bind(key);
    Ok(session.execute(sql).await? > 0)
}

/// Marks the records of a batch, or with a share so many of a million of them; returns how many.
pub(crate) async fn matching<S: Session>(
    session: &mut S,
    Batch { filter, span, .. }: &Batch,
    share: Option<u32>,
    now: i64,
) -> Result<u64, DbError> {
    // Claims are held: where no lease is now, there is none that a record could have to become due after.
    let sql = if is_leased(session, filter.model, span).await? { recalculation(now) } else { unleased(now) };
    if share.is_none() && filter.is_all() {
        let sql = sql.push(" WHERE r.model = ?").bind(filter.model);
        return session.execute(push_keys_in(sql, span)).await;
    }
    // A query of its own names the keys: it may join, which an UPDATE may not do alike in both databases.
    let (before, after) = S::KEY_IN;
    let sql = sql.push(" WHERE").push(before).bind(filter.model);
    let mut sql = filter.select_from::<S, _>(sql.push("SELECT r.key"), span);
    if let Some(share) = share {
        sql = sql.push(" AND ").push(S::LOT).push(" < ?").bind(i32::try_from(share).unwrap_or(i32::MAX));
    }
    session.execute(sql.push(after)).await
}

/// Whether any lease covers a key of the span.
async fn is_leased<S: Session>(session: &mut S, model: i16, span: &Span) -> Result<bool, DbError> {
    let sql = Sql::<Bool>::new(
        "SELECT EXISTS (SELECT 1 FROM leases l WHERE l.model = ? AND l.first_key < ? AND l.last_key >= ?)",
    );
    session.one(sql.bind(model).bind(span.to.clone()).bind(span.from.clone())).await
}

/// Marks the next records of a selection behind a key; returns the key to go on behind, and how many were marked.
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

/// Records of a selection that are marked at once.
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
        let filter = Filter::new(model, selection);
        let mut span = Span::behind(after);
        if let Some(keys) = filter.keys() {
            let ahead = keys.get(keys.partition_point(|key| *key < span.from)..).unwrap_or_default();
            let taken = ahead.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
            let (batch, rest) = ahead.split_at(taken);
            let next = batch.last().filter(|_| !rest.is_empty()).cloned();
            return Ok(Self { filter: filter.with_keys(batch), span, next });
        }
        let sql = filter.select_from::<S, _>(Sql::<Binary>::new("SELECT r.key"), &span);
        let sql = sql.push(by_key(false)).push(" LIMIT 2 OFFSET ? + 0").bind(i64::from(limit) - 1);
        let bounds: Vec<Vec<u8>> = session.load(sql).await?;
        let next = match bounds.as_slice() {
            [last, _] => Some(last.clone()),
            _ => None,
        };
        if let Some(last) = &next {
            span.to = key::behind(last.clone());
        }
        Ok(Self { filter, span, next })
    }
}

/// `UPDATE records AS r SET …`, as an administrator's demand changes a record.
fn recalculation(now: i64) -> Sql {
    let sql = Sql::new(format!(
        "UPDATE records AS r SET attempt = {NEXT_ATTEMPT}, state = ?, due_at = {DUE_NOW}, retry_at = NULL"
    ));
    sql.bind(PENDING).bind(now).bind(now)
}

/// The same of a record that no lease covers, without a look at the leases for each.
fn unleased(now: i64) -> Sql {
    let sql =
        Sql::new("UPDATE records AS r SET attempt = r.attempt + 1, state = ?, due_at = ?, retry_at = NULL");
    sql.bind(PENDING).bind(now)
}
