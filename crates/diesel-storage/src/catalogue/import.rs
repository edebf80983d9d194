//! Imports: entries are gathered in a temporary table, which disturbs nobody however slow their source is,
//! and then applied in key order in one transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;

use diesel::sql_types::{BigInt, Binary, SmallInt};
use futures_util::{FutureExt as _, StreamExt as _};
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{
    Applied, ImportError, NumberedRecord, ScanBasis, SourceRecordStream, StoreError, numbered_behind,
};

use super::upsert::{BATCH, Pair, Upsert};
use super::{largest_key, largest_key_in};
use crate::adapter::Adapter;
use crate::columns::{Row as _, list_of};
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::seen;
use crate::rows::{
    DISABLED, RECORD, RecordRow, RecordSql, STAGED, Seen, SourceColumns, StagedRow, StagedSql, unsigned,
};
use crate::session::{Driver, Private, Session, Work};
use crate::span::Span;
use crate::sql::Sql;

/// Whether the staged entry `s` may say something else than the record `r`: false only if both are the same in each field
/// and the record is as it was written.
static MAY_DIFFER: LazyLock<String> = LazyLock::new(|| {
    let of = |alias: &str| list_of(&SourceColumns::columns(), |column| format!("{alias}.{}", column.name));
    format!(
        "(r.accepted OR s.disabled <> (r.state = {DISABLED}) \
         OR (s.recorded_check, {}) IS DISTINCT FROM (r.recorded_check, {}))",
        of("s"),
        of("r"),
    )
});

/// Gathers and applies.
pub(super) async fn run<D: Driver>(
    adapter: &Adapter<D>,
    model: i16,
    basis: Option<&ScanBasis>,
    mut entries: SourceRecordStream<'_>,
) -> Result<Applied, ImportError> {
    let mut private = adapter.driver.private().await?;
    private.run(Work::Scratch, |session| session.create_staged().boxed()).await?;
    let mut next = entries.next().await;
    while let Some(batch) = next {
        let batch = batch.map_err(ImportError::Source)?;
        // The source makes the next batch while the database takes this one, and is not waited for if that fails.
        let following = async { Ok(entries.next().await) };
        ((), next) = tokio::try_join!(stage(&mut private, adapter, model, &batch), following)?;
    }
    if let Some(conflict) = private.run(Work::Scratch, |session| Box::pin(first_conflict(session))).await? {
        return Err(conflict_of(conflict)?);
    }
    let encryption = adapter.encryption.clone();
    let of_scan = basis.cloned();
    let apply = adapter
        .timed(move |session, now| Box::pin(apply_all(session, model, of_scan, now.millis(), encryption)));
    let applied = private.run(Work::Import, apply).await?;
    let outdated = || ImportError::Outdated(basis.map(|basis| basis.storage.clone()).unwrap_or_default());
    let (applied, due) = applied.ok_or_else(outdated)?;
    if due {
        adapter.driver.wake();
    }
    Ok(applied)
}

