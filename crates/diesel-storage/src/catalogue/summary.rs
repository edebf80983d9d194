//! Counts of the whole catalogue.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use stocktake_domain::ports::{Amount, CountDifference, Counted, CountedTo, ModelSummary};
use stocktake_domain::{EvidenceLevel, FailureKind, Model, RecordFilter, State, Timestamp};

use crate::dialect::RECORDS_OF_EVERY_MODEL;
use crate::error::DbError;
use crate::queries::{Filter, push_common, seen_state};
use crate::rows::{SUCCEEDED, failure_kind_of, lengths, model_code, model_of, state_of, unsigned};
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Whether held, model, state, kind of failure; then records, file sizes in whole mebibytes and the bytes
/// beside, oldest baseline, how many baselines were made of a size, of what a store keeps and of what a store computed, how
/// many differ from the source's own checksums, and how many were good when they were last read. The sizes are summed in two parts,
/// which do not overflow.
type Group = (
    bool,
    i16,
    i16,
    Option<i16>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);
type GroupSql = (
    Bool,
    SmallInt,
    SmallInt,
    Nullable<SmallInt>,
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
);

/// By model, seen state and kind of failure, which are selected behind whether they are held.
const GROUPED: &str = " GROUP BY 2, 3, 4";

/// The sum of the sizes in whole mebibytes, and of what is beside.
const MEBIBYTES: &str = "CAST(SUM(r.file_size >> 20) AS bigint)";
const BESIDE: &str = "CAST(SUM(r.file_size & 1048575) AS bigint)";

const MEBIBYTE: u64 = 1 << 20;

/// What verdicts rest on without a reading, in the order of the columns.
const UNREAD: [EvidenceLevel; 3] =
    [EvidenceLevel::SizeOnly, EvidenceLevel::SaidByStore, EvidenceLevel::ComputedAtRest];

/// How much the content of the matching records is.
pub(super) async fn amount<S: Session>(session: &mut S, filter: Filter) -> Result<Amount, DbError> {
    let sql = Sql::<(BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>)>::new(format!(
        "SELECT COUNT(*), COUNT(r.file_size), {MEBIBYTES}, {BESIDE}"
    ));
    let sql = filter.looking(session).await?.select_from::<S, _>(sql, &Span::all());
    let (records, known, mebibytes, beside): (i64, i64, Option<i64>, Option<i64>) = session.one(sql).await?;
    let records = unsigned(records, "count")?;
    let of_unknown_size = records.saturating_sub(unsigned(known, "count")?);
    Ok(Amount { records, bytes: bytes(mebibytes, beside)?, of_unknown_size })
}

/// A sum of sizes in its two parts.
fn bytes(mebibytes: Option<i64>, beside: Option<i64>) -> Result<u64, DbError> {
    let bytes = unsigned(mebibytes.unwrap_or(0), "bytes")?.saturating_mul(MEBIBYTE);
    Ok(bytes.saturating_add(unsigned(beside.unwrap_or(0), "bytes")?))
}

/// How many records of the model in this state, or in any, the filter means, from the counts that are kept.
pub(super) async fn kept_count<S: Session>(
    session: &mut S,
    model: Model,
    state: Option<State>,
    filter: RecordFilter,
) -> Result<Counted, DbError> {
    let of_model = Some(model_code(model));
    let sql = push_held::<S>(push_kept::<S>(of_model, &filter), of_model, &filter);
    let states = summarised(session.load(sql).await?)?.into_iter().flat_map(|summary| summary.states);
    let meant = states.filter(|(of, _)| state.is_none_or(|state| state == *of));
    Ok(Counted { matches: meant.map(|(_, records)| records).sum(), to: CountedTo::End })
}

/// How many records lie in the storage, from the counts that are kept.
pub(super) async fn count_in_storage<S: Session>(session: &mut S, storage: String) -> Result<u64, DbError> {
    let sql = Sql::<Nullable<BigInt>>::new(format!(
        "SELECT CAST(SUM(c.records) AS bigint) FROM {} AS c WHERE c.storage = ?",
        S::COUNTS
    ));
    let counted: Option<i64> = session.one(sql.bind(storage)).await?;
    unsigned(counted.unwrap_or(0), "count")
}

