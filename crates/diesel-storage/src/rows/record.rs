//! Rows of `records`.

use diesel::prelude::{Insertable, Queryable};
use stocktake_domain::ports::Outcome;
use stocktake_domain::{
    Baseline, DigestRule, Failed, Failure, History, Location, Record, RecordKey, SourceRecord, Status,
    Timestamp, Verification,
};

use super::codes::{DISABLED, FAILED, PENDING, SUCCEEDED, failure_kind_code, failure_kind_of, model_of};
use super::{digest_bytes, digest_of, rule_of, storable, storable_rule, storable_size, unsigned};
use crate::error::Fault;
use crate::key;
use crate::schema::{records, staged};

/// A row of `records`.
///
/// Its absent values are written as NULL, not left to defaults: the latter is another statement for each row.
/// No `Debug`: the rule may hold a key.
#[derive(Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = records, treat_none_as_default_value = false)]
pub(crate) struct RecordRow {
    pub(crate) model: i16,
    pub(crate) key: Vec<u8>,
    pub(crate) storage: String,
    pub(crate) path: String,
    pub(crate) created_at: Option<i64>,
    pub(crate) file_size: Option<i64>,
    pub(crate) expected: Option<Vec<u8>>,
    pub(crate) rule: Option<String>,
    pub(crate) mutable: bool,
    pub(crate) accepted: bool,
    pub(crate) owner: Option<String>,
    pub(crate) source_checksum: Option<Vec<u8>>,
    pub(crate) content_changed_at: Option<i64>,
    pub(crate) from_source: bool,
    pub(crate) state: i16,
    pub(crate) due_at: Option<i64>,
    pub(crate) attempt: i64,
    pub(crate) baseline: Option<Vec<u8>>,
    pub(crate) baseline_at: Option<i64>,
    pub(crate) failed_at: Option<i64>,
    pub(crate) retry_count: i32,
    pub(crate) retry_at: Option<i64>,
    pub(crate) failure_kind: Option<i16>,
    pub(crate) failure: Option<String>,
    pub(crate) calculated: Option<Vec<u8>>,
    pub(crate) matches_source: Option<bool>,
}

/// What a result of an attempt writes, into the record with this key; it is due no more.
#[derive(Debug, Clone)]
pub(crate) struct ResultRow {
    pub(crate) key: Vec<u8>,
    pub(crate) state: i16,
    pub(crate) attempt: i64,
    pub(crate) baseline: Option<Vec<u8>>,
    pub(crate) baseline_at: Option<i64>,
    pub(crate) failed_at: Option<i64>,
    pub(crate) retry_count: i32,
    pub(crate) retry_at: Option<i64>,
    pub(crate) failure_kind: Option<i16>,
    pub(crate) failure: Option<String>,
    pub(crate) calculated: Option<Vec<u8>>,
    pub(crate) matches_source: Option<bool>,
}

/// An entry of an import or a sync. No `Debug`: the rule may hold a key.
#[derive(Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = staged, treat_none_as_default_value = false)]
pub(crate) struct StagedRow {
    pub(crate) key: Vec<u8>,
    pub(crate) storage: String,
    pub(crate) path: String,
    pub(crate) created_at: Option<i64>,
    pub(crate) file_size: Option<i64>,
    pub(crate) expected: Option<Vec<u8>>,
    pub(crate) rule: Option<String>,
    pub(crate) mutable: bool,
    pub(crate) disabled: bool,
    pub(crate) owner: Option<String>,
    pub(crate) source_checksum: Option<Vec<u8>>,
    pub(crate) content_changed_at: Option<i64>,
}

impl RecordRow {
    /// The record. `started`: some lease holds it.
    pub(crate) fn into_record(self, started: bool) -> Result<Record, Fault> {
        let status = self.status(started)?;
        Ok(Record {
            model: model_of(self.model)?,
            key: key::decode(&self.key)?,
            created_at: self.created_at.map(Timestamp::from_millis),
            file_size: self.file_size.map(|size| unsigned(size, "file_size")).transpose()?,
            location: Location { storage: self.storage, path: self.path },
            expected: self.expected.as_deref().map(digest_of).transpose()?,
            rule: self.rule.as_deref().map_or(Ok(DigestRule::Stored), rule_of)?,
            mutable: self.mutable,
            accepted: self.accepted,
            owner: self.owner,
            source_checksum: self.source_checksum.as_deref().map(digest_of).transpose()?,
            status,
        })
    }

