//! One full scan of each model, at once.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stocktake_domain::ports::{FullScan, ModelSyncState, Readable, SyncBatch};
use stocktake_domain::{Model, Timestamp};
use stocktake_net::error::ErrorChain;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{SourceSync, by_model, was_read};
use crate::full_scan;
use crate::highwater::Pass;
use crate::outage::{SyncError, retry_unavailable};
use crate::report::{ModelReport, SyncProgress, SyncReport};

/// How often in a row the source or the database may fail before a command in the foreground gives up.
const TRIES: u32 = 5;

/// The interval between attempts to acquire a lease that another process has: a tick of the schedule is short.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How much longer than the lease of a killed process that is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was asked for.
#[derive(Clone, Copy)]
struct ScanRequest<'a> {
    models: &'a [Model],
    accept_deletions: bool,
    progress: &'a dyn SyncProgress,
}

impl SourceSync {
    /// Looks at all rows of these models (none: of all) at once, and brings their records in line: adds, changes,
    /// deletes. One that was interrupted goes on where it was.
    ///
    /// `accept_deletions` lifts the limits on how many records are deleted. A model that cannot be read is
    /// reported, and the others go on.
    pub async fn once(
        &self,
        models: &[Model],
        accept_deletions: bool,
        progress: &dyn SyncProgress,
        stop: CancellationToken,
    ) -> Result<SyncReport, SyncError> {
        let mut report = SyncReport::default();
        let Some(until) = stop.run_until_cancelled(self.wait_for_lease()).await.transpose()? else {
            report.stopped = true;
            return Ok(report);
        };
        let request = ScanRequest { models, accept_deletions, progress };
        let done = self.while_leading(until, self.each_full_scan(request, &mut report), &stop).await?;
        report.stopped = done.is_none();
        Ok(report)
    }

    async fn wait_for_lease(&self) -> Result<Timestamp, SyncError> {
        let end = Instant::now() + self.settings.leader_lease + PATIENCE;
        loop {
            if let Some(until) = retry_unavailable(TRIES, || self.acquire_lease()).await? {
                return Ok(until);
            }
            if Instant::now() >= end {
                return Err(SyncError::NotLeader);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn each_full_scan(
        &self,
        request: ScanRequest<'_>,
        report: &mut SyncReport,
    ) -> Result<(), SyncError> {
        let mut survey = self.survey(TRIES).await?;
        survey.retain(|(model, _)| request.models.is_empty() || request.models.contains(model));
        let mut states = by_model(self.states(TRIES).await?);
        report.models = survey.iter().map(|(model, _)| ModelReport::new(*model)).collect();
        let mut scans = Vec::new();
        for ((model, readable), line) in survey.into_iter().zip(&mut report.models) {
            let state = states.remove(&model).unwrap_or_else(|| ModelSyncState::new(model));
            scans.push(self.full_scan_of(state, readable, request, line));
        }
        stream::iter(scans).buffer_unordered(self.settings.models_at_once.get()).try_collect().await
    }

    async fn full_scan_of(
        &self,
        mut state: ModelSyncState,
        readable: Readable,
        request: ScanRequest<'_>,
        report: &mut ModelReport,
    ) -> Result<(), SyncError> {
        let problem = self.one_full_scan(&mut state, readable, request, report).await?;
        if let Some(problem) = &problem {
            self.keep_problem(&mut state, problem, TRIES).await?;
        }
        report.problem = problem;
        request.progress.done(report);
        Ok(())
    }

    /// Why the model cannot be read, if so.
    async fn one_full_scan(
        &self,
        state: &mut ModelSyncState,
        readable: Readable,
        request: ScanRequest<'_>,
        report: &mut ModelReport,
    ) -> Result<Option<String>, SyncError> {
        let about = match readable {
            Readable::Yes { about } => about,
            Readable::Absent(reason) if !was_read(state) => {
                report.absent = Some(reason);
                return self.keep_absent(state, TRIES).await.map(|()| None);
            }
            Readable::Absent(reason) | Readable::No(reason) => return Ok(Some(reason)),
        };
        request.progress.model(state.model, about);
        match self.whole_full_scan(state, request, report).await {
            Ok(()) => Ok(None),
            Err(error) => match error.problem() {
                Some(problem) => Ok(Some(problem)),
                // One that answers is not away: only this model's rows take it too long.
                None if matches!(error, SyncError::Source(_)) && self.survey(1).await.is_ok() => {
                    Ok(Some(ErrorChain(&error).to_string()))
                }
                None => Err(error),
            },
        }
    }

    async fn whole_full_scan(
        &self,
        state: &mut ModelSyncState,
        request: ScanRequest<'_>,
        report: &mut ModelReport,
    ) -> Result<(), SyncError> {
        let (model, began) = (state.model, self.now());
        let fresh = request.accept_deletions || !was_interrupted(&state.full_scan);
        let mut next = ModelSyncState { problem: None, ..state.clone() };
        next.changes_read_to.get_or_insert(began);
        if fresh {
            next.full_scan = full_scan::begin(&state.full_scan, self.records(model, TRIES).await?);
            next.full_scan.due_at = None;
        }
        let mut pass = Pass::default();
        let mut page = self.read(model, next.full_scan.at.clone(), TRIES).await?;
        loop {
            pass.advance(&mut next.read_to, &page, self.now());
            let scanned_range = full_scan::scanned_range(
                &next.full_scan,
                &page,
                state.read_to.as_ref(),
                request.accept_deletions,
            );
            full_scan::advance(&mut next.full_scan, &page, self.now());
            let (rows, read_to) = (page.count(), page.read_to.clone());
            if page.is_last() {
                page.lower(&mut next.read_to);
                self.end(&mut next, fresh.then_some(began), report.read + rows);
            }
            let batch = SyncBatch { records: page.rows, scanned_range: Some(scanned_range) };
            let applying = async {
                let applied = self.apply(state, next, batch, TRIES).await?;
                report.add(rows, &applied);
                request.progress.advanced(model, report.read);
                self.keep_count(state, &applied, TRIES).await
            };
            // The next page is read meanwhile. What is applied stays so, even if that fails.
            let (applied, ahead) = tokio::join!(applying, self.read_on(model, read_to, TRIES));
            applied?;
            let Some(behind) = ahead? else { return Ok(()) };
            (page, next) = (behind, state.clone());
        }
    }

    /// All rows were read, if all at once then since this time.
    fn end(&self, state: &mut ModelSyncState, began: Option<Timestamp>, rows: u64) {
        let now = self.now();
        state.read_at = Some(now);
        state.changes_read_to = state.changes_read_to.max(began);
        let records = state.full_scan.records.max(rows);
        state.full_scan.due_at =
            Some(self.scan_schedule().after_complete_scan(records, self.settings.batch, now));
    }
}

/// Whether the full scan is one like these, and not at its end. The schedule's batches say when the next is due, and
/// may have begun a day ago.
fn was_interrupted(full_scan: &FullScan) -> bool {
    full_scan.at.is_some() && full_scan.due_at.is_none()
}