/// The storages that records of each model lie in, from the counts that are kept.
pub(super) async fn storages<S: Session>(session: &mut S) -> Result<Vec<(Model, String)>, DbError> {
    let sql = Sql::<(SmallInt, Text)>::new(format!(
        "SELECT c.model, c.storage FROM {} AS c GROUP BY c.model, c.storage HAVING SUM(c.records) <> 0",
        S::COUNTS
    ));
    let rows: Vec<(i16, String)> = session.load(sql).await?;
    let found = rows.into_iter().map(|(model, storage)| Ok((model_of(model)?, storage)));
    let mut found = found.collect::<Result<Vec<_>, DbError>>()?;
    // Sorted here, so that the order depends on no database.
    found.sort_unstable();
    Ok(found)
}

/// Of the records that the filter means, from the counts that are kept, which it has to be answered by
/// ([`RecordFilter::is_counted`]). Only the records that leases hold are read: that they are started is kept nowhere. One
/// statement, and so of one moment.
pub(super) async fn kept<S: Session>(
    session: &mut S,
    filter: RecordFilter,
) -> Result<Vec<ModelSummary>, DbError> {
    let sql = push_held::<S>(push_kept::<S>(None, &filter), None, &filter);
    let sql = if filter.kinds.is_empty() {
        let sql = sql.push(&format!(
            " UNION ALL SELECT FALSE, r.model, CAST({SUCCEEDED} AS smallint), NULL, 0, NULL, NULL, MIN(r.oldest), NULL, NULL, \
             NULL, NULL, NULL FROM ({}) AS r WHERE TRUE",
            S::OLDEST_SUCCESSES
        ));
        push_common::<S, _>(sql, &filter).push(" GROUP BY r.model")
    } else {
        // What has failed is no success.
        sql
    };
    summarised(session.load(sql).await?)
}

/// The records of a model, or of every one, from the counts that are kept.
fn push_kept<S: Session>(model: Option<i16>, filter: &RecordFilter) -> Sql<GroupSql> {
    // What succeeded was good, also if it is marked.
    let sql = Sql::<GroupSql>::new(format!(
        "SELECT FALSE, r.model, {}, NULLIF(r.failure_kind, 0), CAST(SUM(r.records) AS bigint), \
         CAST(SUM(r.mebibytes) AS bigint), CAST(SUM(r.beside) AS bigint), CAST(NULL AS bigint), \
         CAST(SUM(r.size_only) AS bigint), CAST(SUM(r.said_by_store) AS bigint), \
         CAST(SUM(r.computed_at_rest) AS bigint), CAST(SUM(r.mismatched) AS bigint), \
         CAST(SUM(CASE WHEN r.state = {SUCCEEDED} THEN r.records ELSE r.good_before END) AS bigint) \
         FROM {} AS r WHERE TRUE",
        seen_state(model),
        S::COUNTS
    ));
    let sql = match model {
        Some(model) => sql.push(" AND r.model = ?").bind(model),
        None => sql,
    };
    push_common::<S, _>(sql, filter).push(GROUPED).push(" HAVING SUM(r.records) <> 0")
}

/// Adds the records of a model, or of every one, that leases hold.
fn push_held<S: Session>(sql: Sql<GroupSql>, model: Option<i16>, filter: &RecordFilter) -> Sql<GroupSql> {
    let sql = sql.push(&format!(
        " UNION ALL SELECT TRUE, r.model, {}, r.failure_kind, COUNT(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL{}",
        seen_state(model),
        S::held(model)
    ));
    push_common::<S, _>(sql, filter).push(GROUPED)
}

/// Where the kept counts differ from what is counted now.
pub(super) async fn differences<S: Session>(session: &mut S) -> Result<Vec<CountDifference>, DbError> {
    let all = RecordFilter::default();
    let counted = read(session, all.clone()).await?;
    let kept = kept(session, all).await?;
    Ok(CountDifference::between(counted, kept))
}

/// Of the records that the filter means. One pass over all records, and one over those that leases hold, in one statement and so at one moment.
pub(super) async fn read<S: Session>(
    session: &mut S,
    filter: RecordFilter,
) -> Result<Vec<ModelSummary>, DbError> {
    let [sizes, said, at_rest] = UNREAD.map(|level| {
        let lengths = lengths(level).iter().map(ToString::to_string).collect::<Vec<_>>();
        format!("COUNT(CASE WHEN length(r.baseline) IN ({}) THEN 1 END)", lengths.join(", "))
    });
    let sql = Sql::<GroupSql>::new(format!(
        "SELECT FALSE, r.model, {}, r.failure_kind, COUNT(*), {MEBIBYTES}, {BESIDE}, \
         MIN(CASE WHEN r.state = {SUCCEEDED} THEN r.baseline_at END), \
         {sizes}, {said}, {at_rest}, COUNT(CASE WHEN NOT r.matches_source THEN 1 END), \
         COUNT(CASE WHEN r.failed_at IS NULL THEN r.baseline_at END) FROM {RECORDS_OF_EVERY_MODEL} AS r WHERE TRUE",
        seen_state(None)
    ));
    let sql = push_held::<S>(push_common::<S, _>(sql, &filter).push(GROUPED), None, &filter);
    summarised(session.load(sql).await?)
}

