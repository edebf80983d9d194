//! What entries make of the records they are about: one piece of code for imports and for syncs.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::{Binary, Bool};
use stocktake_domain::ports::Applied;
use stocktake_domain::{RowPart, SourceRecord, Status};

use crate::columns::{Row as _, list_of};
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::{DUE_NOW, push_keys_in, push_model};
use crate::rows::{
    DISABLED, LEASE, LeaseRow, LeaseSql, PENDING, RecordRow, SUCCEEDED, Seen, SourceColumns, StagedRow,
    digest_of,
};
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Entries compared and written at once.
pub(crate) const BATCH: usize = 5000;

/// Adds a record for each staged entry of a model that has none, due now. Values: now, now, the model twice.
fn add_staged(table: &str) -> String {
    // Counted, the records are looked up one by one, by their key; NOT EXISTS would be planned as a join.
    let lacking = format!(
        "(SELECT COUNT(*) FROM {table} AS k WHERE k.model = (SELECT CAST(? AS smallint)) AND k.key = s.key) = 0"
    );
    add_staged_that(table, DUE_NOW, &lacking)
}

/// Adds a record for each staged entry of a model that has none for any of them, and no lease. Values: now, the model.
fn add_all_staged(table: &str) -> String {
    add_staged_that(table, "CAST(? AS bigint)", "TRUE")
}

fn add_staged_that(table: &str, due: &str, condition: &str) -> String {
    let source = SourceColumns::columns();
    format!(
        "INSERT INTO {table} (model, key, accepted, from_source, due_at, state, attempt, retry_count, recorded_check, {}) \
         SELECT r.model, r.key, FALSE, FALSE, CASE WHEN r.disabled THEN NULL ELSE {due} END, \
         CASE WHEN r.disabled THEN {DISABLED} ELSE {PENDING} END, 0, 0, r.recorded_check, {} \
         FROM (SELECT CAST(? AS smallint) AS model, s.* FROM staged s WHERE {condition}) AS r ORDER BY r.key",
        list_of(&source, |column| column.name.to_owned()),
        list_of(&source, |column| format!("r.{}", column.name)),
    )
}

/// An entry, and the record that it is about with how that is seen.
pub(crate) struct Pair {
    pub(crate) entry: StagedRow,
    pub(crate) known: Option<(RecordRow, Seen)>,
}

/// The rows of these entries of a source in the order of their keys, the later of two with one key.
pub(crate) fn latest_of_each(
    model: i16,
    entries: &[SourceRecord],
    encryption: &Encryption,
) -> Result<Vec<StagedRow>, DbError> {
    let mut rows = BTreeMap::new();
    for entry in entries {
        rows.insert(&entry.key, StagedRow::new(model, 0, entry, encryption)?);
    }
    Ok(rows.into_values().collect())
}

/// Whether the model has no record from the first to the last of these keys, as when it is read for the first time: so that none of
/// those between has to be looked up.
pub(crate) async fn has_none_between<S: Session>(
    session: &mut S,
    model: i16,
    first: Vec<u8>,
    last: Vec<u8>,
) -> Result<bool, DbError> {
    let span = Span { from: first, to: key::behind(last) };
    let sql = push_model::<S, _>(Sql::<Bool>::new("SELECT NOT EXISTS (SELECT 1"), model);
    session.one(push_keys_in(sql, &span).push(")")).await
}

/// Upsert of one model's records, under way in a transaction.
pub(crate) struct Upsert {
    model: i16,
    now: i64,
    /// Whether the entries are the source's own.
    from_source: bool,
    encryption: Encryption,
    leases: Leases,
    /// Storages that are known to have a queue.
    queues: BTreeSet<String>,
    applied: Applied,
    due: bool,
}

impl Upsert {
    /// Begins, once nobody else imports or syncs the model.
    pub(crate) async fn begin<S: Session>(
        session: &mut S,
        model: i16,
        from_source: bool,
        now: i64,
        encryption: Encryption,
    ) -> Result<Self, DbError> {
        session.lock_imports(model).await?;
        let leases = Leases::read(session, model).await?;
        let (queues, applied) = (BTreeSet::new(), Applied::default());
        Ok(Self { model, now, from_source, encryption, leases, queues, applied, due: false })
    }

