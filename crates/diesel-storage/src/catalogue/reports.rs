//! Comparing the records of a storage with a report of the store, and recording what that says.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, SmallInt, Text};
use stocktake_domain::ports::{ReportApplied, ReportedRecord, Results};
use stocktake_domain::{
    DigestRule, Reference, ReportRules, ReportVerdict, Reported, RowPart, Status, StoredRecord, Timestamp,
};

use crate::encryption::{Encryption, RuleOf};
use crate::error::DbError;
use crate::key;
use crate::mark::Mark;
use crate::marks;
use crate::queries::{Filter, by_key, push_in_storage, seen, seen_state};
use crate::queue::results_by_day;
use crate::rows::{
    DISABLED, OwnColumns, RECORD, RecordRow, RecordSql, SUCCEEDED, Seen, digest_of, model_of, unsigned,
};
use crate::session::{Marking, Session};
use crate::span::Span;
use crate::sql::Sql;

/// The columns that a report is compared with, beside the state: few, since all records of a storage are read.
const COMPARED: &str = "r.key, r.path, r.created_at, r.file_size, r.expected, r.rule, r.mutable, r.accepted, \
    r.failure_kind IS NOT NULL, r.failed_at, r.baseline, r.baseline_at";

type ComparedSql = (
    Binary,
    Text,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Binary>,
    Nullable<Text>,
    Bool,
    Bool,
    Bool,
    Nullable<BigInt>,
    Nullable<Binary>,
    Nullable<BigInt>,
    SmallInt,
);

type Compared = (
    Vec<u8>,
    String,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<String>,
    bool,
    bool,
    bool,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i64>,
    i16,
);

/// See [`stocktake_domain::ports::Catalogue::stored`].
pub(super) async fn stored<S: Session>(
    session: &mut S,
    (model, storage): (i16, String),
    span: Span,
    limit: u32,
    encryption: Encryption,
) -> Result<Vec<StoredRecord>, DbError> {
    let sql = Sql::<ComparedSql>::new(format!("SELECT {COMPARED}, {}", seen_state(Some(model))));
    let sql = push_in_storage::<S, _>(sql, model, &storage, &span).push(by_key(false));
    let rows: Vec<Compared> = session.load(sql.push(" LIMIT ? + 0").bind(i64::from(limit))).await?;
    rows.into_iter().map(|row| compared(row, model, &encryption)).collect()
}

fn compared(row: Compared, model: i16, encryption: &Encryption) -> Result<StoredRecord, DbError> {
    let (key_bytes, path, created_at, file_size, expected, rule, mutable, ..) = row;
    let (.., accepted, is_failing, failed_at, baseline, baseline_at, state) = row;
    let of = RuleOf { model, key: &key_bytes };
    let rule = rule.as_deref().map_or(Ok(DigestRule::Stored), |kept| encryption.rule(kept, of))?;
    let mutable = mutable || model_of(model)?.is_mutable();
    let reference = Reference {
        expected: expected.as_deref().map(digest_of).transpose()?,
        size: file_size.map(|size| unsigned(size, "file_size")).transpose()?,
        baseline: OwnColumns { baseline, baseline_at }.get()?,
        source_checksum: None,
    };
    Ok(StoredRecord {
        key: key::decode(&key_bytes)?,
        path,
        created_at: created_at.map(Timestamp::from_millis),
        reference: reference.under(&rule, accepted, mutable),
        rule,
        mutable,
        is_off: state == DISABLED,
        is_good: state == SUCCEEDED,
        ended_at: failed_at.or(baseline_at).map(Timestamp::from_millis),
        is_failing,
    })
}

/// See [`stocktake_domain::ports::Catalogue::apply_report`].
pub(super) async fn apply<S: Session>(
    session: &mut S,
    (model, storage): (i16, String),
    rules: ReportRules,
    said: Vec<ReportedRecord>,
    encryption: Encryption,
) -> Result<ReportApplied, DbError> {
    // All who lock several records lock them in the order of their keys.
    let said: BTreeMap<Vec<u8>, (String, Reported)> =
        said.into_iter().map(|of| (key::encode(&of.key), (of.path, of.said))).collect();
    let mut applied = ReportApplied::default();
    // In the order of the keys, as the rows are.
    let mut writes: Vec<RecordRow> = Vec::new();
    session.lock_marking(model, Marking::Answer).await?;
    let mark = marks::read(session, model).await?;
    for (row, seen) in locked(session, model, said.keys().cloned().collect()).await? {
        let Some((path, said)) = said.get(&row.key) else { continue };
        if row.source.storage != storage || row.source.path != *path {
            continue;
        }
        let verdict = judge(&row, seen, rules, said, &encryption)?;
        let verdict = match verdict {
            ReportVerdict::Good(checksum) => Ok(checksum),
            ReportVerdict::Bad(failure) => Err(failure.at(path)),
            ReportVerdict::Newer
            | ReportVerdict::Silent
            | ReportVerdict::Agrees
            | ReportVerdict::Doubtful => {
                continue;
            }
        };
        match &verdict {
            Ok(_) => applied.good += 1,
            Err(failure) => *applied.failed.entry(failure.kind()).or_default() += 1,
        }
        let status = row.status(seen)?.report(verdict, rules.made_at);
        writes.push(written(row, &status, mark)?);
    }
    let ends = writes.first().zip(writes.last()).map(|(first, last)| (first.key.clone(), last.key.clone()));
    if !writes.is_empty() {
        session.write_records(writes).await?;
    }
    let results = Results::at(rules.made_at, applied.good, applied.failed.values().sum());
    // Reports are few: which part of the day's number they add to does not matter.
    results_by_day::add(session, model, 0, &results).await?;
    if let (Some(mark), Some((first, last))) = (mark, ends) {
        marks::settle(session, (model, &storage), mark, Span::closed(first, last)).await?;
    }
    Ok(applied)
}

/// The rows of these records, which nobody else changes until the transaction ends, each with how it is seen.
async fn locked<S: Session>(
    session: &mut S,
    model: i16,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<(RecordRow, Seen)>, DbError> {
    if let Some(rows) = session.lock_records(model, keys.clone()).await? {
        return Ok(rows);
    }
    let sql = Sql::<(RecordSql, SmallInt)>::new(format!("SELECT {}, {}", *RECORD, seen(Some(model))));
    session.load(Filter::of_keys(model, keys).select_from::<S, _>(sql, &Span::all())).await
}

fn judge(
    row: &RecordRow,
    seen: Seen,
    rules: ReportRules,
    said: &Reported,
    encryption: &Encryption,
) -> Result<ReportVerdict, DbError> {
    if row.is_damaged(RowPart::Recorded) || row.is_damaged(RowPart::Baseline) {
        return Ok(ReportVerdict::Doubtful);
    }
    let record = row.clone().into_record(seen, encryption)?;
    Ok(rules.judge(&StoredRecord::of(&record), Some(said)))
}

fn written(mut row: RecordRow, status: &Status, mark: Option<Mark>) -> Result<RecordRow, DbError> {
    if matches!(status, Status::Succeeded(_)) {
        row.set_baseline(status.history().baseline());
    }
    // Nothing of it is due now: a failed one is found again by its retry time.
    row.due_at = None;
    row.set_status(status, 0)?;
    row.answer(mark.map_or(0, |mark| mark.number));
    Ok(row.sealed())
}
