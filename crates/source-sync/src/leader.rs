//! Keeps the leader lease while work is done, and stops the work once the lease is lost.

use std::time::Duration;

use stocktake_domain::Timestamp;
use stocktake_domain::ports::StoreError;
use tokio_util::sync::CancellationToken;

use crate::engine::SourceSync;
use crate::outage::SyncError;

/// How often the lease is renewed within its duration.
const RENEWALS: u32 = 3;

/// How long the release of the lease may take.
const RELEASED_IN: Duration = Duration::from_secs(2);

/// The least wait before the renewal of a lease is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl SourceSync {
    /// Acquires or renews the lease; until when it lasts, or `None` if another process has it.
    pub(crate) async fn acquire_lease(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.now();
        let held = self.sync_state.acquire_leader_lease(&self.instance, self.settings.leader_lease).await?;
        Ok(held.then(|| now.after(self.settings.leader_lease)))
    }

    /// Does the work while the lease, acquired until this time, is renewed, then releases it. `None` if it was
    /// stopped. Work that is dropped half way leaves nothing half done, as each of its steps is atomic.
    pub(crate) async fn while_leading<T>(
        &self,
        until: Timestamp,
        work: impl Future<Output = Result<T, SyncError>>,
        stop: &CancellationToken,
    ) -> Result<Option<T>, SyncError> {
        let result = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(None),
            () = self.keep_lease(until) => Err(SyncError::LeaseLost),
            result = work => result.map(Some),
        };
        // The lease ends by itself, and a stop waits for no database.
        match tokio::time::timeout(RELEASED_IN, self.sync_state.release_leader_lease(&self.instance)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "the leader lease of the sync could not be released");
            }
            Err(_) => tracing::debug!("the leader lease of the sync could not be released in time"),
        }
        result
    }

    /// Renews the lease until it is lost.
    async fn keep_lease(&self, mut until: Timestamp) {
        let mut wait = self.settings.leader_lease / RENEWALS;
        loop {
            tokio::time::sleep(wait).await;
            // Others may have led since, and have added what a page read before that does not have.
            if self.now() >= until {
                return;
            }
            match self.acquire_lease().await {
                // The answer came too late: it may be a new lease.
                Ok(Some(_)) if self.now() >= until => return,
                Ok(Some(renewed)) => (until, wait) = (renewed, self.settings.leader_lease / RENEWALS),
                Ok(None) => return,
                Err(_) => wait = AGAIN.min(wait),
            }
        }
    }
}
