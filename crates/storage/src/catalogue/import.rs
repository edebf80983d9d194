//! Imports: entries are gathered in a temporary table, which disturbs nobody however slow their source is,
//! and then applied in key order in one transaction.

use std::collections::BTreeMap;

use diesel::sql_types::{Bool, Nullable, Text};
use futures_util::StreamExt as _;
use stocktake_domain::ports::{Applied, EntryStream, ImportError};
use stocktake_domain::{Entry, Status};

use crate::error::Fault;
use crate::key;
use crate::queries::{DUE_NOW, RECORD, STARTED};
use crate::rows::{DISABLED, LEASE, LeaseRow, LeaseSql, RecordRow, StagedRow};
use crate::schema::{records, staged};
use crate::session::{Driver, Private, Session, Work};
use crate::sql::Sql;

/// Entries compared and written at once.
const BATCH: usize = 1000;

const STAGED: &str = "s.key, s.storage, s.path, s.created_at, s.file_size, s.expected, s.rule, \
    s.mutable, s.disabled";

/// Gathers and applies.
pub(super) async fn run<D: Driver>(
    driver: &D,
    model: i16,
    mut entries: EntryStream<'_>,
    now: i64,
) -> Result<Applied, ImportError> {
    let mut private = driver.private().await?;
    private.run(Work::Scratch, |session| Box::pin(create_staged(session))).await?;
    while let Some(batch) = entries.next().await {
        let batch = batch.map_err(ImportError::Source)?;
        for chunk in batch.chunks(BATCH) {
            let rows = latest_of_each(chunk).map_err(stocktake_domain::ports::StoreError::from)?;
            private.run(Work::Scratch, move |session| Box::pin(session.stage(rows))).await?;
        }
    }
    let (applied, due) =
        private.run(Work::Import, move |session| Box::pin(apply_all(session, model, now))).await?;
    if due {
        driver.wake();
    }
    Ok(applied)
}

/// The rows of these entries, the later of two with one key.
fn latest_of_each(entries: &[Entry]) -> Result<Vec<StagedRow>, Fault> {
    let mut rows = BTreeMap::new();
    for entry in entries {
        rows.insert(&entry.key, StagedRow::new(entry)?);
    }
    Ok(rows.into_values().collect())
}

async fn create_staged<S: Session>(session: &mut S) -> Result<(), Fault> {
    session.batch(S::DIALECT.create_staged()).await
}

/// Applies all that was gathered; also says whether anything became due.
async fn apply_all<S: Session>(session: &mut S, model: i16, now: i64) -> Result<(Applied, bool), Fault> {
    session.lock_imports(model).await?;
    let storages = Sql::<()>::new(
        "INSERT INTO queues (model, storage) SELECT DISTINCT CAST(? AS smallint), s.storage FROM staged s \
         WHERE TRUE ON CONFLICT DO NOTHING",
    );
    session.execute(storages.bind(model)).await?;
    let leases = Leases::read(session, model).await?;
    let mut import = Import { model, now, leases, applied: Applied::default(), due: false };
    let mut behind = Vec::new();
    while let Some(last) = import.apply_next(session, behind).await? {
        behind = key::behind(last);
    }
    if import.applied.added > 0 {
        session.gather_statistics(import.applied.added).await?;
    }
    if import.due {
        import.keep_clear_of_new_leases(session).await?;
        session.announce_work().await?;
    }
    Ok((import.applied, import.due))
}

struct Import {
    model: i16,
    now: i64,
    leases: Leases,
    applied: Applied,
    due: bool,
}

impl Import {
    /// Applies the next batch of entries, from these key bytes on; returns the last key, if there was any.
    async fn apply_next<S: Session>(
        &mut self,
        session: &mut S,
        from: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let pairs = self.pairs(session, from).await?;
        let Some((last, _, _)) = pairs.last() else { return Ok(None) };
        let last = last.key.clone();
        let mut writes = Vec::new();
        let mut changed = Vec::new();
        for (entry, known, started) in pairs {
            match known {
                None => {
                    self.applied.added += 1;
                    self.due |= !entry.disabled;
                    let due_at = self.leases.due_at(&entry.storage, &entry.key, self.now);
                    writes.push(entry.into_new_record(self.model, due_at));
                }
                Some(record) if differs(&entry, &record) => changed.push((entry, record, started)),
                Some(_) => self.applied.unchanged += 1,
            }
        }
        for (entry, record, started) in self.lock(session, changed).await? {
            self.applied.changed += 1;
            writes.push(self.change(entry, record, started)?);
        }
        if !writes.is_empty() {
            writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            session.write_records(writes).await?;
        }
        Ok(Some(last))
    }

    /// Entries from these key bytes on, each with the record it is about and whether that is started.
    async fn pairs<S: Session>(
        &self,
        session: &mut S,
        from: Vec<u8>,
    ) -> Result<Vec<(StagedRow, Option<RecordRow>, bool)>, Fault> {
        let sql = Sql::<(staged::SqlType, Nullable<records::SqlType>, Bool)>::new(format!(
            "SELECT {STAGED}, {RECORD}, {STARTED} \
             FROM (SELECT {STAGED} FROM staged s WHERE s.key >= ? ORDER BY s.key LIMIT ? + 0) AS s \
             LEFT JOIN records r ON r.model = ? AND r.key = s.key ORDER BY s.key"
        ));
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        session.load(sql.bind(from).bind(limit).bind(self.model)).await
    }

