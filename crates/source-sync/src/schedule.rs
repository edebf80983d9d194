//! Following the source: new and touched rows every minute, and a full scan of all rows in a day.

use std::collections::BTreeMap;
use std::time::Duration;

use stocktake_domain::ports::{ModelSyncState, Readable, SyncBatch};
use stocktake_domain::{Model, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{SourceSync, by_model, was_read};
use crate::highwater::{Ends, Pass};
use crate::outage::{Backoff, Outage, SyncError, chain, chance};
use crate::reading::Reading;
use crate::{full_scan, telemetry};

/// Each call is tried once: a look that fails is followed by another.
const TRIES: u32 = 1;

/// How often is looked which models can be read, if nothing is wrong.
const SURVEY_EVERY: Duration = Duration::from_secs(300);

/// By how much the times of the source may be behind ours, or a change be committed after its time.
const MARGIN: Duration = Duration::from_secs(600);

/// What is known from one look to the next. Nothing is lost with it but time.
#[derive(Default)]
struct Memory {
    survey: Option<(Timestamp, Vec<(Model, Readable)>)>,
    models: BTreeMap<Model, Known>,
    told_of_others: bool,
}

/// What is known of a model.
#[derive(Default)]
struct Known {
    ends: Ends,
    /// When this process last read its new rows.
    read_at: Option<Timestamp>,
}

impl SourceSync {
    /// Follows the source until stopped. Outlives outages of the source and of the catalogue.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut memory, outage, mut backoff) = (Memory::default(), Outage::default(), Backoff::default());
        while !stop.is_cancelled() {
            let began = Instant::now();
            let next = match self.tick(&mut memory, &stop).await {
                Err(error @ (SyncError::Source(_) | SyncError::Store(_))) => {
                    outage.failed(&error);
                    Instant::now() + backoff.next_wait(chance(&*self.clock))
                }
                result => {
                    tell_of_others(result, &mut memory);
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

    async fn tick(&self, memory: &mut Memory, stop: &CancellationToken) -> Result<(), SyncError> {
        let Some(held) = stop.run_until_cancelled(self.take_hold()).await else { return Ok(()) };
        let until = held?.ok_or(SyncError::Held)?;
        let began = Instant::now();
        if let Some(unreadable) = self.holding(until, self.look(memory), stop).await? {
            telemetry::ticked(began.elapsed(), unreadable, self.now());
        }
        Ok(())
    }

    /// Looks at each model once; how many cannot be read.
    async fn look(&self, memory: &mut Memory) -> Result<u32, SyncError> {
        let now = self.now();
        // Gone if an error comes between.
        let known = memory.survey.take().filter(|(at, _)| now.since(*at) < SURVEY_EVERY);
        let (at, survey) = match known {
            Some(known) => known,
            None => (now, self.survey(TRIES).await?),
        };
        let mut states = by_model(self.states(TRIES).await?);
        let (mut unreadable, mut surprised) = (0, false);
        for (model, readable) in &survey {
            let mut state = states.remove(model).unwrap_or_else(|| ModelSyncState::new(*model));
            let known = memory.models.entry(*model).or_default();
            if let Some(problem) = self.look_at(&mut state, readable, known).await? {
                self.keep_problem(&mut state, &problem, TRIES).await?;
                unreadable += 1;
                surprised |= matches!(readable, Readable::Yes { .. });
            }
        }
        memory.survey = (!surprised).then_some((at, survey));
        Ok(unreadable)
    }

    /// Looks at one model; why it cannot be read, if so.
    async fn look_at(
        &self,
        state: &mut ModelSyncState,
        readable: &Readable,
        known: &mut Known,
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
            return Ok(Some(chain(&error)));
        }
        Err(error)
    }

    async fn follow(&self, state: &mut ModelSyncState, known: &mut Known) -> Result<(), SyncError> {
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
        while state.read_at.is_some() && state.full_scan.due_at.is_none_or(|due| due <= now) {
            self.read_piece(state, known, now).await?;
        }
        if state.problem.is_some() {
            // Only now is nothing wrong any more.
            let next = ModelSyncState { problem: None, ..state.clone() };
            self.apply(state, next, SyncBatch::default(), TRIES).await?;
        }
        Ok(())
    }

    /// Reads the rows that were touched since that was last done; until when they now are read.
    async fn read_changed(&self, state: &mut ModelSyncState) -> Result<Option<Timestamp>, SyncError> {
        let (model, began) = (state.model, self.now());
        let Some(since) = state.changes_read_to.filter(|_| state.read_at.is_some()) else { return Ok(None) };
        let mut after = None;
        loop {
            let limit = self.settings.batch;
            let page = self.source.changed(model, since.before(MARGIN), after.clone(), limit).await?;
            let reading = Reading::new(after, page)?;
            if !reading.rows.is_empty() {
                let next = state.clone();
                let piece = SyncBatch { records: reading.rows, scanned_range: None };
                self.apply(state, next, piece, TRIES).await?;
            }
            if reading.read_to.is_none() {
                return Ok(Some(began));
            }
            after = reading.read_to;
        }
    }

    /// Reads the rows that came since that was last done: at first, all.
    async fn read_new(
        &self,
        state: &mut ModelSyncState,
        changes_read_to: Option<Timestamp>,
        known: &mut Known,
    ) -> Result<(), SyncError> {
        let (model, began, is_first) = (state.model, self.now(), state.read_at.is_none());
        let mut next = state.clone();
        next.changes_read_to = changes_read_to.or(state.changes_read_to).or(Some(began));
        known.ends.settle(&mut next.read_to, began);
        let (mut pass, mut added) = (Pass::default(), 0);
        let mut reading = self.read(model, next.read_to.clone(), TRIES).await?;
        loop {
            pass.advance(&mut next.read_to, &reading, self.now());
            let (end, read_to) = (reading.end().cloned(), reading.read_to.clone());
            if reading.is_last() {
                next.read_at = Some(began);
            }
            let piece = SyncBatch { records: reading.rows, scanned_range: None };
            let applying = self.apply(state, next, piece, TRIES);
            let (applied, ahead) = tokio::join!(applying, self.read_on(model, read_to, TRIES));
            added += applied?.applied.added;
            let Some(behind) = ahead? else {
                known.ends.saw(end.as_ref(), state.read_to.as_ref(), began);
                known.read_at = state.read_at;
                tell_of_new(model, added, is_first);
                return Ok(());
            };
            (reading, next) = (behind, state.clone());
        }
    }

    /// Looks at the piece of the full scan that was due by `now`.
    async fn read_piece(
        &self,
        state: &mut ModelSyncState,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let mut next = state.clone();
        if next.full_scan.at.is_none() {
            next.full_scan = full_scan::begin(&state.full_scan, self.records(state.model, TRIES).await?);
        }
        let before = next.full_scan.clone();
        // Read after all that was applied until now, so that no record is newer than the page.
        let reading = self.read(state.model, before.at.clone(), TRIES).await?;
        let scanned_range = full_scan::scanned_range(&before, &reading, state.read_to.as_ref(), false);
        full_scan::advance(&mut next.full_scan, &reading, now);
        next.full_scan.due_at = Some(self.pace().next(&before, &next.full_scan, &reading, now));
        if reading.is_last() {
            reading.lower(&mut next.read_to);
            known.ends.cut(reading.end());
        }
        let piece = SyncBatch { records: reading.rows, scanned_range: Some(scanned_range) };
        let applied = self.apply(state, next, piece, TRIES).await?;
        self.keep_count(state, &applied, TRIES).await
    }
}

fn tell_of_new(model: Model, added: u64, is_first: bool) {
    let name = model.name();
    if is_first && added > 0 {
        tracing::info!(sync.model = name, records.added = added, "{name}: first read, {added} records added");
    } else if added > 0 {
        tracing::debug!(sync.model = name, records.added = added, "{added} records of {name} added");
    }
}

fn tell_of_others(result: Result<(), SyncError>, memory: &mut Memory) {
    match result {
        Err(SyncError::Held) if !memory.told_of_others => {
            memory.told_of_others = true;
            tracing::info!("another process is syncing; this one looks after it should that end");
        }
        Err(error @ SyncError::Lost) => tracing::warn!("{error}"),
        _ => {}
    }
}