    /// The status. `started`: some lease holds the record.
    pub(crate) fn status(&self, started: bool) -> Result<Status, Fault> {
        let history = self.history()?;
        Ok(match self.state {
            PENDING if started => Status::Started(Verification::restore(history, PENDING_STAGE).claim()),
            PENDING => Status::Pending(Verification::restore(history, PENDING_STAGE)),
            SUCCEEDED => {
                let stage = stocktake_domain::Succeeded { matches_source: self.matches_source };
                Status::Succeeded(Verification::restore(history, stage))
            }
            DISABLED => Status::Disabled(Verification::restore(history, stocktake_domain::Disabled)),
            FAILED => self.failed(history, started)?,
            other => return Err(Fault::data(format!("state {other} is unknown"))),
        })
    }

    /// Puts a status in place of the one the row has. `due_at` is when a pending record became due; a failed
    /// one keeps its own.
    pub(crate) fn set_status(&mut self, status: &Status, due_at: i64) -> Result<(), Fault> {
        let history = status.history();
        let change = Change::new(history);
        (self.attempt, self.retry_count) = (change.attempt, change.retry_count);
        (self.baseline, self.baseline_at) = (change.baseline, change.baseline_at);
        self.failed_at = change.failed_at;
        (self.retry_at, self.failure_kind, self.failure) = (None, None, None);
        (self.calculated, self.matches_source) = (None, None);
        let kept_due = self.due_at.take();
        match status {
            Status::Pending(_) => (self.state, self.due_at) = (PENDING, Some(due_at)),
            Status::Succeeded(verification) => {
                (self.state, self.matches_source) = (SUCCEEDED, verification.stage().matches_source);
            }
            Status::Disabled(_) => self.state = DISABLED,
            Status::Failed(verification) => {
                let stage = verification.stage();
                (self.state, self.due_at) = (FAILED, kept_due);
                self.retry_at = Some(stage.retry_at.millis());
                self.failure_kind = Some(failure_kind_code(stage.failure.kind()));
                self.failure = Some(failure_text(&stage.failure));
                self.calculated = stage.failure.calculated().map(digest_bytes);
            }
            Status::Started(_) => return Err(Fault::data("'started' cannot be stored")),
        }
        Ok(())
    }

    fn history(&self) -> Result<History, Fault> {
        let baseline = match (&self.baseline, self.baseline_at) {
            (Some(digest), Some(at)) => {
                Some(Baseline { digest: digest_of(digest)?, at: Timestamp::from_millis(at) })
            }
            _ => None,
        };
        Ok(History {
            attempt: unsigned(self.attempt, "attempt")?,
            retry_count: u32::try_from(self.retry_count)
                .map_err(|_| Fault::data(format!("retry_count {} is negative", self.retry_count)))?,
            baseline,
            failed_at: self.failed_at.map(Timestamp::from_millis),
        })
    }

    fn failed(&self, history: History, started: bool) -> Result<Status, Fault> {
        let (Some(kind), Some(text), Some(retry_at)) =
            (self.failure_kind, self.failure.clone(), self.retry_at.map(Timestamp::from_millis))
        else {
            return Err(Fault::data("a failed record without its failure"));
        };
        let calculated = self.calculated.as_deref().map(digest_of).transpose()?;
        let stage = Failed { failure: Failure::restored(failure_kind_of(kind)?, text, calculated), retry_at };
        let verification = Verification::restore(history, stage);
        if !started {
            return Ok(Status::Failed(verification));
        }
        // A failed record is due only from its retry time on, so that it was not claimed before.
        let claimed = verification.claim(retry_at).map_err(|early| Fault::data(early.to_string()))?;
        Ok(Status::Started(claimed))
    }
}

