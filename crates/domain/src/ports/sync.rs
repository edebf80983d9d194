//! Bringing the catalogue in line with a source, piece by piece, and remembering how far that is.
//!
//! One process at a time does it: it *holds* the sync, for a while that it prolongs. Every write says who holds
//! it and does nothing once somebody else does, so that a process which was taken for dead can spoil nothing. How
//! far the sync is stands in the same transaction as the records, so that a kill at any moment loses nothing.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use super::catalogue::Applied;
use super::queue::WorkerId;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Entry;
use crate::time::Timestamp;

/// How far the sync of one model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// The model.
    pub model: Model,
    /// New rows are looked for behind this key: all up to it were read, and are old enough that no row that was
    /// still being written then can lie before it.
    pub read_to: Option<RecordKey>,
    /// When new rows were last read to their end, or the source was found not to have the model.
    pub read_at: Option<Timestamp>,
    /// Rows whose content was changed before this time were read.
    pub touched_to: Option<Timestamp>,
    /// The round of looking at all rows, under way or over.
    pub round: Round,
    /// Why the model could not be read when last tried: one sentence. `None` if it could.
    pub problem: Option<String>,
}

/// A round of looking at all rows of a model, which also finds what was changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// All rows up to this key were looked at. `None`: the round has not begun.
    pub at: Option<RecordKey>,
    /// The model's records in the catalogue when the round began.
    pub records: u64,
    /// Records deleted in this round, because the source has no row for them any more.
    pub deleted: u64,
    /// Records kept in this round though the source gave no row for them, because that were too many at once.
    pub kept: u64,
    /// When the next piece of the round is to be looked at. `None`: at once.
    pub due_at: Option<Timestamp>,
    /// When the last round came to its end.
    pub ended_at: Option<Timestamp>,
}

impl SyncState {
    /// Of a model that was never synced.
    pub fn new(model: Model) -> Self {
        Self { model, read_to: None, read_at: None, touched_to: None, round: Round::default(), problem: None }
    }
}

/// A piece of what a source says of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncPiece {
    /// What its rows say, in the order of their keys, each key once.
    pub entries: Vec<Entry>,
    /// If `entries` are all rows of a range of keys: the range, and how many records may go.
    pub all_of: Option<AllOf>,
}

/// A range of keys of which all rows were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllOf {
    /// The keys behind this one; `None`: from the first.
    pub after: Option<RecordKey>,
    /// The keys up to and including this one; `None`: to the last.
    pub to: Option<RecordKey>,
    /// The most records of the range to be deleted for want of a row. If there are more, none is.
    pub most_deleted: u64,
}

/// What applying a piece changed, in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncApplied {
    /// Added, changed, unchanged.
    pub applied: Applied,
    /// Deleted, because the source has no row for them any more.
    pub deleted: u64,
    /// Kept though the source gave no row for them ([`AllOf::most_deleted`]).
    pub kept: u64,
}

/// The sync of the catalogue with its source.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Syncs: Send + Sync {
    /// Holds the sync until `span` from now, or prolongs it. False if somebody else holds it.
    async fn hold(&self, holder: &WorkerId, span: Duration, now: Timestamp) -> Result<bool, StoreError>;

    /// Lets go of the sync, if this is who holds it.
    async fn release(&self, holder: &WorkerId) -> Result<(), StoreError>;

    /// How far the sync is of each model that ever was synced, in the order of [`Model::ALL`].
    async fn states(&self) -> Result<Vec<SyncState>, StoreError>;

    /// Applies a piece and keeps the state, in one step; `None`, and nothing is done, unless `holder` holds the
    /// sync. [`Round::deleted`] and [`Round::kept`] are kept as given: what this piece adds to them is the caller's
    /// to add to the next state it gives.
    ///
    /// Entries are applied as by [`super::Catalogue::import`], and a record so added or changed is known to be the
    /// source's. Besides: a known record whose `touched_at` is later than the one known before is recalculated
    /// ([`crate::Verification::recalculate`]); while an attempt is running, the later time is left for the next look
    /// instead, so that a repository that is pushed to all the time is verified at all. One whose `elsewhere` changed is
    /// compared with it as far as its own checksum can be, else forgets how it compared
    /// ([`crate::Succeeded::agrees`]). Only records known to be the source's are ever deleted.
    async fn apply(
        &self,
        holder: &WorkerId,
        piece: SyncPiece,
        state: &SyncState,
        now: Timestamp,
    ) -> Result<Option<SyncApplied>, StoreError>;
}