/// Adds a batch to what is gathered.
async fn stage<D: Driver>(
    private: &mut D::Private,
    adapter: &Adapter<D>,
    model: i16,
    batch: &[NumberedRecord],
) -> Result<(), ImportError> {
    for chunk in batch.chunks(BATCH) {
        let rows = one_of_each(model, chunk, &adapter.encryption)?;
        private.run(Work::Scratch, move |session| Box::pin(session.stage(rows))).await?;
    }
    Ok(())
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

/// Applies all that was gathered; also says whether anything became due. `None` if a scan has to be made again.
async fn apply_all<S: Session>(
    session: &mut S,
    model: i16,
    basis: Option<ScanBasis>,
    now: i64,
    encryption: Encryption,
) -> Result<Option<(Applied, bool)>, DbError> {
    let mut upsert = Upsert::begin(session, model, false, now, encryption.clone()).await?;
    // From here on nobody else adds records of the model.
    if let Some(basis) = basis
        && !renumber(session, model, &basis, &encryption).await?
    {
        return Ok(None);
    }
    let staged: i64 = session.one(Sql::<BigInt>::new("SELECT COUNT(*) FROM staged")).await?;
    let added = upsert.add_staged(session).await?;
    let known = unsigned(staged, "the number of entries")?.saturating_sub(added);
    let (mut from, mut differing) = (Vec::new(), 0);
    if known > 0 {
        loop {
            let pairs = next_pairs(session, model, from).await?;
            let Some(last) = pairs.last() else { break };
            from = key::behind(last.entry.key.clone());
            differing += u64::try_from(pairs.len()).unwrap_or(u64::MAX);
            upsert.apply(session, pairs).await?;
        }
    }
    upsert.add_unchanged(known.saturating_sub(differing));
    let (applied, due) = upsert.finish(session).await?;
    if due {
        session.announce_work().await?;
    }
    Ok(Some((applied, due)))
}

/// Gives what a scan takes for new keys behind those of all records; false if records came to its storage since.
async fn renumber<S: Session>(
    session: &mut S,
    model: i16,
    basis: &ScanBasis,
    encryption: &Encryption,
) -> Result<bool, DbError> {
    if largest_key_in(session, model, basis.storage.clone()).await? != basis.largest_in_storage {
        return Ok(false);
    }
    let behind = numbered_behind(largest_key(session, model).await?.as_ref());
    let further = behind - basis.numbered_behind();
    // Behind records that were deleted since, the new ones stay where they are: behind all others.
    if further <= 0 {
        return Ok(true);
    }
    let mut new = Span::behind(basis.largest.as_ref().map(key::encode));
    // The last ones first, so that no new key is that of another entry.
    loop {
        let sql =
            Sql::<StagedSql>::new(format!("SELECT {} FROM staged s WHERE s.key >= ? AND s.key < ?", *STAGED));
        let sql = sql.bind(new.from.clone()).bind(new.to.clone()).push(" ORDER BY s.key DESC LIMIT ? + 0");
        let rows: Vec<StagedRow> = session.load(sql.bind(i64::try_from(BATCH).unwrap_or(i64::MAX))).await?;
        let Some(first) = rows.last().map(|row| row.key.clone()) else { return Ok(true) };
        let sql = Sql::<()>::new("DELETE FROM staged WHERE key >= ? AND key < ?");
        session.execute(sql.bind(first.clone()).bind(new.to)).await?;
        let moved = rows.into_iter().map(|row| {
            let number = key::decode(&row.key)?.as_integer();
            let number = number.and_then(|number| number.checked_add(further));
            let number =
                number.ok_or_else(|| DbError::data("no integer is left for the key of a new record"))?;
            row.moved_to(model, key::encode(&RecordKey::integer(number)), encryption)
        });
        session.stage(moved.collect::<Result<_, _>>()?).await?;
        new.to = first;
    }
}

/// The next entries, from these key bytes on, whose records may have to be changed.
async fn next_pairs<S: Session>(session: &mut S, model: i16, from: Vec<u8>) -> Result<Vec<Pair>, DbError> {
    // Of a model known beforehand the planner might read all records rather than one for each key, see `Dialect::KEY_IN`.
    let sql = Sql::<(StagedSql, RecordSql, SmallInt)>::new(format!(
        "SELECT {staged}, {record}, {seen} FROM staged s CROSS JOIN {table} AS r WHERE s.key >= ? \
         AND r.model = (SELECT CAST(? AS smallint)) AND r.key = s.key AND {differ} ORDER BY s.key LIMIT ? + 0",
        staged = *STAGED,
        record = *RECORD,
        seen = seen(Some(model)),
        differ = *MAY_DIFFER,
        table = S::records(model),
    ));
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let rows: Vec<(StagedRow, RecordRow, Seen)> =
        session.load(sql.bind(from).bind(model).bind(limit)).await?;
    let pair = |(entry, record, seen)| Pair { entry, known: Some((record, seen)) };
    Ok(rows.into_iter().map(pair).collect())
}
