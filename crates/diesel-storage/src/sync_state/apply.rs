//! Applies a batch of what a source says, in one transaction with the progress of the sync.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Binary, SmallInt};
use stocktake_domain::ports::{ModelSyncState, StoreError, SyncApplied, SyncBatch, WorkerId};

use crate::catalogue::upsert::{BATCH, Pair, Upsert, has_none_between, latest_of_each};
use crate::dialect::{Dialect, Lock};
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::{Filter, by_key, push_keys_in, push_model, seen};
use crate::rows::{RECORD, RecordRow, RecordSql, Seen, StagedRow, SyncRow, model_code, storable, unsigned};
use crate::schema::sync_states;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Records looked at for deletion at once.
const DELETED_AT_ONCE: usize = 5000;

/// A batch to be applied.
pub(super) struct Batch {
    leader: String,
    /// In the order of their keys, each key once.
    records: Vec<StagedRow>,
    /// The keys of which the records are all, and the most records to be deleted there.
    scanned_range: Option<(Span, u64)>,
    state: SyncRow,
    encryption: Encryption,
}

impl Batch {
    pub(super) fn new(
        instance: &WorkerId,
        batch: &SyncBatch,
        state: &ModelSyncState,
        encryption: Encryption,
    ) -> Result<Self, StoreError> {
        let scanned_range = batch.scanned_range.as_ref().map(|range| {
            let mut span = Span::behind(range.after.as_ref().map(key::encode));
            if let Some(to) = &range.to {
                span.to = key::behind(key::encode(to));
            }
            (span, range.most_deleted)
        });
        Ok(Self {
            leader: storable(&instance.0, "leader")?,
            records: latest_of_each(model_code(state.model), &batch.records, &encryption)?,
            scanned_range,
            state: SyncRow::new(state)?,
            encryption,
        })
    }
}

/// Applies; also says whether anything became due.
pub(super) async fn run<S: Session>(
    session: &mut S,
    batch: Batch,
    now: i64,
) -> Result<(Option<SyncApplied>, bool), DbError> {
    let Batch { leader, records: entries, scanned_range, mut state, encryption } = batch;
    let model = state.model;
    if entries.is_empty() && scanned_range.is_none() {
        // Only the state: that waits for no import.
        let leads = leads(session, leader, now).await?;
        if leads {
            keep(session, state).await?;
        }
        return Ok((leads.then(SyncApplied::default), false));
    }
    // First the model, then the sync: a process that waits here for an import may lose the lease meanwhile, and notices it next.
    let mut upsert = Upsert::begin(session, model, true, now, encryption).await?;
    if !leads(session, leader, now).await? {
        return Ok((None, false));
    }
    let pairs = pairs(session, model, entries).await?;
    let (mut deleted, mut kept) = (0, 0);
    if let Some((span, most)) = scanned_range {
        let gone = gone(session, model, &span, &pairs).await?;
        if gone > most {
            kept = gone;
        } else if gone > 0 {
            deleted = delete(session, model, span, &pairs).await?;
        }
    }
    let mut rest = pairs.into_iter();
    while rest.len() > 0 {
        upsert.apply(session, rest.by_ref().take(BATCH).collect()).await?;
    }
    let (applied, due) = upsert.finish(session).await?;
    state.count(&applied);
    keep(session, state).await?;
    Ok((Some(SyncApplied { applied, deleted, kept }), due))
}

/// Whether this is the leader; if so, until the transaction ends.
async fn leads<S: Session>(session: &mut S, leader: String, now: i64) -> Result<bool, DbError> {
    let sql = Sql::<SmallInt>::new(
        "SELECT h.id FROM sync_leader h WHERE h.id = 1 AND h.leader = ? AND h.lease_until > ?",
    );
    let sql = sql.push(S::locking(Lock::KeyShare)).bind(leader).bind(now);
    Ok(session.first::<i16, _>(sql).await?.is_some())
}