const PENDING_STAGE: stocktake_domain::Pending = stocktake_domain::Pending;

/// The columns of a history.
struct Change {
    attempt: i64,
    retry_count: i32,
    baseline: Option<Vec<u8>>,
    baseline_at: Option<i64>,
    failed_at: Option<i64>,
}

impl Change {
    fn new(history: &History) -> Self {
        Self {
            attempt: i64::try_from(history.attempt).unwrap_or(i64::MAX),
            retry_count: i32::try_from(history.retry_count).unwrap_or(i32::MAX),
            baseline: history.baseline.map(|baseline| digest_bytes(baseline.digest)),
            baseline_at: history.baseline.map(|baseline| baseline.at.millis()),
            failed_at: history.failed_at.map(Timestamp::millis),
        }
    }
}

impl ResultRow {
    /// What the outcome of an attempt writes.
    pub(crate) fn new(key: &RecordKey, outcome: &Outcome) -> Self {
        let (history, failed, matches_source) = match outcome {
            Outcome::Succeeded(verification) => {
                (verification.history(), None, verification.stage().matches_source)
            }
            Outcome::Failed(verification) => (verification.history(), Some(verification.stage()), None),
        };
        let change = Change::new(history);
        Self {
            key: key::encode(key),
            state: if failed.is_some() { FAILED } else { SUCCEEDED },
            attempt: change.attempt,
            baseline: change.baseline,
            baseline_at: change.baseline_at,
            failed_at: change.failed_at,
            retry_count: change.retry_count,
            retry_at: failed.map(|stage| stage.retry_at.millis()),
            failure_kind: failed.map(|stage| failure_kind_code(stage.failure.kind())),
            failure: failed.map(|stage| failure_text(&stage.failure)),
            calculated: failed.and_then(|stage| stage.failure.calculated()).map(digest_bytes),
            matches_source,
        }
    }
}

/// The text of a failure. What a system said may hold a NUL, which PostgreSQL refuses.
fn failure_text(failure: &Failure) -> String {
    failure.text().replace('\0', "\u{fffd}")
}

impl StagedRow {
    /// The row of an entry.
    pub(crate) fn new(entry: &SourceRecord) -> Result<Self, Fault> {
        let in_record = |fault| Fault::data(format!("record {}: {fault}", entry.key));
        let size = entry.file_size.map(|size| storable_size(size, "file_size")).transpose();
        let owner = entry.owner.as_deref().map(|owner| storable(owner, "owner")).transpose();
        Ok(Self {
            key: key::encode(&entry.key),
            storage: storable(&entry.location.storage, "storage").map_err(in_record)?,
            path: storable(&entry.location.path, "path").map_err(in_record)?,
            created_at: entry.created_at.map(Timestamp::millis),
            file_size: size.map_err(in_record)?,
            expected: entry.expected.map(digest_bytes),
            rule: storable_rule(&entry.rule).map_err(in_record)?,
            mutable: entry.mutable,
            disabled: entry.disabled,
            owner: owner.map_err(in_record)?,
            source_checksum: entry.source_checksum.map(digest_bytes),
            content_changed_at: entry.content_changed_at.map(Timestamp::millis),
        })
    }

    /// The row of a record that is new to the catalogue. `from_source`: it is known to be the source's.
    pub(crate) fn into_new_record(self, model: i16, from_source: bool, due_at: i64) -> RecordRow {
        RecordRow {
            model,
            key: self.key,
            storage: self.storage,
            path: self.path,
            created_at: self.created_at,
            file_size: self.file_size,
            expected: self.expected,
            rule: self.rule,
            mutable: self.mutable,
            accepted: false,
            owner: self.owner,
            source_checksum: self.source_checksum,
            content_changed_at: self.content_changed_at,
            from_source,
            state: if self.disabled { DISABLED } else { PENDING },
            due_at: (!self.disabled).then_some(due_at),
            attempt: 0,
            baseline: None,
            baseline_at: None,
            failed_at: None,
            retry_count: 0,
            retry_at: None,
            failure_kind: None,
            failure: None,
            calculated: None,
            matches_source: None,
        }
    }
}
