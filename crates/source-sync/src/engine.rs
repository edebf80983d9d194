//! The engine: its parts, and the steps that all ways of syncing share.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{
    Catalogue, CountLimit, ModelSyncState, Readable, Source, SyncApplied, SyncBatch, SyncState, WorkerId,
};
use stocktake_domain::{Clock, Model, RecordKey, Selection, Timestamp};

use crate::full_scan::{self, ScanSchedule};
use crate::outage::{SyncError, retry_unavailable};
use crate::page::SourceRows;
use crate::telemetry;

/// How often the source is asked which models can be read, if nothing is wrong.
pub(crate) const SURVEY_EVERY: Duration = Duration::from_secs(300);

/// How a source is followed.
#[derive(Debug, Clone)]
pub struct SyncSettings {
    /// How often new rows are looked for.
    pub interval: Duration,
    /// How long a full scan over all rows takes.
    pub full_scan: Duration,
    /// The most rows of a model read and applied at once, at least 1.
    pub batch: u32,
    /// How many models are read and applied at the same time. Two batches of each are in memory: one that is applied, and the next.
    pub models_at_once: NonZeroUsize,
    /// How long the leader lease of a process without a heartbeat lasts.
    pub leader_lease: Duration,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            full_scan: Duration::from_secs(24 * 3_600),
            batch: 5_000,
            models_at_once: NonZeroUsize::MIN,
            leader_lease: Duration::from_secs(30),
        }
    }
}

/// What a sync is made of.
pub struct SyncParts {
    /// Where rows are read.
    pub source: Arc<dyn Source>,
    /// Where they are applied.
    pub sync_state: Arc<dyn SyncState>,
    /// What is there already.
    pub catalogue: Arc<dyn Catalogue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who does it: no other process has this name.
    pub instance: WorkerId,
}

/// Brings the catalogue in line with a source.
pub struct SourceSync {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) sync_state: Arc<dyn SyncState>,
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) instance: WorkerId,
    pub(crate) settings: SyncSettings,
}

impl SourceSync {
    /// A sync, not yet running.
    pub fn new(parts: SyncParts, settings: SyncSettings) -> Self {
        telemetry::describe();
        let SyncParts { source, sync_state, catalogue, clock, instance } = parts;
        Self { source, sync_state, catalogue, clock, instance, settings }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn scan_schedule(&self) -> ScanSchedule {
        ScanSchedule { full_scan: self.settings.full_scan, lateness: self.settings.interval * 2 }
    }

    pub(crate) async fn survey(&self, tries: u32) -> Result<Vec<(Model, Readable)>, SyncError> {
        Ok(retry_unavailable(tries, || self.source.survey()).await?)
    }

    /// How far each model is that ever was synced.
    pub(crate) async fn states(&self, tries: u32) -> Result<Vec<ModelSyncState>, SyncError> {
        Ok(retry_unavailable(tries, || self.sync_state.states()).await?)
    }

    pub(crate) async fn records(&self, model: Model, tries: u32) -> Result<u64, SyncError> {
        let all = Selection::default();
        let limit = CountLimit::page(u64::MAX);
        Ok(retry_unavailable(tries, || self.catalogue.count(model, &all, limit)).await?.matches)
    }

    /// The first rows behind this key.
    pub(crate) async fn read(
        &self,
        model: Model,
        after: Option<RecordKey>,
        tries: u32,
    ) -> Result<SourceRows, SyncError> {
        let limit = self.settings.batch;
        let page = retry_unavailable(tries, || self.source.page(model, after.clone(), limit)).await?;
        Ok(SourceRows::new(after, page)?)
    }

    /// The page behind this one, if there may be any.
    pub(crate) async fn read_on(
        &self,
        model: Model,
        read_to: Option<RecordKey>,
        tries: u32,
    ) -> Result<Option<SourceRows>, SyncError> {
        match read_to {
            Some(after) => self.read(model, Some(after), tries).await.map(Some),
            None => Ok(None),
        }
    }

    /// Applies a batch and keeps the state; `state` is the one last kept.
    pub(crate) async fn apply(
        &self,
        state: &mut ModelSyncState,
        next: ModelSyncState,
        mut batch: SyncBatch,
        tries: u32,
    ) -> Result<SyncApplied, SyncError> {
        let rows = u64::try_from(batch.records.len()).unwrap_or(u64::MAX);
        let mut left = tries;
        let applied = retry_unavailable(tries, || {
            left = left.saturating_sub(1);
            let batch = if left == 0 { std::mem::take(&mut batch) } else { batch.clone() };
            self.sync_state.apply(&self.instance, batch, &next)
        });
        let applied = applied.await?.ok_or(SyncError::LeaseLost)?;
        telemetry::applied(state.model, rows, &applied);
        *state = next;
        state.full_scan.count(&applied.applied);
        Ok(applied)
    }

    /// Keeps what was deleted in the full scan, so that a kill does not forget it.
    pub(crate) async fn keep_count(
        &self,
        state: &mut ModelSyncState,
        applied: &SyncApplied,
        tries: u32,
    ) -> Result<(), SyncError> {
        let mut next = state.clone();
        if full_scan::count(&mut next.full_scan, applied) {
            log_deletions(state.model, applied);
            self.apply(state, next, SyncBatch::default(), tries).await?;
        }
        Ok(())
    }

    /// Keeps that there is nothing to be read of the model. Its records, if it has any, stay.
    pub(crate) async fn keep_absent(&self, state: &mut ModelSyncState, tries: u32) -> Result<(), SyncError> {
        let now = self.now();
        let is_due = state.read_at.is_none_or(|found| now.since(found) >= SURVEY_EVERY);
        if state.problem.is_some() || is_due {
            let next = ModelSyncState { problem: None, read_at: Some(now), ..state.clone() };
            self.apply(state, next, SyncBatch::default(), tries).await?;
        }
        Ok(())
    }

    /// Keeps why the model cannot be read.
    pub(crate) async fn keep_problem(
        &self,
        state: &mut ModelSyncState,
        problem: &str,
        tries: u32,
    ) -> Result<(), SyncError> {
        if state.problem.as_deref() != Some(problem) {
            let model = state.model.name();
            tracing::warn!(sync.model = model, sync.problem = problem, "{model} cannot be synced: {problem}");
            let next = ModelSyncState { problem: Some(problem.to_owned()), ..state.clone() };
            self.apply(state, next, SyncBatch::default(), tries).await?;
        }
        telemetry::failed(state.model.name());
        Ok(())
    }
}

impl fmt::Debug for SourceSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, settings, .. } = self;
        f.debug_struct("SourceSync")
            .field("instance", instance)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

/// Whether rows of the model were ever read, so that it cannot be one that the source never had.
pub(crate) fn was_read(state: &ModelSyncState) -> bool {
    state.changes_read_to.is_some()
}

/// The states by their models.
pub(crate) fn by_model(states: Vec<ModelSyncState>) -> BTreeMap<Model, ModelSyncState> {
    states.into_iter().map(|state| (state.model, state)).collect()
}

fn log_deletions(model: Model, applied: &SyncApplied) {
    let (model, deleted, kept) = (model.name(), applied.deleted, applied.kept);
    if deleted > 0 {
        tracing::info!(
            sync.model = model,
            records.deleted = deleted,
            "{deleted} records of {model} were deleted: the source has no rows for them any more"
        );
    }
    if kept > 0 {
        tracing::warn!(
            sync.model = model,
            records.kept = kept,
            "{kept} records of {model} are kept though the source has no rows for them: these are too many at \
             once, and `stocktake sync --accept-deletions` deletes them if that is right"
        );
    }
}
