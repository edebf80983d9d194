//! Accepting content, and taking that back. The record and what is kept of its acceptance change in one transaction, so that
//! no moment has one without the other.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use stocktake_domain::{Acceptance, Record, RowPart, Status, Timestamp};

use super::{get, locked, row};
use crate::columns::all_of;
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::queue::recalculate;
use crate::rows::{AcceptanceRow, AcceptedColumns, NewAcceptanceRow, digest_of};
use crate::schema::acceptances;
use crate::session::Session;

/// Accepts content of a record; `None` if there is no such record.
pub(super) async fn accept<S: Session>(
    session: &mut S,
    (model, key): (i16, Vec<u8>),
    accepted: AcceptedColumns,
    now: i64,
    encryption: Encryption,
) -> Result<Option<Record>, DbError> {
    let Some((mut row, started)) = locked(session, model, key.clone()).await? else { return Ok(None) };
    if row.is_damaged(RowPart::Baseline) {
        row.forget(RowPart::Baseline);
    }
    let (checksum, size) = (digest_of(accepted.checksum())?, accepted.size());
    let kept = NewAcceptanceRow::new(&row, accepted, now);
    session.execute(diesel::insert_into(acceptances::table).values(kept)).await?;
    let good = row.status(started)?.accept(checksum, Timestamp::from_millis(now));
    row.set_baseline(good.history().baseline);
    row.set_status(&Status::Succeeded(good), now)?;
    row.accepted = true;
    row.source.file_size = size.or(row.source.file_size);
    session.write_records(vec![row.sealed()]).await?;
    get(session, model, key, encryption).await
}

/// Takes back the last acceptance that stands; also says whether there was one, since the record is due then. `None` if there
/// is no such record, or nothing of it is accepted.
pub(super) async fn take_back<S: Session>(
    session: &mut S,
    (model, key): (i16, Vec<u8>),
    by: String,
    now: i64,
    encryption: Encryption,
) -> Result<(Option<Record>, bool), DbError> {
    // Whoever makes records due holds the claims before it locks a record.
    let Some((known, _)) = row(session, model, key.clone()).await? else { return Ok((None, false)) };
    session.hold_claims(Some(model), Some(known.source.storage)).await?;
    let accepted = locked(session, model, key.clone()).await?.is_some_and(|(row, _)| row.accepted);
    let standing = acceptances::table
        .filter(acceptances::model.eq(model))
        .filter(acceptances::key.eq(key.clone()))
        .filter(acceptances::undone_at.is_null())
        .order(acceptances::id.desc());
    let standing: Option<AcceptanceRow> =
        session.first(standing.limit(1).select(all_of::<AcceptanceRow>())).await?;
    let Some(standing) = standing.filter(|_| accepted) else { return Ok((None, false)) };
    let undone = (acceptances::undone_at.eq(Some(now)), acceptances::undone_by.eq(Some(by)));
    session.execute(diesel::update(acceptances::table.find(standing.id)).set(undone)).await?;
    recalculate::one(session, model, key.clone(), now).await?;
    if let Some((mut due, _)) = row(session, model, key.clone()).await? {
        standing.replaced.put_back(&mut due)?;
        session.write_records(vec![due.sealed()]).await?;
    }
    Ok((get(session, model, key, encryption).await?, true))
}

/// The acceptances of a record, the last one first.
pub(super) async fn list<S: Session>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
) -> Result<Vec<Acceptance>, DbError> {
    let query = acceptances::table
        .filter(acceptances::model.eq(model))
        .filter(acceptances::key.eq(key))
        .order(acceptances::id.desc())
        .select(all_of::<AcceptanceRow>());
    let rows: Vec<AcceptanceRow> = session.load(query).await?;
    rows.into_iter().map(AcceptanceRow::into_acceptance).collect()
}
