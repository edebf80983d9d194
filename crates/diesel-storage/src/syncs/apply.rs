//! Applying a piece of what a source says, in one transaction with how far the sync then is.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Binary, Bool, SmallInt};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{StoreError, SyncApplied, SyncPiece, SyncState, WorkerId};

use crate::catalogue::changes::{BATCH, Changes, Pair, latest_of_each};
use crate::error::Fault;
use crate::key;
use crate::queries::{Filter, RECORD, STARTED, Span, by_key, push_keys_in};
use crate::rows::{RecordRow, StagedRow, SyncRow, storable, unsigned};
use crate::schema::{records, syncs};
use crate::session::Session;
use crate::sql::Sql;

/// Records looked at for deletion at once.
const DELETED_AT_ONCE: usize = 5000;

/// A piece to be applied.
pub(super) struct Piece {
    holder: String,
    /// In the order of their keys, each key once.
    entries: Vec<StagedRow>,
    /// The keys of which the entries are all, and the most records to be deleted there.
    all_of: Option<(Span, u64)>,
    state: SyncRow,
    now: i64,
}

impl Piece {
    pub(super) fn new(
        holder: &WorkerId,
        piece: &SyncPiece,
        state: &SyncState,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let all_of = piece.all_of.as_ref().map(|all_of| {
            let mut span = Span::behind(all_of.after.as_ref().map(key::encode));
            if let Some(to) = &all_of.to {
                span.to = key::behind(key::encode(to));
            }
            (span, all_of.most_deleted)
        });
        Ok(Self {
            holder: storable(&holder.0, "holder")?,
            entries: latest_of_each(&piece.entries)?,
            all_of,
            state: SyncRow::new(state)?,
            now: now.millis(),
        })
    }
}

/// Applies; also says whether anything became due.
pub(super) async fn run<S: Session>(
    session: &mut S,
    piece: Piece,
) -> Result<(Option<SyncApplied>, bool), Fault> {
    let Piece { holder, entries, all_of, state, now } = piece;
    let model = state.model;
    if entries.is_empty() && all_of.is_none() {
        // Only the state: that waits for no import.
        let held = holds(session, holder, now).await?;
        if held {
            keep(session, state).await?;
        }
        return Ok((held.then(SyncApplied::default), false));
    }
    // First the model, then the sync: who waits here for an import may lose the sync meanwhile, and then sees it.
    let mut changes = Changes::begin(session, model, true, now).await?;
    if !holds(session, holder, now).await? {
        return Ok((None, false));
    }
    let pairs = pairs(session, model, entries).await?;
    let (mut deleted, mut kept) = (0, 0);
    if let Some((span, most)) = all_of {
        let gone = gone(session, model, &span, &pairs).await?;
        if gone > most {
            kept = gone;
        } else if gone > 0 {
            deleted = delete(session, model, span, &pairs).await?;
        }
    }
    let mut rest = pairs.into_iter();
    while rest.len() > 0 {
        changes.apply(session, rest.by_ref().take(BATCH).collect()).await?;
    }
    keep(session, state).await?;
    let (applied, due) = changes.finish(session).await?;
    Ok((Some(SyncApplied { applied, deleted, kept }), due))
}

/// Whether this is who holds the sync; if so, until the transaction ends.
async fn holds<S: Session>(session: &mut S, holder: String, now: i64) -> Result<bool, Fault> {
    let sql = Sql::<SmallInt>::new(
        "SELECT h.id FROM sync_holder h WHERE h.id = 1 AND h.holder = ? AND h.held_until > ?",
    );
    let sql = sql.push(S::DIALECT.for_key_share()).bind(holder).bind(now);
    Ok(session.first::<i16, _>(sql).await?.is_some())
}