    /// Adds the records of the gathered entries that have none; returns how many.
    pub(crate) async fn add_staged<S: Session>(&mut self, session: &mut S) -> Result<u64, DbError> {
        let queues = Sql::<()>::new(
            "INSERT INTO queues (model, storage) SELECT DISTINCT CAST(? AS smallint), s.storage FROM staged s WHERE TRUE \
             ON CONFLICT DO NOTHING",
        );
        session.execute(queues.bind(self.model)).await?;
        let table = S::records(self.model);
        let records = if self.leases.0.is_empty() && self.stages_new_alone(session).await? {
            Sql::<()>::new(add_all_staged(&table)).bind(self.now).bind(self.model)
        } else {
            let records = Sql::<()>::new(add_staged(&table)).bind(self.now).bind(self.now);
            records.bind(self.model).bind(self.model)
        };
        let added = session.execute(records).await?;
        self.applied.added += added;
        self.due |= added > 0;
        Ok(added)
    }

    /// Whether none of the gathered entries has a record, as far as the first and the last key tell.
    async fn stages_new_alone<S: Session>(&self, session: &mut S) -> Result<bool, DbError> {
        let end = |order: &str| {
            Sql::<Binary>::new(format!("SELECT s.key FROM staged s ORDER BY s.key{order} LIMIT 1"))
        };
        let (first, last) = (session.first(end("")).await?, session.first(end(" DESC")).await?);
        let Some((first, last)) = first.zip(last) else { return Ok(false) };
        has_none_between(session, self.model, first, last).await
    }

    /// Entries that say what their records have already.
    pub(crate) fn add_unchanged(&mut self, unchanged: u64) {
        self.applied.unchanged += unchanged;
    }

    /// Applies a batch of entries, in the order of their keys.
    pub(crate) async fn apply<S: Session>(
        &mut self,
        session: &mut S,
        pairs: Vec<Pair>,
    ) -> Result<(), DbError> {
        let mut new = Vec::new();
        let mut changed = Vec::new();
        for Pair { entry, known } in pairs {
            match known {
                None => {
                    self.applied.added += 1;
                    self.due |= !entry.disabled;
                    let due_at = self.leases.due_at(&entry.source.storage, &entry.key, self.now);
                    new.push(entry.into_new_record(self.model, self.from_source, due_at));
                }
                Some((record, seen)) => {
                    let record = record.renewed(&self.encryption)?;
                    if self.differs(&waiting(entry.clone(), &record, seen), &record) {
                        changed.push((entry, record, seen));
                    } else {
                        self.applied.unchanged += 1;
                    }
                }
            }
        }
        let mut writes = Vec::new();
        for (entry, record, seen) in self.lock(session, changed).await? {
            self.applied.changed += 1;
            writes.push(self.change(entry, record, seen)?);
        }
        if !new.is_empty() {
            self.make_queues(session, &new).await?;
            session.add_records(new).await?;
        }
        if !writes.is_empty() {
            self.make_queues(session, &writes).await?;
            session.write_records(writes).await?;
        }
        Ok(())
    }

    /// Ends; returns what was applied, and whether anything became due.
    pub(crate) async fn finish<S: Session>(self, session: &mut S) -> Result<(Applied, bool), DbError> {
        if self.applied.added > 0 {
            session.gather_statistics(self.model, self.applied.added).await?;
        }
        session.fold_counts().await?;
        if self.due {
            let known = self.leases.0.iter().map(|lease| lease.id).collect();
            session.keep_clear_of_new_leases(self.model, known, self.now).await?;
        }
        Ok((self.applied, self.due))
    }

    /// Whether the record has to be written.
    fn differs(&self, entry: &StagedRow, record: &RecordRow) -> bool {
        entry.source != record.source
            || record.is_damaged(RowPart::Recorded)
            || entry.disabled != (record.result.state == DISABLED)
            || self.from_source && !record.from_source
    }

    /// Locks the records to be changed and reads them again, where somebody may have written meanwhile.
    async fn lock<S: Session>(
        &self,
        session: &mut S,
        changed: Vec<(StagedRow, RecordRow, Seen)>,
    ) -> Result<Vec<(StagedRow, RecordRow, Seen)>, DbError> {
        if changed.is_empty() {
            return Ok(changed);
        }
        let keys = changed.iter().map(|(entry, _, _)| entry.key.clone()).collect();
        let Some(rows) = session.lock_records(self.model, keys).await? else { return Ok(changed) };
        if rows.len() != changed.len() {
            return Err(DbError::data("a record vanished while it was changed"));
        }
        let entries = changed.into_iter().map(|(entry, _, _)| entry);
        Ok(entries.zip(rows).map(|(entry, (record, seen))| (entry, record, seen)).collect())
    }

