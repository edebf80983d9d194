//! What keeps the queue going: bulk jobs, leases that ran out, failed records to retry, old successes.
//!
//! Each step is atomic and safe to be done by many processes at once, so every process has a scheduler and
//! none is in charge. The three loops know nothing of each other: a long sweep delays no job.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Jobs, Queue, StoreError};
use stocktake_domain::{Clock, Job, JobId, Model, RecordKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::outage::{Backoff, ClockRng, Outage, TRIES_IN_THE_FOREGROUND, about, insist};
use crate::telemetry;

/// The most failed records made due in one step.
const RETRY_BATCH: u32 = 1_000;

/// The most records looked at for their age in one step.
const SWEEP_BATCH: u32 = 10_000;

/// How often a sweep begins: twenty times in the age that it looks for, but within these bounds.
const SWEEPS_PER_AGE: u32 = 20;
const SHORTEST_CADENCE: Duration = Duration::from_secs(1);
const LONGEST_CADENCE: Duration = Duration::from_secs(600);

/// The least rest between two steps of a sweep.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// How often to look whether others have brought their jobs to an end; somebody waits for it.
const OTHERS_POLL: Duration = Duration::from_millis(200);

/// How the scheduler works.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// The age at which a success is checked again.
    pub reverify_after: Duration,
    /// How long an attempt may go without getting on; named in the failure text of one that did not.
    pub lease: Duration,
    /// How often to look without being woken.
    pub poll: Duration,
}

/// Keeps the queue going: bulk jobs, leases that ran out, failed records to retry, old successes.
pub struct Scheduler {
    queue: Arc<dyn Queue>,
    jobs: Arc<dyn Jobs>,
    clock: Arc<dyn Clock>,
    settings: SchedulerSettings,
    outage: Outage,
}

impl Scheduler {
    /// A scheduler, not yet running.
    pub fn new(
        queue: Arc<dyn Queue>,
        jobs: Arc<dyn Jobs>,
        clock: Arc<dyn Clock>,
        settings: SchedulerSettings,
    ) -> Self {
        telemetry::describe();
        Self { queue, jobs, clock, settings, outage: Outage::default() }
    }

