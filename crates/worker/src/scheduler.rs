//! What keeps the queue going: bulk jobs, leases that ran out, failed records to retry, old successes.
//!
//! Each step is atomic and safe to be done by many processes at once, so every process has a scheduler and
//! none is in charge. The three loops know nothing of each other: a long pass over old successes delays no job.

mod housekeeping;
mod jobs;
mod reverification;

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Jobs, Queue, StoreError};
use stocktake_domain::{Clock, ClockRng, Rng as _};
use stocktake_net::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::outage::{DatabaseOutage, about};
use crate::telemetry;

/// How the scheduler works.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// The age at which a success is checked again.
    pub reverify_after: Duration,
    /// How long an attempt may go without progress; named in the failure text of one that did.
    pub lease: Duration,
    /// How often to look without being woken.
    pub poll: Duration,
    /// How long a command in the foreground waits for a database server that is away.
    pub give_up_after: Duration,
}

/// Keeps the queue going: bulk jobs, leases that ran out, failed records to retry, old successes.
pub struct Scheduler {
    queue: Arc<dyn Queue>,
    jobs: Arc<dyn Jobs>,
    clock: Arc<dyn Clock>,
    settings: SchedulerSettings,
    outage: DatabaseOutage,
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
        Self { queue, jobs, clock, settings, outage: DatabaseOutage::default() }
    }

    /// Runs until stopped. Outlives outages of the database.
    pub async fn run(&self, stop: CancellationToken) {
        // Each step is atomic, so that all can be dropped at any moment.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            never = self.advance_jobs() => match never {},
            never = self.run_housekeeping() => match never {},
            never = self.reverify() => match never {},
        }
    }

    /// How long to wait after a step with this result.
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
                telemetry::loop_succeeded(name, self.clock.now());
                about(poll, &rng)
            }
            Err(error) => {
                self.outage.failed(doing, &error);
                backoff.next_delay(|bound| rng.below(bound))
            }
        }
    }
}
