//! Rows of `acceptances`.

use diesel::prelude::{Insertable, Queryable, Selectable};
use stocktake_domain::{Acceptance, Baseline, Digest, NewAcceptance, Replaced, TakenBack, Timestamp};

use super::failure::failure_of;
use super::record::{BaselineColumns, OwnColumns, RecordRow};
use super::values::{digest_bytes, digest_of, storable, storable_size, unsigned};
use crate::error::DbError;
use crate::schema::acceptances;

/// What is accepted, and who says so.
#[derive(Debug, Clone, Insertable, Queryable, Selectable)]
#[diesel(table_name = acceptances)]
pub(crate) struct AcceptedColumns {
    accepted_by: String,
    reason: Option<String>,
    /// Empty: that nothing is there.
    checksum: Vec<u8>,
    size: Option<i64>,
}

/// What counted of the record before.
#[derive(Debug, Clone, Insertable, Queryable, Selectable)]
#[diesel(table_name = acceptances)]
pub(crate) struct ReplacedColumns {
    expected: Option<Vec<u8>>,
    pub(crate) file_size: Option<i64>,
    pub(crate) baseline: Option<Vec<u8>>,
    pub(crate) baseline_at: Option<i64>,
    pub(crate) accepted: bool,
    failure_cause: Option<String>,
    pub(crate) failed_at: Option<i64>,
}

/// An acceptance to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = acceptances)]
pub(crate) struct NewAcceptanceRow {
    model: i16,
    key: Vec<u8>,
    accepted_at: i64,
    #[diesel(embed)]
    accepted: AcceptedColumns,
    #[diesel(embed)]
    replaced: ReplacedColumns,
}

/// An acceptance that was kept.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = acceptances)]
pub(crate) struct AcceptanceRow {
    pub(crate) id: i64,
    accepted_at: i64,
    #[diesel(embed)]
    accepted: AcceptedColumns,
    #[diesel(embed)]
    pub(crate) replaced: ReplacedColumns,
    undone_at: Option<i64>,
    undone_by: Option<String>,
    undone_reason: Option<String>,
}

impl AcceptedColumns {
    /// Those of an acceptance.
    pub(crate) fn new(acceptance: &NewAcceptance) -> Result<Self, DbError> {
        Ok(Self {
            accepted_by: storable(&acceptance.by, "by")?,
            reason: acceptance.reason.as_deref().map(|reason| storable(reason, "reason")).transpose()?,
            checksum: acceptance.checksum.map(digest_bytes).unwrap_or_default(),
            size: acceptance.size.map(|size| storable_size(size, "file_size")).transpose()?,
        })
    }

    /// The digest of the content; `None`: nothing is there.
    pub(crate) fn checksum(&self) -> Result<Option<Digest>, DbError> {
        (!self.checksum.is_empty()).then(|| digest_of(&self.checksum)).transpose()
    }

    /// The size of the content, if it has one.
    pub(crate) fn size(&self) -> Option<i64> {
        self.size
    }
}

impl ReplacedColumns {
    /// What counts of the record as it is.
    fn of(record: &RecordRow) -> Self {
        Self {
            expected: record.source.expected.clone(),
            file_size: record.source.file_size,
            baseline: record.baseline.own.baseline.clone(),
            baseline_at: record.baseline.own.baseline_at,
            accepted: record.accepted,
            failure_cause: record.result.failure_cause.clone(),
            failed_at: record.result.failed_at,
        }
    }

    /// The record with what counted before, as yet without check values. Why its last attempt failed counts again too.
    pub(crate) fn put_back(self, record: &mut RecordRow) -> Result<(), DbError> {
        record.source.file_size = self.file_size;
        record.accepted = self.accepted;
        let own = OwnColumns { baseline: self.baseline, baseline_at: self.baseline_at };
        record.baseline = BaselineColumns { baseline_check: None, own };
        let result = &mut record.result;
        (result.failed_at, result.failing_since) = (self.failed_at, self.failed_at);
        result.set_failure(self.failure_cause.as_deref().map(failure_of).transpose()?.as_ref());
        Ok(())
    }
}

impl NewAcceptanceRow {
    /// The row of an acceptance of this record as it is.
    pub(crate) fn new(record: &RecordRow, accepted: AcceptedColumns, now: i64) -> Self {
        let (model, key) = (record.model, record.key.clone());
        Self { model, key, accepted_at: now, accepted, replaced: ReplacedColumns::of(record) }
    }
}

impl AcceptanceRow {
    /// Whether it retired the record.
    pub(crate) fn is_of_absence(&self) -> bool {
        self.accepted.checksum.is_empty()
    }

    /// The acceptance.
    pub(crate) fn into_acceptance(self) -> Result<Acceptance, DbError> {
        let Self { accepted, replaced, .. } = self;
        let size = |size: Option<i64>| size.map(|size| unsigned(size, "size")).transpose();
        let baseline = match (replaced.baseline, replaced.baseline_at) {
            (Some(digest), Some(at)) => {
                Some(Baseline { digest: digest_of(&digest)?, at: Timestamp::from_millis(at) })
            }
            _ => None,
        };
        let (undone, reason) = (self.undone_at.zip(self.undone_by), self.undone_reason);
        Ok(Acceptance {
            at: Timestamp::from_millis(self.accepted_at),
            accepted: NewAcceptance {
                checksum: accepted.checksum()?,
                size: size(accepted.size)?,
                by: accepted.accepted_by,
                reason: accepted.reason,
            },
            replaced: Replaced {
                expected: replaced.expected.as_deref().map(digest_of).transpose()?,
                file_size: size(replaced.file_size)?,
                baseline,
                accepted: replaced.accepted,
                failure: replaced.failure_cause.as_deref().map(failure_of).transpose()?,
                failed_at: replaced.failed_at.map(Timestamp::from_millis),
            },
            taken_back: undone.map(|(at, by)| TakenBack { at: Timestamp::from_millis(at), by, reason }),
        })
    }
}
