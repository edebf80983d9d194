//! Rows of `leases` and `jobs`: what is being worked at.

use std::sync::LazyLock;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::{AsChangeset, Insertable, Queryable, Selectable};
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt, Text};
use stocktake_domain::ports::LeaseTerms;
use stocktake_domain::{Job, JobId, JobScope, JobState, NewJob, RecordKey, Selection, Timestamp};

use super::codes::{
    job_state_code, job_state_of, model_code, model_of, selected_state_code, selected_state_of,
};
use super::filter;
use super::values::{storable, unsigned};
use crate::columns::{Row, columns, select_list};
use crate::error::DbError;
use crate::schema::{jobs, leases};
use crate::sql::Sql;

columns! {
    /// What is read of a lease.
    #[derive(Debug, Clone)]
    pub(crate) struct LeaseRow {
        id: BigInt,
        model: SmallInt,
        storage: Text,
        first_key: Binary,
        last_key: Binary,
        due_from: BigInt,
        claimed_at: BigInt,
        alive_until: BigInt,
        heartbeat_timeout: BigInt,
        deadline: BigInt,
        duration: BigInt,
    }
}

/// The columns of a lease `l`.
pub(crate) static LEASE: LazyLock<String> = LazyLock::new(|| select_list::<LeaseRow>("l"));

/// Their SQL types.
pub(crate) type LeaseSql = <LeaseRow as Row>::SqlType;

/// A lease to be made.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = leases)]
pub(crate) struct NewLeaseRow {
    pub(crate) id: i64,
    pub(crate) model: i16,
    pub(crate) storage: String,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    pub(crate) due_from: i64,
    pub(crate) claimed_at: i64,
    pub(crate) worker: String,
    #[diesel(embed)]
    pub(crate) ends: LeaseEnds,
}

/// When a lease ends, and how long it lasts, in milliseconds.
#[derive(Debug, Clone, Copy, Insertable, AsChangeset)]
#[diesel(table_name = leases)]
pub(crate) struct LeaseEnds {
    pub(crate) alive_until: i64,
    pub(crate) heartbeat_timeout: i64,
    pub(crate) deadline: i64,
    pub(crate) duration: i64,
}

impl LeaseEnds {
    /// Those of a lease with these terms that is claimed, or renewed with progress, now.
    pub(crate) fn new(terms: LeaseTerms, now: Timestamp) -> Self {
        let (alive_until, deadline) = (now.after(terms.heartbeat_timeout), now.after(terms.duration));
        Self {
            alive_until: alive_until.millis(),
            heartbeat_timeout: alive_until.since(now).as_millis().try_into().unwrap_or(i64::MAX),
            deadline: deadline.millis(),
            duration: deadline.since(now).as_millis().try_into().unwrap_or(i64::MAX),
        }
    }
}

/// How a lease ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// Its worker is taken for dead.
    Released,
    /// Its worker lives, and made no progress for too long.
    TimedOut,
}

impl LeaseRow {
    /// Whether it is over, and how it ended. What is to end later than its terms allow was written by a clock that was
    /// ahead, and is over.
    pub(crate) fn end(&self, now: Timestamp) -> Option<LeaseEnd> {
        let is_beyond = |end: i64, span: i64| end > now.latest_end(millis(span)).millis();
        if self.alive_until <= now.millis()
            || is_beyond(self.alive_until, self.heartbeat_timeout)
            || is_beyond(self.deadline, self.duration)
        {
            return Some(LeaseEnd::Released);
        }
        (self.deadline <= now.millis()).then_some(LeaseEnd::TimedOut)
    }
}

fn millis(span: i64) -> Duration {
    Duration::from_millis(u64::try_from(span).unwrap_or(0))
}

/// What is shown of a row of `jobs`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(crate) struct JobRow {
    id: i64,
    model: i16,
    selected_state: Option<i16>,
    #[diesel(select_expression = key_count())]
    #[diesel(select_expression_type = SqlLiteral<Nullable<BigInt>>)]
    key_count: Option<i64>,
    selected_filter: Option<String>,
    requested_by: String,
    state: i16,
    marked: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

/// How many keys there are in a text of [`encode_keys`]: each ends with a bracket, and so does the whole. The text may be a
/// megabyte, which stays in the database, and parsing it there would take more than counting does.
const KEY_COUNT: &str = "CAST(LENGTH(selected_keys) - LENGTH(REPLACE(selected_keys, ']', '')) - 1 AS BIGINT)";

fn key_count() -> SqlLiteral<Nullable<BigInt>> {
    sql(KEY_COUNT)
}

/// The columns of a [`JobRow`], as a select list.
pub(crate) static JOB: LazyLock<String> = LazyLock::new(|| {
    format!(
        "id, model, selected_state, {KEY_COUNT}, selected_filter, requested_by, state, marked, created_at, started_at, \
         finished_at"
    )
});

