//! Follows the source: new and changed rows every minute, and a full scan of all rows in a day.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stocktake_domain::ports::{ModelSyncState, Readable, SyncBatch};
use stocktake_domain::{ClockRng, Model, Rng as _, Timestamp};
use stocktake_net::error::ErrorChain;
use stocktake_net::outage::Outage;
use stocktake_net::retry::Backoff;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{SURVEY_EVERY, SourceSync, by_model, was_read};
use crate::highwater::{Ends, Pass};
use crate::outage::{DELAYS, SyncError};
use crate::page::SourceRows;
use crate::{full_scan, telemetry};

/// Each call is tried once: a tick that fails is followed by another.
const TRIES: u32 = 1;

/// By how much the times of the source may be behind ours, or a change be committed after its time.
pub(crate) const MARGIN: Duration = Duration::from_secs(600);

/// What is remembered from one tick to the next. Losing it costs nothing but time.
#[derive(Default)]
struct FollowState {
    survey: Option<(Timestamp, Vec<(Model, Readable)>)>,
    models: BTreeMap<Model, ModelFollow>,
    logged_other_leader: bool,
}

/// What is known of a model.
#[derive(Default)]
struct ModelFollow {
    ends: Ends,
    /// When this process last read its new rows.
    read_at: Option<Timestamp>,
}

