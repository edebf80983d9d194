//! Accepting content, and taking that back. The record and what is kept of its acceptance change in one transaction, so that
//! no moment has one without the other.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use stocktake_domain::{Acceptance, Record, RowPart, Status, Timestamp};

use super::{get, locked, row};
use crate::columns::all_of;
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::marks;
use crate::queue::recalculate;
use crate::rows::{AcceptanceRow, AcceptedColumns, NewAcceptanceRow};
use crate::schema::acceptances;
use crate::session::{Marking, Session};
use crate::span::Span;

/// Accepts content of a record; `None` if there is no such record.
pub(super) async fn accept<S: Session>(
    session: &mut S,
    (model, key): (i16, Vec<u8>),
    accepted: AcceptedColumns,
    now: i64,
    encryption: Encryption,
) -> Result<Option<Record>, DbError> {
    session.lock_marking(model, Marking::Answer).await?;
    let Some((mut row, seen)) = locked(session, model, key.clone()).await? else { return Ok(None) };
    if row.is_damaged(RowPart::Baseline) {
        row.forget(RowPart::Baseline);
    }
    let (checksum, size) = (accepted.checksum()?, accepted.size());
    let status = row.status(seen)?;
    if row.accepted && checksum.is_some_and(|checksum| status.is_good_with(checksum)) {
        return get(session, model, key, encryption).await;
    }
    let kept = NewAcceptanceRow::new(&row, accepted, now);
    session.execute(diesel::insert_into(acceptances::table).values(kept)).await?;
    if let Some(checksum) = checksum {
        let good = status.accept(checksum, Timestamp::from_millis(now));
        row.set_baseline(good.history().baseline);
        row.set_status(&Status::Succeeded(good), now)?;
        row.accepted = true;
        row.source.file_size = size.or(row.source.file_size);
    } else {
        row.set_status(&status.disable(), now)?;
    }
    let (mark, storage) = (marks::read(session, model).await?, row.source.storage.clone());
    row.answer(mark.map_or(0, |mark| mark.number));
    session.write_records(vec![row.sealed()]).await?;
    if let Some(mark) = mark {
        marks::settle(session, (model, &storage), mark, Span::closed(key.clone(), key.clone())).await?;
    }
    get(session, model, key, encryption).await
}

/// Takes back the last acceptance that stands; also says whether there was one, since the record is due then. `None` if there
/// is no such record, or nothing of it is accepted.
pub(super) async fn take_back<S: Session>(
    session: &mut S,
    (model, key): (i16, Vec<u8>),
    (by, reason): (String, Option<String>),
    now: i64,
    encryption: Encryption,
) -> Result<(Option<Record>, bool), DbError> {
    // Whoever makes records due holds the claims before it locks a record.
    let Some((known, _)) = row(session, model, key.clone()).await? else { return Ok((None, false)) };
    session.hold_claims(Some(model), Some(known.source.storage)).await?;
    let Some((now_is, _)) = locked(session, model, key.clone()).await? else { return Ok((None, false)) };
    let is_off = now_is.is_off();
    let standing = acceptances::table
        .filter(acceptances::model.eq(model))
        .filter(acceptances::key.eq(key.clone()))
        .filter(acceptances::undone_at.is_null())
        .order(acceptances::id.desc());
    let standing: Option<AcceptanceRow> = if is_off {
        session.first(standing.limit(1).select(all_of::<AcceptanceRow>())).await?
    } else {
        // One that retired it was overruled by whoever switched it on again.
        let of_content = standing.filter(acceptances::checksum.ne(Vec::new()));
        session.first(of_content.limit(1).select(all_of::<AcceptanceRow>())).await?
    };
    let standing = standing.filter(|standing| now_is.accepted || standing.is_of_absence());
    let Some(standing) = standing else { return Ok((None, false)) };
    let undone = (
        acceptances::undone_at.eq(Some(now)),
        acceptances::undone_by.eq(Some(by)),
        acceptances::undone_reason.eq(reason),
    );
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
