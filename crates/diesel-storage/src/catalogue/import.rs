//! Imports: entries are gathered in a temporary table, which disturbs nobody however slow their source is,
//! and then applied in key order in one transaction.

use diesel::sql_types::{Bool, Nullable};
use futures_util::{FutureExt as _, StreamExt as _};
use stocktake_domain::ports::{Applied, ImportError, SourceRecordStream};

use super::upsert::{BATCH, Pair, Upsert, latest_of_each};
use crate::adapter::Adapter;
use crate::error::DbError;
use crate::key;
use crate::queries::STARTED;
use crate::rows::{RECORD, RecordRow, RecordSql, STAGED, StagedRow, StagedSql};
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
            let rows = latest_of_each(chunk).map_err(stocktake_domain::ports::StoreError::from)?;
            private.run(Work::Scratch, move |session| Box::pin(session.stage(rows))).await?;
        }
    }
    let apply = adapter.timed(move |session, now| Box::pin(apply_all(session, model, now.millis())));
    let (applied, due) = private.run(Work::Import, apply).await?;
    if due {
        adapter.driver.wake();
    }
    Ok(applied)
}

/// Applies all that was gathered; also says whether anything became due.
async fn apply_all<S: Session>(session: &mut S, model: i16, now: i64) -> Result<(Applied, bool), DbError> {
    let mut upsert = Upsert::begin(session, model, false, now).await?;
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