impl SourceSync {
    /// Follows the source until stopped. Outlives outages of the source and of the catalogue.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut follow, outage, mut backoff) =
            (FollowState::default(), Outage::default(), Backoff::new(DELAYS));
        while !stop.is_cancelled() {
            let began = Instant::now();
            let next = match self.tick(&mut follow, &stop).await {
                Err(error @ (SyncError::Source(_) | SyncError::Store(_))) => {
                    let service = error.unavailable_party();
                    telemetry::failed(service);
                    outage.failed(service, "syncing", &error);
                    Instant::now() + backoff.next_delay(|bound| ClockRng(&*self.clock).below(bound))
                }
                result => {
                    log_leadership(result, &mut follow);
                    outage.worked();
                    backoff.reset();
                    // One that took longer is followed by the next at once.
                    began + self.settings.interval
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn tick(&self, follow: &mut FollowState, stop: &CancellationToken) -> Result<(), SyncError> {
        let Some(held) = stop.run_until_cancelled(self.acquire_lease()).await else { return Ok(()) };
        let until = held?.ok_or(SyncError::NotLeader)?;
        let began = Instant::now();
        if let Some(unreadable) = self.while_leading(until, self.look(follow), stop).await? {
            telemetry::ticked(began.elapsed(), unreadable, self.now());
        }
        Ok(())
    }

    /// Looks at each model once; how many cannot be read.
    async fn look(&self, follow: &mut FollowState) -> Result<u32, SyncError> {
        let now = self.now();
        // Gone if an error comes between.
        let known = follow.survey.take().filter(|(at, _)| now.since(*at) < SURVEY_EVERY);
        let (at, survey) = match known {
            Some(known) => known,
            None => (now, self.survey(TRIES).await?),
        };
        let mut states = by_model(self.states(TRIES).await?);
        let readable: BTreeMap<_, _> = survey.iter().map(|(model, readable)| (*model, readable)).collect();
        for model in readable.keys() {
            follow.models.entry(*model).or_default();
        }
        let mut looks = Vec::new();
        for (model, known) in &mut follow.models {
            let state = states.remove(model).unwrap_or_else(|| ModelSyncState::new(*model));
            looks.extend(readable.get(model).map(|readable| self.unreadable(state, readable, known)));
        }
        let looks = stream::iter(looks).buffer_unordered(self.settings.models_at_once.get());
        let unreadable: Vec<Model> = looks.try_filter_map(|model| ready(Ok(model))).try_collect().await?;
        let surprised =
            unreadable.iter().any(|model| matches!(readable.get(model), Some(Readable::Yes { .. })));
        follow.survey = (!surprised).then_some((at, survey));
        Ok(u32::try_from(unreadable.len()).unwrap_or(u32::MAX))
    }

    /// Looks at one model, and keeps why it cannot be read; returns it if so.
    async fn unreadable(
        &self,
        mut state: ModelSyncState,
        readable: &Readable,
        known: &mut ModelFollow,
    ) -> Result<Option<Model>, SyncError> {
        let Some(problem) = self.look_at(&mut state, readable, known).await? else { return Ok(None) };
        self.keep_problem(&mut state, &problem, TRIES).await?;
        Ok(Some(state.model))
    }

    /// Looks at one model; why it cannot be read, if so.
    async fn look_at(
        &self,
        state: &mut ModelSyncState,
        readable: &Readable,
        known: &mut ModelFollow,
    ) -> Result<Option<String>, SyncError> {
        match readable {
            Readable::Yes { .. } => {}
            Readable::Absent(_) if !was_read(state) => {
                return self.keep_absent(state, TRIES).await.map(|()| None);
            }
            Readable::Absent(reason) | Readable::No(reason) => return Ok(Some(reason.clone())),
        }
        let had_problem = state.problem.is_some();
        let Err(error) = self.follow(state, known).await else {
            if had_problem && state.problem.is_none() {
                let model = state.model.name();
                tracing::info!(sync.model = model, "{model} is synced again");
            }
            return Ok(None);
        };
        if let Some(problem) = error.problem() {
            return Ok(Some(problem));
        }
        // One that answers is not away: only this model's rows take it too long.
        if matches!(error, SyncError::Source(_)) && self.survey(TRIES).await.is_ok() {
            return Ok(Some(ErrorChain(&error).to_string()));
        }
        Err(error)
    }

    async fn follow(&self, state: &mut ModelSyncState, known: &mut ModelFollow) -> Result<(), SyncError> {
        // Several processes may follow the same source: one of them is enough.
        let is_fresh = |read_at: Timestamp| {
            read_at <= self.now() && self.now().since(read_at) < self.settings.interval / 2
        };
        let by_others = state.read_at != known.read_at && state.read_at.is_some_and(is_fresh);
        if !by_others {
            let changes_read_to = self.read_changed(state).await?;
            self.read_new(state, changes_read_to, known).await?;
        }
        let now = self.now();
        let is_due = |due: Timestamp| due <= now || due > now.latest_end(self.settings.full_scan);
        while state.read_at.is_some() && state.full_scan.due_at.is_none_or(is_due) {
            self.scan_next_batch(state, known, now).await?;
        }
        if state.problem.is_some() {
            // Only now is nothing wrong any more.
            let next = ModelSyncState { problem: None, ..state.clone() };
            self.apply(state, next, SyncBatch::default(), TRIES).await?;
        }
        Ok(())
    }

    /// Reads the rows that were changed since the last time; returns the time up to which changes now are read.
    async fn read_changed(&self, state: &mut ModelSyncState) -> Result<Option<Timestamp>, SyncError> {
        let (model, began) = (state.model, self.now());
        let Some(since) = state.changes_read_to.filter(|_| state.read_at.is_some()) else { return Ok(None) };
        // Of a clock that was ahead; what was changed meanwhile is found by the full scan.
        let since = since.min(began);
        let mut after = None;
        loop {
            let limit = self.settings.batch;
            let page = self.source.changed(model, since.before(MARGIN), after.clone(), limit).await?;
            let page = SourceRows::new(after, page)?;
            if !page.rows.is_empty() {
                let next = state.clone();
                let batch = SyncBatch { records: page.rows, scanned_range: None };
                self.apply(state, next, batch, TRIES).await?;
            }
            if page.read_to.is_none() {
                return Ok(Some(began));
            }
            after = page.read_to;
        }
    }

    /// Reads the rows that came since that was last done: at first, all.
    async fn read_new(
        &self,
        state: &mut ModelSyncState,
        changes_read_to: Option<Timestamp>,
        known: &mut ModelFollow,
    ) -> Result<(), SyncError> {
        let (model, began, is_first) = (state.model, self.now(), state.read_at.is_none());
        let mut next = state.clone();
        next.changes_read_to = changes_read_to.or(state.changes_read_to).or(Some(began));
        known.ends.settle(&mut next.read_to, began);
        let (mut pass, mut added) = (Pass::default(), 0);
        let mut page = self.read(model, next.read_to.clone(), TRIES).await?;
        loop {
            pass.advance(&mut next.read_to, &page, self.now());
            let (end, read_to) = (page.end().cloned(), page.read_to.clone());
            if page.is_last() {
                next.read_at = Some(began);
            }
            let batch = SyncBatch { records: page.rows, scanned_range: None };
            let applying = self.apply(state, next, batch, TRIES);
            let (applied, ahead) = tokio::join!(applying, self.read_on(model, read_to, TRIES));
            added += applied?.applied.added;
            let Some(behind) = ahead? else {
                known.ends.note(end.as_ref(), state.read_to.as_ref(), began);
                known.read_at = state.read_at;
                log_added(model, added, is_first);
                return Ok(());
            };
            (page, next) = (behind, state.clone());
        }
    }

    /// Reads and applies the batch of the full scan that was due by `now`.
    async fn scan_next_batch(
        &self,
        state: &mut ModelSyncState,
        known: &mut ModelFollow,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let mut next = state.clone();
        if next.full_scan.at.is_none() {
            next.full_scan = full_scan::begin(&state.full_scan, self.records(state.model, TRIES).await?);
        }
        let before = next.full_scan.clone();
        // Read after all that was applied until now, so that no record is newer than the page.
        let page = self.read(state.model, before.at.clone(), TRIES).await?;
        let scanned_range = full_scan::scanned_range(&before, &page, state.read_to.as_ref(), false);
        full_scan::advance(&mut next.full_scan, &page, now);
        next.full_scan.due_at = Some(self.scan_schedule().next(&before, &next.full_scan, &page, now));
        if page.is_last() {
            page.lower(&mut next.read_to);
            known.ends.cut(page.end());
        }
        let batch = SyncBatch { records: page.rows, scanned_range: Some(scanned_range) };
        let applied = self.apply(state, next, batch, TRIES).await?;
        self.keep_count(state, &applied, TRIES).await
    }
}

fn log_added(model: Model, added: u64, is_first: bool) {
    let name = model.name();
    if is_first && added > 0 {
        tracing::info!(sync.model = name, records.added = added, "{name}: first read, {added} records added");
    } else if added > 0 {
        tracing::debug!(sync.model = name, records.added = added, "{added} records of {name} added");
    }
}

fn log_leadership(result: Result<(), SyncError>, follow: &mut FollowState) {
    match result {
        Err(SyncError::NotLeader) if !follow.logged_other_leader => {
            follow.logged_other_leader = true;
            tracing::info!("another process is syncing; this one looks after it should that end");
        }
        Err(error @ SyncError::LeaseLost) => tracing::warn!("{error}"),
        _ => {}
    }
}
