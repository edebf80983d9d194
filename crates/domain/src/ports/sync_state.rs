//! The state of the sync of the catalogue with a source: which process leads it, and how far it is.
//!
//! One process at a time syncs: the one with the *leader lease*, which it renews. Every write names its process and
//! does nothing once another one leads, so that a process which was taken for dead can spoil nothing. The progress is
//! written in the same transaction as the records, so that a kill at any moment loses nothing.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use super::catalogue::Applied;
use super::queue::WorkerId;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::SourceRecord;
use crate::time::Timestamp;

/// How far the sync of one model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSyncState {
    /// The model.
    pub model: Model,
    /// New rows are looked for behind this key: all up to it were read, and are old enough that no row that was
    /// still being written then can lie before it.
    pub read_to: Option<RecordKey>,
    /// When new rows were last read to their end, or the source was found not to have the model.
    pub read_at: Option<Timestamp>,
    /// Rows whose content was changed before this time were read.
    pub changes_read_to: Option<Timestamp>,
    /// The full scan under way, or the last one.
    pub full_scan: FullScan,
    /// Why the model could not be read when last tried: one sentence. `None` if it could.
    pub problem: Option<String>,
}

/// A look at all rows of a model, which also finds what was changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FullScan {
    /// All rows up to this key were looked at. `None`: the full scan has not begun.
    pub at: Option<RecordKey>,
    /// The model's records in the catalogue when the full scan began.
    pub records: u64,
    /// Records added since it began, by whatever reading.
    pub added: u64,
    /// Records changed since it began, by whatever reading.
    pub changed: u64,
    /// Records deleted in this full scan, because the source has no row for them any more.
    pub deleted: u64,
    /// Records kept in this full scan though the source gave no row for them, because there were too many of them.
    pub kept: u64,
    /// When the next batch of the full scan is due. `None`: at once.
    pub due_at: Option<Timestamp>,
    /// When the last full scan ended.
    pub ended_at: Option<Timestamp>,
}

impl FullScan {
    /// Counts what a batch changed.
    pub fn count(&mut self, applied: &Applied) {
        self.added = self.added.saturating_add(applied.added);
        self.changed = self.changed.saturating_add(applied.changed);
    }
}

impl ModelSyncState {
    /// Of a model that was never synced.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            read_to: None,
            read_at: None,
            changes_read_to: None,
            full_scan: FullScan::default(),
            problem: None,
        }
    }

    /// When rows were last read to their end, be it all or new ones; `None` if never.
    pub fn last_read(&self) -> Option<Timestamp> {
        self.read_at.max(self.full_scan.ended_at)
    }
}

/// A batch of what a source says of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncBatch {
    /// What its rows say, in the order of their keys, each key once.
    pub records: Vec<SourceRecord>,
    /// If `records` are all rows of a range of keys: the range, and how many records may be deleted.
    pub scanned_range: Option<ScannedRange>,
}

/// A range of keys of which all rows were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedRange {
    /// The keys behind this one; `None`: from the first.
    pub after: Option<RecordKey>,
    /// The keys up to and including this one; `None`: to the last.
    pub to: Option<RecordKey>,
    /// The most records of the range to be deleted for want of a row. If there are more, none is.
    pub most_deleted: u64,
}

/// What applying a batch changed, in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncApplied {
    /// Added, changed, unchanged.
    pub applied: Applied,
    /// Deleted, because the source has no row for them any more.
    pub deleted: u64,
    /// Kept though the source gave no row for them ([`ScannedRange::most_deleted`]).
    pub kept: u64,
}

/// The state of the sync of the catalogue with its source.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SyncState: Send + Sync {
    /// Acquires the leader lease until `duration` from now (exclusive), or renews it. False if another process has it. The leader may also renew a lease that is over, as long as no other process has acquired it; of several that
    /// try at once, one gets it. All processes give the same duration: a lease that is to last longer is over.
    async fn acquire_leader_lease(&self, instance: &WorkerId, duration: Duration)
    -> Result<bool, StoreError>;

    /// Gives the leader lease back; nothing happens unless this process has it.
    async fn release_leader_lease(&self, instance: &WorkerId) -> Result<(), StoreError>;

    /// The progress of each model that ever was synced, in the order of [`Model::ALL`].
    async fn states(&self) -> Result<Vec<ModelSyncState>, StoreError>;

    /// Applies a batch and keeps the state, in one step; `None`, and nothing is done, unless `instance` leads.
    /// [`FullScan::added`] and [`FullScan::changed`] are kept with what this batch adds to them ([`FullScan::count`]);
    /// [`FullScan::deleted`] and [`FullScan::kept`] as given: what this batch adds to these is the caller's to add to the next
    /// state it gives.
    ///
    /// Records are applied as by [`super::Catalogue::import`], and one that is so added or changed is known to belong
    /// to the source. Besides: a known record whose `content_changed_at` is later than the one known before is
    /// recalculated ([`crate::Verification::recalculate`]); while an attempt is running, the later time is left for the
    /// next batch instead, so that a repository with constant pushes is verified at all. One whose `source_checksum`
    /// changed is compared with it as far as its own checksum can be, else forgets how it compared
    /// ([`crate::Succeeded::matches_source`]).
    ///
    /// Only records known to belong to the source are ever deleted, whoever holds them: those in
    /// [`SyncBatch::scanned_range`] without a row, all of them or, beyond [`ScannedRange::most_deleted`], none. A result
    /// for a deleted record is thrown away, also if the record was added again meanwhile.
    ///
    /// The lease must last beyond now. On an error neither the records nor the state are changed.
    async fn apply(
        &self,
        instance: &WorkerId,
        batch: SyncBatch,
        state: &ModelSyncState,
    ) -> Result<Option<SyncApplied>, StoreError>;
}