/// The entries, each with the record it is about.
async fn pairs<S: Session>(
    session: &mut S,
    model: i16,
    entries: Vec<StagedRow>,
) -> Result<Vec<Pair>, DbError> {
    if let (Some(first), Some(last)) = (entries.first(), entries.last())
        && has_none_between(session, model, first.key.clone(), last.key.clone()).await?
    {
        return Ok(entries.into_iter().map(|entry| Pair { entry, known: None }).collect());
    }
    let mut pairs = Vec::with_capacity(entries.len());
    let mut rest = entries.into_iter();
    while rest.len() > 0 {
        let batch: Vec<StagedRow> = rest.by_ref().take(BATCH).collect();
        let keys = batch.iter().map(|entry| entry.key.clone()).collect();
        let sql = Sql::<(RecordSql, SmallInt)>::new(format!("SELECT {}, {}", *RECORD, seen(Some(model))));
        let sql = Filter::of_keys(model, keys).select_from::<S, _>(sql, &Span::all());
        let rows: Vec<(RecordRow, Seen)> = session.load(sql).await?;
        let mut known: BTreeMap<Vec<u8>, (RecordRow, Seen)> =
            rows.into_iter().map(|(row, seen)| (row.key.clone(), (row, seen))).collect();
        pairs.extend(batch.into_iter().map(|entry| Pair { known: known.remove(&entry.key), entry }));
    }
    Ok(pairs)
}

/// How many records of the span are the source's without being among its entries.
async fn gone<S: Session>(session: &mut S, model: i16, span: &Span, pairs: &[Pair]) -> Result<u64, DbError> {
    let sql = from_source::<S, _>(Sql::<BigInt>::new("SELECT COUNT(*)"), model, span);
    let there = unsigned(session.one(sql).await?, "count")?;
    let known = pairs.iter().filter(|pair| {
        span.holds(&pair.entry.key) && pair.known.as_ref().is_some_and(|(record, _)| record.from_source)
    });
    let known = u64::try_from(known.count()).unwrap_or(u64::MAX);
    Ok(there.saturating_sub(known))
}

/// Adds FROM and WHERE: the source's records with a key in the span.
fn from_source<D: Dialect, T>(sql: Sql<T>, model: i16, span: &Span) -> Sql<T> {
    push_keys_in(push_model::<D, _>(sql, model).push(" AND r.from_source"), span)
}

/// Deletes the source's records of the span that are not among its entries; returns how many. What lies between
/// two that stay goes by its range, which no planner can find in another way.
async fn delete<S: Session>(
    session: &mut S,
    model: i16,
    mut span: Span,
    pairs: &[Pair],
) -> Result<u64, DbError> {
    session.lock_span(model, None, span.clone()).await?;
    let mut deleted = 0;
    loop {
        let sql = from_source::<S, _>(Sql::<Binary>::new("SELECT r.key"), model, &span).push(by_key(false));
        let limit = i64::try_from(DELETED_AT_ONCE).unwrap_or(i64::MAX);
        let keys: Vec<Vec<u8>> = session.load(sql.push(" LIMIT ? + 0").bind(limit)).await?;
        let Some(last) = keys.last() else { return Ok(deleted) };
        span.from = key::behind(last.clone());
        for run in keys.split(|key| pairs.binary_search_by(|pair| pair.entry.key.cmp(key)).is_ok()) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let run = Span { from: first.clone(), to: key::behind(last.clone()) };
            deleted += session.execute(from_source::<S, _>(Sql::<()>::new("DELETE"), model, &run)).await?;
        }
    }
}

/// Keeps how far the sync is.
async fn keep<S: Session>(session: &mut S, state: SyncRow) -> Result<(), DbError> {
    let insert = diesel::insert_into(sync_states::table).values(state.clone());
    session.execute(insert.on_conflict(sync_states::model).do_update().set(state)).await?;
    Ok(())
}
