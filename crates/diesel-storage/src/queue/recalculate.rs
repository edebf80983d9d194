//! Marking records for recalculation: `Status::recalculate` in SQL.

use diesel::sql_types::Text;

use crate::error::DbError;
use crate::queries::{DUE_NOW, Filter, NEXT_ATTEMPT, Span};
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

/// Marks the records that match, with a key in the span; returns how many.
pub(crate) async fn matching<S: Session>(
    session: &mut S,
    filter: &Filter,
    span: &Span,
    now: i64,
) -> Result<u64, DbError> {
    // A query of its own names the keys: it may join, which an UPDATE may not do alike in both databases.
    let (before, after) = S::KEY_IN;
    let sql = recalculation(now).push(" WHERE").push(before).bind(filter.model);
    let sql = filter.select_from::<S, _>(sql.push("SELECT r.key"), span);
    session.execute(sql.push(after)).await
}

/// `UPDATE records AS r SET …`, as an administrator's demand changes a record.
fn recalculation(now: i64) -> Sql {
    let sql = Sql::new(format!(
        "UPDATE records AS r SET attempt = {NEXT_ATTEMPT}, state = ?, due_at = {DUE_NOW}, retry_at = NULL"
    ));
    sql.bind(PENDING).bind(now).bind(now)
}
