//! Housekeeping: leases that ran out, and failed records whose retry time has come.

use std::convert::Infallible;

use stocktake_domain::Model;
use stocktake_domain::ports::StoreError;
use stocktake_net::retry::Backoff;

use super::Scheduler;
use crate::outage::DELAYS;

/// The most failed records made due in one step.
const RETRY_BATCH: u32 = 1_000;

impl Scheduler {
    pub(super) async fn run_housekeeping(&self) -> Infallible {
        let mut backoff = Backoff::new(DELAYS);
        loop {
            let result = self.reap_and_retry().await;
            let pause = self.pause("housekeeping", "housekeeping", result, self.settings.poll, &mut backoff);
            tokio::time::sleep(pause).await;
        }
    }

    #[tracing::instrument(name = "housekeeping", level = "debug", skip_all)]
    async fn reap_and_retry(&self) -> Result<(), StoreError> {
        let reaped = self.queue.reap(self.settings.lease).await?;
        if reaped.timed_out > 0 || reaped.released > 0 {
            tracing::warn!(
                records.timed_out = reaped.timed_out,
                leases.released = reaped.released,
                "{} records timed out, {} leases of workers without a heartbeat were released",
                reaped.timed_out,
                reaped.released,
            );
        }
        while self.queue.retry_failed(&Model::ALL, RETRY_BATCH).await? >= u64::from(RETRY_BATCH) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
