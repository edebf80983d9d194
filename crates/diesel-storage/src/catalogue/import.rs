//! Imports: entries are gathered in a temporary table, which disturbs nobody however slow their source is,
//! and then applied in key order in one transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use diesel::sql_types::{BigInt, Binary, Bool, Nullable};
use futures_util::{FutureExt as _, StreamExt as _};
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{Applied, ImportError, NumberedRecord, SourceRecordStream, StoreError};

use super::upsert::{BATCH, Pair, Upsert};
use crate::adapter::Adapter;
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::STARTED;
use crate::rows::{RECORD, RecordRow, RecordSql, STAGED, StagedRow, StagedSql, unsigned};
use crate::session::{Driver, Private, Session, Work};
use crate::sql::Sql;

/// Gathers and applies.
pub(super) async fn run<D: Driver>(
    adapter: &Adapter<D>,
    model: i16,
    mut entries: SourceRecordStream<'_>,
) -> Result<Applied, ImportError> {
    let mut private = adapter.driver.private().await?;
    private.run(Work::Scratch, |session| session.create_staged().boxed()).await?;
    while let Some(batch) = entries.next().await {
        let batch = batch.map_err(ImportError::Source)?;
        for chunk in batch.chunks(BATCH) {
            let rows = one_of_each(model, chunk, &adapter.encryption)?;
            private.run(Work::Scratch, move |session| Box::pin(session.stage(rows))).await?;
        }
    }
    if let Some(conflict) = private.run(Work::Scratch, |session| Box::pin(first_conflict(session))).await? {
        return Err(conflict_of(conflict)?);
    }
    let encryption = adapter.encryption.clone();
    let apply =
        adapter.timed(move |session, now| Box::pin(apply_all(session, model, now.millis(), encryption)));
    let (applied, due) = private.run(Work::Import, apply).await?;
    if due {
        adapter.driver.wake();
    }
    Ok(applied)
}

/// The rows of these entries in the order of their keys, one of each key.
fn one_of_each(
    model: i16,
    entries: &[NumberedRecord],
    encryption: &Encryption,
) -> Result<Vec<StagedRow>, ImportError> {
    let mut rows: BTreeMap<&RecordKey, StagedRow> = BTreeMap::new();
    for (number, entry) in entries {
        let row = StagedRow::new(model, *number, entry, encryption).map_err(StoreError::from)?;
        match rows.entry(&entry.key) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(first) if first.get().agrees_with(&row) => {}
            Entry::Occupied(first) => {
                return Err(conflict_of((row.key, first.get().number, row.number))?);
            }
        }
    }
    Ok(rows.into_values().collect())
}

/// Key bytes, and the numbers of two entries that say different things of their record.
type Conflict = (Vec<u8>, i64, i64);

/// The first such entry of all that were gathered.
async fn first_conflict<S: Session>(session: &mut S) -> Result<Option<Conflict>, DbError> {
    let text =
        "SELECT key, number, conflict FROM staged WHERE conflict IS NOT NULL ORDER BY conflict LIMIT 1";
    session.first(Sql::<(Binary, BigInt, BigInt)>::new(text)).await
}

fn conflict_of((key, first, second): Conflict) -> Result<ImportError, StoreError> {
    let number = |number| unsigned(number, "the number of an entry");
    Ok(ImportError::Conflict { key: key::decode(&key)?, first: number(first)?, second: number(second)? })
}

/// Applies all that was gathered; also says whether anything became due.
async fn apply_all<S: Session>(
    session: &mut S,
    model: i16,
    now: i64,
    encryption: Encryption,
) -> Result<(Applied, bool), DbError> {
    let mut upsert = Upsert::begin(session, model, false, now, encryption).await?;
    let mut from = Vec::new();
    loop {
        let pairs = next_pairs(session, model, from).await?;
        let Some(last) = pairs.last() else { break };
        from = key::behind(last.entry.key.clone());
        upsert.apply(session, pairs).await?;
    }
    let (applied, due) = upsert.finish(session).await?;
    if due {
        session.announce_work().await?;
    }
    Ok((applied, due))
}

/// The next of what was gathered, from these key bytes on.
async fn next_pairs<S: Session>(session: &mut S, model: i16, from: Vec<u8>) -> Result<Vec<Pair>, DbError> {
    let sql = Sql::<(StagedSql, Nullable<RecordSql>, Bool)>::new(format!(
        "SELECT {staged}, {record}, {STARTED} \
         FROM (SELECT {staged} FROM staged s WHERE s.key >= ? ORDER BY s.key LIMIT ? + 0) AS s \
         LEFT JOIN records r ON r.model = ? AND r.key = s.key ORDER BY s.key",
        staged = *STAGED,
        record = *RECORD,
    ));
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let rows: Vec<(StagedRow, Option<RecordRow>, bool)> =
        session.load(sql.bind(from).bind(limit).bind(model)).await?;
    let pair = |(entry, record, started): (_, Option<_>, _)| Pair {
        entry,
        known: record.map(|record| (record, started)),
    };
    Ok(rows.into_iter().map(pair).collect())
}