    /// Locks the records to be changed and reads them again, where somebody may have written meanwhile.
    async fn lock<S: Session>(
        &self,
        session: &mut S,
        changed: Vec<(StagedRow, RecordRow, bool)>,
    ) -> Result<Vec<(StagedRow, RecordRow, bool)>, Fault> {
        if S::DIALECT.for_update().is_empty() || changed.is_empty() {
            return Ok(changed);
        }
        let keys: Vec<Vec<u8>> = changed.iter().map(|(entry, _, _)| entry.key.clone()).collect();
        // One after the other, in the order of their keys, as everybody locks records.
        let sql = Sql::<(records::SqlType, Bool)>::new(format!(
            "SELECT {RECORD}, {STARTED} FROM unnest(?::bytea[]) AS wanted (key) CROSS JOIN LATERAL \
             (SELECT * FROM records c WHERE c.model = ? AND c.key = wanted.key FOR UPDATE) AS r"
        ));
        let mut rows: Vec<(RecordRow, bool)> = session.load(sql.bind(keys).bind(self.model)).await?;
        rows.sort_unstable_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        if rows.len() != changed.len() {
            return Err(Fault::data("a record vanished during an import"));
        }
        let entries = changed.into_iter().map(|(entry, _, _)| entry);
        Ok(entries.zip(rows).map(|(entry, (record, started))| (entry, record, started)).collect())
    }

    /// The record as the entry makes it.
    fn change(&mut self, entry: StagedRow, mut record: RecordRow, started: bool) -> Result<RecordRow, Fault> {
        let was_disabled = record.state == DISABLED;
        let forgets = entry.expected != record.expected;
        let moved = forgets
            || entry.storage != record.storage
            || entry.path != record.path
            || entry.rule != record.rule
            || entry.mutable != record.mutable;
        let due_at = self.leases.due_at(&entry.storage, &entry.key, self.now);
        if entry.disabled != was_disabled || (moved && !was_disabled) {
            let status = record.status(started)?;
            let next = if entry.disabled {
                disable(status)
            } else if moved {
                Status::Pending(status.recalculate())
            } else {
                enable(status)
            };
            record.set_status(&next, due_at)?;
            self.due |= record.due_at.is_some();
        }
        if forgets {
            (record.baseline, record.baseline_at) = (None, None);
        }
        record.accepted &= !forgets && entry.rule == record.rule;
        record.storage = entry.storage;
        record.path = entry.path;
        record.created_at = entry.created_at;
        record.file_size = entry.file_size;
        record.expected = entry.expected;
        record.rule = entry.rule;
        record.mutable = entry.mutable;
        Ok(record)
    }

    /// Leases claimed since the import began do not know its records: they became due after the claim.
    async fn keep_clear_of_new_leases<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        if S::DIALECT.for_share().is_empty() {
            return Ok(());
        }
        let lock = format!(
            "SELECT q.storage FROM queues q WHERE q.model = ? ORDER BY q.storage{}",
            S::DIALECT.for_share()
        );
        session.load::<String, _>(Sql::<Text>::new(lock).bind(self.model)).await?;
        let sql = Sql::<()>::new(format!(
            "UPDATE records AS r SET due_at = {DUE_NOW} FROM leases n WHERE n.model = ? AND n.id <> ALL (?) \
             AND r.model + 0 = n.model AND r.storage = n.storage AND r.due_at = ? \
             AND r.key >= n.first_key AND r.key <= n.last_key"
        ));
        let known: Vec<i64> = self.leases.0.iter().map(|lease| lease.id).collect();
        session
            .execute(sql.bind(self.now).bind(self.now).bind(self.model).bind(known).bind(self.now))
            .await?;
        Ok(())
    }
}

/// Whether any field of the entry differs from the record's.
fn differs(entry: &StagedRow, record: &RecordRow) -> bool {
    entry.storage != record.storage
        || entry.path != record.path
        || entry.created_at != record.created_at
        || entry.file_size != record.file_size
        || entry.expected != record.expected
        || entry.rule != record.rule
        || entry.mutable != record.mutable
        || entry.disabled != (record.state == DISABLED)
}

fn disable(status: Status) -> Status {
    Status::Disabled(match status {
        Status::Pending(verification) => verification.disable(),
        Status::Started(verification) => verification.disable(),
        Status::Succeeded(verification) => verification.disable(),
        Status::Failed(verification) => verification.disable(),
        Status::Disabled(verification) => verification,
    })
}

fn enable(status: Status) -> Status {
    match status {
        Status::Disabled(verification) => Status::Pending(verification.enable()),
        other => other,
    }
}

/// The leases of a model when an import began to apply.
struct Leases(Vec<LeaseRow>);

impl Leases {
    async fn read<S: Session>(session: &mut S, model: i16) -> Result<Self, Fault> {
        let sql = Sql::<LeaseSql>::new(format!("SELECT {LEASE} FROM leases l WHERE l.model = ?"));
        Ok(Self(session.load(sql.bind(model)).await?))
    }

    /// When a record becomes due if that happens now, see [`DUE_NOW`].
    fn due_at(&self, storage: &str, key: &[u8], now: i64) -> i64 {
        let covering = self.0.iter().filter(|lease| {
            lease.storage == storage && lease.first_key.as_slice() <= key && key <= lease.last_key.as_slice()
        });
        covering.map(|lease| lease.claimed_at.saturating_add(1)).fold(now, i64::max)
    }
}