    /// The record as the entry makes it.
    fn change(&mut self, entry: StagedRow, record: RecordRow, seen: Seen) -> Result<RecordRow, DbError> {
        let mut record = record.renewed(&self.encryption)?;
        let entry = waiting(entry, &record, seen);
        let was_disabled = record.result.state == DISABLED;
        let mends = record.is_damaged(RowPart::Recorded);
        let forgets = entry.source.expected != record.source.expected;
        // A damaged baseline takes no part in this and stays as it is.
        let damaged = record.is_damaged(RowPart::Baseline).then(|| std::mem::take(&mut record.baseline));
        let again = mends || forgets || calls_for_reading(&entry, &record);
        let due_at = self.leases.due_at(&entry.source.storage, &entry.key, self.now);
        if entry.disabled != was_disabled || (again && !was_disabled) {
            let status = record.status(seen)?;
            let next = if entry.disabled {
                status.disable()
            } else if again {
                Status::Pending(status.recalculate())
            } else {
                status.enable()
            };
            record.set_status(&next, due_at)?;
            self.due |= record.due_at.is_some();
        }
        if forgets {
            record.former_baseline_at = record.baseline.own.baseline_at.or(record.former_baseline_at);
            record.forget(RowPart::Baseline);
        }
        if entry.source.source_checksum != record.source.source_checksum {
            let both = entry.source.source_checksum.as_deref().zip(record.baseline.own.baseline.as_deref());
            let both = both.filter(|_| record.result.state == SUCCEEDED);
            record.result.matches_source = match both {
                Some((theirs, ours)) => digest_of(ours)?.compare(&digest_of(theirs)?),
                None => None,
            };
        }
        record.accepted &= !mends && !forgets && entry.source.rule == record.source.rule;
        record.baseline = damaged.filter(|_| !forgets).unwrap_or(record.baseline);
        record.from_source |= self.from_source;
        Ok(RecordRow { source: entry.source, ..record }.sealed())
    }

    /// Sees to it that the storages of these records have a queue.
    async fn make_queues<S: Session>(
        &mut self,
        session: &mut S,
        records: &[RecordRow],
    ) -> Result<(), DbError> {
        for record in records {
            if self.queues.contains(&record.source.storage) {
                continue;
            }
            let sql =
                Sql::<()>::new("INSERT INTO queues (model, storage) VALUES (?, ?) ON CONFLICT DO NOTHING");
            session.execute(sql.bind(self.model).bind(record.source.storage.clone())).await?;
            self.queues.insert(record.source.storage.clone());
        }
        Ok(())
    }
}

/// The entry without its touch, if that is all that would make a running attempt void: the next look brings it again.
fn waiting(mut entry: StagedRow, record: &RecordRow, seen: Seen) -> StagedRow {
    let (said, known) = (&entry.source, &record.source);
    if seen.is_started()
        && is_touched(&entry, record)
        && said.expected == known.expected
        && !is_moved(said, known)
        && !record.is_damaged(RowPart::Recorded)
    {
        entry.source.content_changed_at = known.content_changed_at;
    }
    entry
}

/// Whether the entry says of the record's content what makes it necessary to read it again, but for the digest.
fn calls_for_reading(entry: &StagedRow, record: &RecordRow) -> bool {
    is_touched(entry, record) || is_moved(&entry.source, &record.source)
}

/// Whether the content was changed since that was last known. Of a record that is not yet the source's nothing was.
fn is_touched(entry: &StagedRow, record: &RecordRow) -> bool {
    let (said, known) = (entry.source.content_changed_at, record.source.content_changed_at);
    said > known && (known.is_some() || record.from_source)
}

/// Whether other content, or content that is read in another way, is meant.
fn is_moved(said: &SourceColumns, known: &SourceColumns) -> bool {
    said.storage != known.storage
        || said.path != known.path
        || said.rule != known.rule
        || said.mutable != known.mutable
}

/// The leases of a model when its changes began.
struct Leases(Vec<LeaseRow>);

impl Leases {
    async fn read<S: Session>(session: &mut S, model: i16) -> Result<Self, DbError> {
        let sql = Sql::<LeaseSql>::new(format!("SELECT {} FROM leases l WHERE l.model = ?", *LEASE));
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
