//! What a sync has done, and who is notified of its progress.

use stocktake_domain::Model;
use stocktake_domain::ports::{ModelSyncState, SyncApplied};

/// What [`crate::SourceSync::once`] has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// Each model that was asked for, in the order of [`Model::ALL`]; one that was not reached counts nothing.
    pub models: Vec<ModelReport>,
    /// It was stopped before its end, and goes on from there the next time.
    pub stopped: bool,
}

/// What was done for one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReport {
    /// The model.
    pub model: Model,
    /// Rows read and applied.
    pub read: u64,
    /// Records added.
    pub added: u64,
    /// Records changed.
    pub changed: u64,
    /// Records that already were as the source says.
    pub unchanged: u64,
    /// Records deleted, because the source has no row for them any more.
    pub deleted: u64,
    /// Records kept though the source gave no row for them, because there were too many of them.
    pub kept: u64,
    /// Why there is nothing to be read, if this version of the source does not have the model: one sentence.
    pub absent: Option<String>,
    /// Why the model could not be read, or not to its end: one sentence.
    pub problem: Option<String>,
}

impl ModelReport {
    pub(crate) fn new(model: Model) -> Self {
        Self {
            model,
            read: 0,
            added: 0,
            changed: 0,
            unchanged: 0,
            deleted: 0,
            kept: 0,
            absent: None,
            problem: None,
        }
    }

    /// Adds what came of these rows.
    pub(crate) fn add(&mut self, rows: u64, applied: &SyncApplied) {
        self.read += rows;
        self.added += applied.applied.added;
        self.changed += applied.applied.changed;
        self.unchanged += applied.applied.unchanged;
        self.deleted += applied.deleted;
        self.kept += applied.kept;
    }
}

/// Is notified of the progress of a sync.
pub trait SyncProgress: Send + Sync {
    /// The rows of this model are read now, about so many of them.
    fn model(&self, model: Model, about: Option<u64>);

    /// So many rows of the model were read and applied until now.
    fn advanced(&self, model: Model, rows_read: u64);

    /// The model is done, or its problem reported.
    fn done(&self, report: &ModelReport);
}

/// The models whose rows never were read to their end: what belongs to them would look like nobody's.
pub fn never_read(states: &[ModelSyncState]) -> Vec<Model> {
    let is_read =
        |model: &Model| states.iter().any(|state| state.model == *model && state.last_read().is_some());
    Model::ALL.into_iter().filter(|model| !is_read(model)).collect()
}