/// Their SQL types.
pub(crate) type JobSql = (
    BigInt,
    SmallInt,
    Nullable<SmallInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Text,
    SmallInt,
    BigInt,
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
);

/// What of a row of `jobs` says which records are marked next.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(crate) struct JobTargetRow {
    pub(crate) model: i16,
    selected_state: Option<i16>,
    selected_keys: Option<String>,
    selected_filter: Option<String>,
    pub(crate) marked_to: Option<Vec<u8>>,
    pub(crate) started_at: Option<i64>,
}

/// A job to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = jobs)]
pub(crate) struct NewJobRow {
    model: i16,
    selected_state: Option<i16>,
    selected_keys: Option<String>,
    selected_filter: Option<String>,
    requested_by: String,
    state: i16,
    marked: i64,
}

impl NewJobRow {
    /// The row of a job, but for when it was enqueued.
    pub(crate) fn new(job: &NewJob) -> Result<Self, DbError> {
        let Selection { state, keys, filter } = &job.selection;
        let filter = Some(filter).filter(|filter| !filter.is_empty());
        Ok(Self {
            model: model_code(job.model),
            selected_state: state.map(selected_state_code),
            selected_keys: keys.as_deref().map(encode_keys).transpose()?,
            selected_filter: filter.map(filter::encode).transpose()?,
            requested_by: storable(&job.requested_by, "requested_by")?,
            state: job_state_code(JobState::Queued),
            marked: 0,
        })
    }

    /// Adds the columns, and a SELECT for the values, of a job that is enqueued now.
    pub(crate) fn push_values<T>(self, sql: Sql<T>, now: Timestamp) -> Sql<T> {
        let Self { model, selected_state, selected_keys, selected_filter, requested_by, state, marked } =
            self;
        let sql = sql.push(
            "(model, requested_by, state, marked, created_at, selected_state, selected_keys, selected_filter) \
             SELECT ?, ?, ?, ?, ?",
        );
        let sql = sql.bind(model).bind(requested_by).bind(state).bind(marked).bind(now.millis());
        let sql = match selected_state {
            Some(state) => sql.push(", ?").bind(state),
            None => sql.push(", CAST(NULL AS smallint)"),
        };
        [selected_keys, selected_filter].into_iter().fold(sql, |sql, text| match text {
            Some(text) => sql.push(", ?").bind(text),
            None => sql.push(", CAST(NULL AS text)"),
        })
    }

    /// The model, the state, and the keys and the filter as they are kept, that the job is about.
    pub(crate) fn target(&self) -> (i16, Option<i16>, [Option<&str>; 2]) {
        (self.model, self.selected_state, [self.selected_keys.as_deref(), self.selected_filter.as_deref()])
    }
}

impl JobRow {
    /// The job.
    pub(crate) fn into_job(self) -> Result<Job, DbError> {
        let scope = JobScope {
            state: self.selected_state.map(selected_state_of).transpose()?,
            key_count: self.key_count.map(|keys| unsigned(keys, "selected_keys")).transpose()?,
            filter: self.selected_filter.as_deref().map(filter::decode).transpose()?.unwrap_or_default(),
        };
        Ok(Job {
            id: JobId(self.id),
            model: model_of(self.model)?,
            scope,
            requested_by: self.requested_by,
            state: job_state_of(self.state)?,
            marked: unsigned(self.marked, "marked")?,
            created_at: Timestamp::from_millis(self.created_at),
            started_at: self.started_at.map(Timestamp::from_millis),
            finished_at: self.finished_at.map(Timestamp::from_millis),
        })
    }
}

impl JobTargetRow {
    /// Which records the job is about.
    pub(crate) fn selection(&self) -> Result<Selection, DbError> {
        Ok(Selection {
            state: self.selected_state.map(selected_state_of).transpose()?,
            keys: self.selected_keys.as_deref().map(decode_keys).transpose()?,
            filter: self.selected_filter.as_deref().map(filter::decode).transpose()?.unwrap_or_default(),
        })
    }
}

/// The keys as JSON: an array of arrays of their parts.
fn encode_keys(keys: &[RecordKey]) -> Result<String, DbError> {
    let parts: Vec<&[i64]> = keys.iter().map(RecordKey::parts).collect();
    serde_json::to_string(&parts).map_err(|error| DbError::data(error.to_string()))
}

/// The keys of such JSON.
fn decode_keys(json: &str) -> Result<Vec<RecordKey>, DbError> {
    let parts: Vec<Vec<i64>> =
        serde_json::from_str(json).map_err(|error| DbError::data(error.to_string()))?;
    let key = |parts| RecordKey::from_parts(parts).ok_or_else(|| DbError::data("a key without parts"));
    parts.into_iter().map(key).collect()
}
