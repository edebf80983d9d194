//! Rows of `orphan_walks`, `orphan_walk_storages` and `orphans`.

use diesel::prelude::{Insertable, Queryable, Selectable};
use stocktake_domain::{
    Location, Orphan, OrphanTotals, OrphanWalk, StorageOutcome, Timestamp, WalkId, WalkedStorage,
};

use super::codes::walk_state_of;
use super::values::{storable, storable_size, unsigned};
use crate::error::DbError;
use crate::schema::{orphan_walk_storages, orphan_walks, orphans};

/// A row of `orphan_walks`, but for who is at it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orphan_walks)]
pub(crate) struct WalkRow {
    id: i64,
    requested_by: String,
    state: i16,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    problem: Option<String>,
}

impl WalkRow {
    /// The walk.
    pub(crate) fn into_walk(self) -> Result<OrphanWalk, DbError> {
        Ok(OrphanWalk {
            id: WalkId(self.id),
            requested_by: self.requested_by,
            state: walk_state_of(self.state)?,
            created_at: Timestamp::from_millis(self.created_at),
            started_at: self.started_at.map(Timestamp::from_millis),
            finished_at: self.finished_at.map(Timestamp::from_millis),
            problem: self.problem,
        })
    }
}

/// A row of `orphan_walk_storages`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orphan_walk_storages)]
pub(crate) struct WalkedStorageRow {
    walk: i64,
    pub(crate) storage: String,
    outcome: Option<i16>,
    reason: Option<String>,
    looked_at: i64,
    orphans: i64,
    bytes: i64,
    unmeasured: i64,
    internal: i64,
    young: i64,
    not_understood: i64,
    skipped: i64,
}

impl WalkedStorageRow {
    /// The row of a storage in a walk.
    pub(crate) fn new(walk: i64, walked: &WalkedStorage) -> Result<Self, DbError> {
        let (outcome, reason) = outcome_columns(walked.outcome.as_ref());
        let totals = &walked.totals;
        Ok(Self {
            walk,
            storage: storable(&walked.storage, "storage")?,
            outcome,
            reason,
            looked_at: storable_size(totals.looked_at, "looked_at")?,
            orphans: storable_size(totals.orphans, "orphans")?,
            bytes: storable_size(totals.bytes, "bytes")?,
            unmeasured: storable_size(totals.unmeasured, "unmeasured")?,
            internal: storable_size(totals.internal, "internal")?,
            young: storable_size(totals.young, "young")?,
            not_understood: storable_size(totals.not_understood, "not_understood")?,
            skipped: storable_size(totals.skipped, "skipped")?,
        })
    }

    /// How far the walk is in the storage.
    pub(crate) fn into_walked(self) -> Result<WalkedStorage, DbError> {
        Ok(WalkedStorage {
            storage: self.storage,
            outcome: outcome_of(self.outcome, self.reason)?,
            totals: OrphanTotals {
                looked_at: unsigned(self.looked_at, "looked_at")?,
                orphans: unsigned(self.orphans, "orphans")?,
                bytes: unsigned(self.bytes, "bytes")?,
                unmeasured: unsigned(self.unmeasured, "unmeasured")?,
                internal: unsigned(self.internal, "internal")?,
                young: unsigned(self.young, "young")?,
                not_understood: unsigned(self.not_understood, "not_understood")?,
                skipped: unsigned(self.skipped, "skipped")?,
            },
        })
    }
}

/// How a search ended, as its number and the reason.
pub(super) fn outcome_columns(outcome: Option<&StorageOutcome>) -> (Option<i16>, Option<String>) {
    let (code, reason) = match outcome {
        None => return (None, None),
        Some(StorageOutcome::Searched) => (0, None),
        Some(StorageOutcome::NotConfigured) => (1, None),
        Some(StorageOutcome::Unused(reason)) => (2, Some(reason)),
        Some(StorageOutcome::Failed(reason)) => (3, Some(reason)),
        Some(StorageOutcome::Disordered(reason)) => (4, Some(reason)),
    };
    // What a system said may hold a NUL, which PostgreSQL refuses.
    (Some(code), reason.map(|reason| reason.replace('\0', "\u{fffd}")))
}

/// How a search ended that has this number and this reason.
pub(super) fn outcome_of(
    code: Option<i16>,
    reason: Option<String>,
) -> Result<Option<StorageOutcome>, DbError> {
    let reason = reason.unwrap_or_default();
    Ok(match code {
        None => None,
        Some(0) => Some(StorageOutcome::Searched),
        Some(1) => Some(StorageOutcome::NotConfigured),
        Some(2) => Some(StorageOutcome::Unused(reason)),
        Some(3) => Some(StorageOutcome::Failed(reason)),
        Some(4) => Some(StorageOutcome::Disordered(reason)),
        Some(other) => {
            return Err(DbError::data(format!("a search of a storage with the unknown end {other}")));
        }
    })
}

/// A row of `orphans`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orphans)]
pub(crate) struct OrphanRow {
    walk: i64,
    storage: String,
    path: String,
    size: Option<i64>,
    modified_at: Option<i64>,
}

impl OrphanRow {
    /// The row of an orphan that a walk found.
    pub(crate) fn new(walk: i64, orphan: &Orphan) -> Result<Self, DbError> {
        Ok(Self {
            walk,
            storage: storable(&orphan.location.storage, "storage")?,
            path: storable(&orphan.location.path, "path")?,
            size: orphan.size.map(|size| storable_size(size, "size")).transpose()?,
            modified_at: orphan.modified_at.map(Timestamp::millis),
        })
    }

    /// The orphan.
    pub(crate) fn into_orphan(self) -> Result<Orphan, DbError> {
        Ok(Orphan {
            location: Location { storage: self.storage, path: self.path },
            size: self.size.map(|size| unsigned(size, "size")).transpose()?,
            modified_at: self.modified_at.map(Timestamp::from_millis),
        })
    }
}