fn summarised(groups: Vec<Group>) -> Result<Vec<ModelSummary>, DbError> {
    let mut summaries: BTreeMap<Model, Tally> = BTreeMap::new();
    for group in groups {
        let model = model_of(group.1)?;
        summaries.entry(model).or_default().add(group)?;
    }
    Ok(summaries.into_iter().map(|(model, tally)| tally.into_summary(model)).collect())
}

#[derive(Default)]
struct Tally {
    states: BTreeMap<State, u64>,
    failures: BTreeMap<FailureKind, u64>,
    rereading: BTreeMap<FailureKind, u64>,
    started: u64,
    good_before: u64,
    bytes: u64,
    evidence: BTreeMap<EvidenceLevel, u64>,
    mismatched: u64,
    oldest_success: Option<Timestamp>,
}

impl Tally {
    fn add(&mut self, group: Group) -> Result<(), DbError> {
        let (
            held,
            _,
            state_code,
            kind,
            count,
            mebibytes,
            beside,
            oldest,
            sizes,
            said,
            at_rest,
            mismatched,
            good,
        ) = group;
        let state = state_of(state_code)?;
        let kind = kind.map(failure_kind_of).transpose()?;
        let count = unsigned(count, "count")?;
        let stored = self.states.entry(state).or_default();
        if held {
            *stored = stored.saturating_sub(count);
            self.started += count;
        } else {
            *stored += count;
        }
        if let Some(kind) = kind {
            self.add_failures(kind, state, held, count);
        }
        self.bytes = self.bytes.saturating_add(bytes(mebibytes, beside)?);
        // Of what succeeded, also if it is marked.
        self.oldest_success = self.oldest_success.into_iter().chain(oldest.map(Timestamp::from_millis)).min();
        if state == State::Pending {
            // Those that leases hold are among them: they are stored as they were before.
            self.good_before += unsigned(good.unwrap_or(0), "count")?;
        }
        if state_code == SUCCEEDED {
            self.add_evidence(count, [sizes, said, at_rest])?;
            self.mismatched += unsigned(mismatched.unwrap_or(0), "count")?;
        }
        Ok(())
    }

    /// Adds so many succeeded records, of which these were not read.
    fn add_evidence(&mut self, count: u64, others: [Option<i64>; 3]) -> Result<(), DbError> {
        let mut read = count;
        for (level, count) in UNREAD.into_iter().zip(others) {
            let count = unsigned(count.unwrap_or(0), "count")?;
            *self.evidence.entry(level).or_default() += count;
            read = read.saturating_sub(count);
        }
        *self.evidence.entry(EvidenceLevel::Read).or_default() += read;
        Ok(())
    }

    /// Adds records whose last attempt failed. Those that leases hold were counted in their stored state before.
    fn add_failures(&mut self, kind: FailureKind, state: State, held: bool, count: u64) {
        if state != State::Failed {
            if !held {
                *self.rereading.entry(kind).or_default() += count;
            }
            return;
        }
        let failed = self.failures.entry(kind).or_default();
        if held {
            *failed = failed.saturating_sub(count);
            *self.rereading.entry(kind).or_default() += count;
        } else {
            *failed += count;
        }
    }

    fn into_summary(mut self, model: Model) -> ModelSummary {
        self.states.insert(State::Started, self.started);
        self.states.retain(|_, count| *count > 0);
        self.failures.retain(|_, count| *count > 0);
        ModelSummary {
            model,
            states: self.states.into_iter().collect(),
            failures: self.failures.into_iter().collect(),
            rereading: self.rereading.into_iter().collect(),
            good_before: self.good_before,
            bytes: self.bytes,
            evidence: self.evidence.into_iter().filter(|(_, count)| *count > 0).collect(),
            mismatched: self.mismatched,
            oldest_success: self.oldest_success,
        }
    }
}
