//! Holding the sync while work is done, and giving up once it is lost.

use std::time::Duration;

use stocktake_domain::Timestamp;
use stocktake_domain::ports::StoreError;
use tokio_util::sync::CancellationToken;

use crate::engine::SourceSync;
use crate::outage::SyncError;

/// How often a hold is prolonged before it would end.
const PROLONGED: u32 = 3;

/// How long letting go may take.
const RELEASED_IN: Duration = Duration::from_secs(2);

/// The least wait before the database is asked again for a hold that it did not prolong.
const AGAIN: Duration = Duration::from_secs(1);

impl SourceSync {
    /// Takes or prolongs the hold; until when, or `None` if another process has it.
    pub(crate) async fn take_hold(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.now();
        let held = self.sync_state.acquire_leader_lease(&self.instance, self.settings.hold, now).await?;
        Ok(held.then(|| now.after(self.settings.hold)))
    }

    /// Does the work while the hold that was taken until this time is prolonged, then lets go. `None` if it was
    /// stopped. Work that is dropped half way leaves nothing half done, as each of its steps is atomic.
    pub(crate) async fn holding<T>(
        &self,
        until: Timestamp,
        work: impl Future<Output = Result<T, SyncError>>,
        stop: &CancellationToken,
    ) -> Result<Option<T>, SyncError> {
        let result = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(None),
            () = self.prolong(until) => Err(SyncError::Lost),
            result = work => result.map(Some),
        };
        // It ends by itself, and whoever stops waits for no database.
        match tokio::time::timeout(RELEASED_IN, self.sync_state.release_leader_lease(&self.instance)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "the hold of the sync could not be let go"),
            Err(_) => tracing::debug!("the hold of the sync could not be let go in time"),
        }
        result
    }

    /// Prolongs the hold again and again; returns once it is lost.
    async fn prolong(&self, mut until: Timestamp) {
        let mut wait = self.settings.hold / PROLONGED;
        loop {
            tokio::time::sleep(wait).await;
            // Others may have held it since, and have added what a page read before that does not have.
            if self.now() >= until {
                return;
            }
            match self.take_hold().await {
                // The answer came too late: it may be a new hold.
                Ok(Some(_)) if self.now() >= until => return,
                Ok(Some(prolonged)) => (until, wait) = (prolonged, self.settings.hold / PROLONGED),
                Ok(None) => return,
                Err(_) => wait = AGAIN.min(wait),
            }
        }
    }
}
