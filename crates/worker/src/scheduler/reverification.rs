//! Re-verification: makes records due again whose last success is too old.

use std::convert::Infallible;
use std::time::Duration;

use stocktake_domain::ports::StoreError;
use stocktake_domain::{Model, RecordKey};
use stocktake_net::retry::Backoff;
use tokio::time::Instant;

use super::Scheduler;
use crate::outage::DELAYS;

/// The most records whose age is checked in one step.
const BATCH: u32 = 10_000;

/// A pass over all records begins twenty times within the age that it looks for, but within these bounds.
const PASSES_PER_AGE: u32 = 20;
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(600);

/// The shortest pause between two steps of a pass.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

impl Scheduler {
    pub(super) async fn reverify(&self) -> Infallible {
        let interval =
            (self.settings.reverify_after / PASSES_PER_AGE).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        let mut backoff = Backoff::new(DELAYS);
        let mut pass = Pass::default();
        loop {
            let result = self.run_pass(&mut pass).await;
            let pause =
                self.pause("looking for old successes", "reverification", result, interval, &mut backoff);
            tokio::time::sleep(pause).await;
        }
    }

    /// Continues a pass to the end of the last model; after an error, where it was.
    async fn run_pass(&self, pass: &mut Pass) -> Result<(), StoreError> {
        while let Some(model) = Model::ALL.get(pass.model).copied() {
            let began = Instant::now();
            let (after, age) = (pass.after.clone(), self.settings.reverify_after);
            let (next, count) = self.queue.expire_succeeded(model, after, age, BATCH).await?;
            if count > 0 {
                tracing::debug!(
                    reverification.model = model.name(),
                    records.count = count,
                    "{count} records of {model} are due for another check",
                );
            }
            pass.model += usize::from(next.is_none());
            pass.after = next;
            // Nobody waits for a pass: it takes at most half of the database's time.
            tokio::time::sleep(began.elapsed().max(SHORTEST_PAUSE)).await;
        }
        *pass = Pass::default();
        Ok(())
    }
}

/// How far a pass over all records is.
#[derive(Debug, Default)]
struct Pass {
    /// The model, by its place in [`Model::ALL`].
    model: usize,
    /// After this key.
    after: Option<RecordKey>,
}