/// The entries, each with the record it is about.
async fn pairs<S: Session>(session: &mut S, model: i16, entries: Vec<StagedRow>) -> Result<Vec<Pair>, Fault> {
    let mut pairs = Vec::with_capacity(entries.len());
    let mut rest = entries.into_iter();
    while rest.len() > 0 {
        let batch: Vec<StagedRow> = rest.by_ref().take(BATCH).collect();
        let keys = batch.iter().map(|entry| entry.key.clone()).collect();
        let sql = Sql::<(records::SqlType, Bool)>::new(format!("SELECT {RECORD}, {STARTED}"));
        let sql = Filter::of_keys(model, keys).select_from(sql, S::DIALECT, &Span::all());
        let rows: Vec<(RecordRow, bool)> = session.load(sql).await?;
        let mut known: BTreeMap<Vec<u8>, (RecordRow, bool)> =
            rows.into_iter().map(|(row, started)| (row.key.clone(), (row, started))).collect();
        pairs.extend(batch.into_iter().map(|entry| Pair { known: known.remove(&entry.key), entry }));
    }
    Ok(pairs)
}

/// How many records of the span are the source's without being among its entries.
async fn gone<S: Session>(session: &mut S, model: i16, span: &Span, pairs: &[Pair]) -> Result<u64, Fault> {
    let sql = from_source(Sql::<BigInt>::new("SELECT COUNT(*)"), model, span);
    let there = unsigned(session.one(sql).await?, "count")?;
    let known = pairs.iter().filter(|pair| {
        span.holds(&pair.entry.key) && pair.known.as_ref().is_some_and(|(record, _)| record.from_source)
    });
    let known = u64::try_from(known.count()).unwrap_or(u64::MAX);
    Ok(there.saturating_sub(known))
}

/// Adds FROM and WHERE: the source's records with a key in the span.
fn from_source<T>(sql: Sql<T>, model: i16, span: &Span) -> Sql<T> {
    push_keys_in(sql.push(" FROM records r WHERE r.from_source AND r.model = ?").bind(model), span)
}

/// Deletes the source's records of the span that are not among its entries; returns how many. What lies between
/// two that stay goes by its range, which no planner can find in another way.
async fn delete<S: Session>(
    session: &mut S,
    model: i16,
    mut span: Span,
    pairs: &[Pair],
) -> Result<u64, Fault> {
    lock(session, model, &span).await?;
    let mut deleted = 0;
    loop {
        let sql = from_source(Sql::<Binary>::new("SELECT r.key"), model, &span).push(by_key(false));
        let limit = i64::try_from(DELETED_AT_ONCE).unwrap_or(i64::MAX);
        let keys: Vec<Vec<u8>> = session.load(sql.push(" LIMIT ? + 0").bind(limit)).await?;
        let Some(last) = keys.last() else { return Ok(deleted) };
        span.from = key::behind(last.clone());
        for run in keys.split(|key| pairs.binary_search_by(|pair| pair.entry.key.cmp(key)).is_ok()) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let run = Span { from: first.clone(), to: key::behind(last.clone()) };
            let sql =
                Sql::<()>::new("DELETE FROM records AS r WHERE r.from_source AND r.model = ?").bind(model);
            deleted += session.execute(push_keys_in(sql, &run)).await?;
        }
    }
}

/// Locks the records of the span before any of them is deleted or changed: in the order of their keys, as everybody
/// does, which the one and the other in turns would not be.
async fn lock<S: Session>(session: &mut S, model: i16, span: &Span) -> Result<(), Fault> {
    if S::DIALECT.for_update().is_empty() {
        return Ok(());
    }
    let sql = Sql::<BigInt>::new("SELECT COUNT(*) FROM (SELECT 1 FROM records r WHERE r.model = ?");
    let sql = push_keys_in(sql.bind(model), span).push(by_key(false)).push(S::DIALECT.for_update());
    session.one::<i64, _>(sql.push(") AS locked")).await?;
    Ok(())
}

/// Keeps how far the sync is.
async fn keep<S: Session>(session: &mut S, state: SyncRow) -> Result<(), Fault> {
    let insert = diesel::insert_into(syncs::table).values(state.clone());
    session.execute(insert.on_conflict(syncs::model).do_update().set(state)).await?;
    Ok(())
}
