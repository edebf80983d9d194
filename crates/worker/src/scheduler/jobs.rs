//! Bulk jobs: marks the records of a job for recalculation, step by step.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use stocktake_domain::ports::StoreError;
use stocktake_domain::{ClockRng, Job, JobId};
use stocktake_net::retry::Backoff;
use tokio::time::Instant;

use super::Scheduler;
use crate::outage::{DELAYS, Patience};

/// How often to check whether other processes have finished their jobs; somebody waits for it.
const OTHERS_POLL: Duration = Duration::from_millis(200);

impl Scheduler {
    /// Runs all open jobs to completion, waiting for those that other processes advance. Returns how many records
    /// were marked meanwhile.
    pub async fn run_jobs(&self) -> Result<u64, StoreError> {
        let (rng, patience) = (ClockRng(&*self.clock), Patience::Foreground(self.settings.give_up_after));
        let mut marked = BTreeMap::<JobId, u64>::new();
        let mut total = 0;
        let mut step = StepSize::default();
        loop {
            let open = self
                .outage
                .outlived("looking for jobs", patience, &rng, |error| Some(error), || self.jobs.open())
                .await?;
            if open.is_empty() {
                return Ok(total);
            }
            for job in open {
                marked.entry(job.id).or_insert(job.marked);
            }
            loop {
                let began = Instant::now();
                let advance = || self.advance(&step);
                let advanced = self
                    .outage
                    .outlived("advancing jobs", patience, &rng, |error| Some(error), advance)
                    .await?;
                let Some(job) = advanced else { break };
                step.took(began.elapsed());
                // A job not seen before was enqueued since, with nothing marked.
                let before = marked.insert(job.id, job.marked).unwrap_or(0);
                total += job.marked.saturating_sub(before);
            }
            tokio::time::sleep(OTHERS_POLL).await;
        }
    }

    pub(super) async fn advance_jobs(&self) -> Infallible {
        // Armed before the first look, so that no signal in between is lost.
        let mut wake = self.queue.wake_signal();
        let mut backoff = Backoff::new(DELAYS);
        let mut step = StepSize::default();
        loop {
            let result = self.advance_until_none(&mut step).await;
            let answers = result.is_ok();
            let pause = self.pause("advancing jobs", "jobs", result, self.settings.poll, &mut backoff);
            tokio::select! {
                biased;
                () = wake.wait(), if answers => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn advance_until_none(&self, step: &mut StepSize) -> Result<(), StoreError> {
        loop {
            let began = Instant::now();
            let Some(job) = self.advance(step).await? else { return Ok(()) };
            step.took(began.elapsed());
            if job.state.is_over() {
                let (id, model, state, marked) = (job.id.0, job.model, job.state.name(), job.marked);
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

    #[tracing::instrument(name = "jobs.advance", level = "debug", skip_all)]
    async fn advance(&self, step: &StepSize) -> Result<Option<Job>, StoreError> {
        self.jobs.advance(step.records).await
    }
}

/// How many records one step of a job marks: as many as take no longer than readers of the same table can wait.
#[derive(Debug)]
struct StepSize {
    records: u32,
}

impl StepSize {
    const SMALLEST: u32 = 1_000;
    const LARGEST: u32 = 10_000;
    const SHORT: Duration = Duration::from_millis(40);
    const LONG: Duration = Duration::from_millis(160);

    /// A step of this size took so long.
    fn took(&mut self, span: Duration) {
        if span < Self::SHORT {
            self.records = (self.records * 2).min(Self::LARGEST);
        } else if span > Self::LONG {
            self.records = (self.records / 2).max(Self::SMALLEST);
        }
    }
}

impl Default for StepSize {
    fn default() -> Self {
        Self { records: Self::SMALLEST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut step = StepSize::default();
        for expected in [2_000, 4_000, 8_000, 10_000, 10_000] {
            step.took(Duration::from_millis(1));
            assert_eq!(step.records, expected);
        }
        step.took(Duration::from_millis(100));
        assert_eq!(step.records, 10_000);
        for expected in [5_000, 2_500, 1_250, 1_000, 1_000] {
            step.took(Duration::from_secs(1));
            assert_eq!(step.records, expected);
        }
    }
}