    /// Runs until stopped. Outlives outages of the database.
    pub async fn run(&self, stop: CancellationToken) {
        // Each step is atomic, so that all can be dropped at any moment.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            never = self.advance_jobs() => match never {},
            never = self.clear_up() => match never {},
            never = self.sweep_again_and_again() => match never {},
        }
    }

    /// Brings all open jobs to their end, waiting for those that others are at. Returns how many records
    /// were marked meanwhile.
    pub async fn run_jobs(&self) -> Result<u64, StoreError> {
        let rng = ClockRng(&*self.clock);
        let mut marked = BTreeMap::<JobId, u64>::new();
        let mut total = 0;
        let mut pace = Pace::default();
        loop {
            let open = insist(TRIES_IN_THE_FOREGROUND, &rng, || self.jobs.open()).await?;
            if open.is_empty() {
                return Ok(total);
            }
            for job in open {
                marked.entry(job.id).or_insert(job.marked);
            }
            loop {
                let began = Instant::now();
                let advanced = insist(TRIES_IN_THE_FOREGROUND, &rng, || self.advance(&pace)).await?;
                let Some(job) = advanced else { break };
                pace.took(began.elapsed());
                // A job not seen before was enqueued since, with nothing marked.
                let before = marked.insert(job.id, job.marked).unwrap_or(0);
                total += job.marked.saturating_sub(before);
            }
            tokio::time::sleep(OTHERS_POLL).await;
        }
    }

    async fn advance_jobs(&self) -> Infallible {
        // Armed before the first look, so that no signal in between is lost.
        let mut wake = self.queue.wake_signal();
        let mut backoff = Backoff::default();
        let mut pace = Pace::default();
        loop {
            let result = self.advance_until_none(&mut pace).await;
            let answers = result.is_ok();
            let pause = self.pause("advancing jobs", "jobs", result, self.settings.poll, &mut backoff);
            tokio::select! {
                biased;
                () = wake.wait(), if answers => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn advance_until_none(&self, pace: &mut Pace) -> Result<(), StoreError> {
        loop {
            let began = Instant::now();
            let Some(job) = self.advance(pace).await? else { return Ok(()) };
            pace.took(began.elapsed());
            if job.state.is_over() {
                let (id, model, state, marked) = (job.id.0, job.request.model, job.state.name(), job.marked);
                tracing::info!(
                    job.id = id,
                    job.model = model.name(),
                    job.state = state,
                    job.marked = marked,
                    "job {id} is {state}: {marked} records of {model} marked for recalculation",
                );
            }
            tokio::task::yield_now().await;
        }
    }

    async fn advance(&self, pace: &Pace) -> Result<Option<Job>, StoreError> {
        self.jobs.advance(pace.batch, self.clock.now()).await
    }

    async fn clear_up(&self) -> Infallible {
        let mut backoff = Backoff::default();
        loop {
            let result = self.clear_up_once().await;
            let pause = self.pause("clearing up", "housekeeping", result, self.settings.poll, &mut backoff);
            tokio::time::sleep(pause).await;
        }
    }

    async fn clear_up_once(&self) -> Result<(), StoreError> {
        let reaped = self.queue.reap(self.settings.lease, self.clock.now()).await?;
        if reaped.timed_out > 0 || reaped.released > 0 {
            tracing::warn!(
                records.timed_out = reaped.timed_out,
                leases.released = reaped.released,
                "{} records timed out, {} leases of workers that gave no sign of life were released",
                reaped.timed_out,
                reaped.released,
            );
        }
        while self.queue.retry_failed(RETRY_BATCH, self.clock.now()).await? >= u64::from(RETRY_BATCH) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn sweep_again_and_again(&self) -> Infallible {
        let cadence =
            (self.settings.reverify_after / SWEEPS_PER_AGE).clamp(SHORTEST_CADENCE, LONGEST_CADENCE);
        let mut backoff = Backoff::default();
        let mut sweep = Sweep::default();
        loop {
            let result = self.sweep(&mut sweep).await;
            let pause = self.pause("looking for old successes", "sweep", result, cadence, &mut backoff);
            tokio::time::sleep(pause).await;
        }
    }

    /// Goes on with a sweep, to the end of the last model; after an error, where it was.
    async fn sweep(&self, sweep: &mut Sweep) -> Result<(), StoreError> {
        while let Some(model) = Model::ALL.get(sweep.model).copied() {
            let began = Instant::now();
            let now = self.clock.now();
            let limit = now.before(self.settings.reverify_after);
            let after = sweep.after.clone();
            let (next, count) = self.queue.expire_succeeded(model, after, limit, SWEEP_BATCH, now).await?;
            if count > 0 {
                tracing::debug!(
                    sweep.model = model.name(),
                    records.count = count,
                    "{count} records of {model} are due for another check",
                );
            }
            sweep.model += usize::from(next.is_none());
            sweep.after = next;
            // Nobody waits for a sweep: it takes half of the database's time at the most.
            tokio::time::sleep(began.elapsed().max(SHORTEST_REST)).await;
        }
        *sweep = Sweep::default();
        Ok(())
    }

    /// How long to wait after a round that ended so.
    fn pause(
        &self,
        doing: &'static str,
        name: &'static str,
        result: Result<(), StoreError>,
        poll: Duration,
        backoff: &mut Backoff,
    ) -> Duration {
        let rng = ClockRng(&*self.clock);
        match result {
            Ok(()) => {
                self.outage.worked();
                backoff.reset();
                telemetry::went_round(name, self.clock.now());
                about(poll, &rng)
            }
            Err(error) => {
                self.outage.failed(doing, &error);
                backoff.next_wait(&rng)
            }
        }
    }
}

/// Where a sweep is.
#[derive(Debug, Default)]
struct Sweep {
    /// The model, by its place in [`Model::ALL`].
    model: usize,
    /// Behind this key.
    after: Option<RecordKey>,
}

/// How many records a job's step marks: as many as take about as long as readers of the same table can
/// wait for.
#[derive(Debug)]
struct Pace {
    batch: u32,
}

impl Pace {
    const SMALLEST: u32 = 1_000;
    const LARGEST: u32 = 10_000;
    const SHORT: Duration = Duration::from_millis(40);
    const LONG: Duration = Duration::from_millis(160);

    /// A step of this size took so long.
    fn took(&mut self, span: Duration) {
        if span < Self::SHORT {
            self.batch = (self.batch * 2).min(Self::LARGEST);
        } else if span > Self::LONG {
            self.batch = (self.batch / 2).max(Self::SMALLEST);
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: Self::SMALLEST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut pace = Pace::default();
        for expected in [2_000, 4_000, 8_000, 10_000, 10_000] {
            pace.took(Duration::from_millis(1));
            assert_eq!(pace.batch, expected);
        }
        pace.took(Duration::from_millis(100));
        assert_eq!(pace.batch, 10_000);
        for expected in [5_000, 2_500, 1_250, 1_000, 1_000] {
            pace.took(Duration::from_secs(1));
            assert_eq!(pace.batch, expected);
        }
    }
}
