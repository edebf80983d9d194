//! Outages of the source or the catalogue: what can be retried, when, and what is logged.

use std::time::Duration;

use stocktake_domain::ports::{SourceError, StoreError};
use stocktake_net::error::ErrorChain;
use stocktake_net::retry::{Backoff, Schedule, retry};

/// How long to wait between tries.
pub(crate) const DELAYS: Schedule = Schedule::new(Duration::from_millis(500), Duration::from_secs(60));

/// Why a sync ended early. What it had done until then stays done.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Another process has the leader lease.
    #[error("another process is syncing at present")]
    NotLeader,
    /// Another process took over, because this one did not renew its lease in time.
    #[error("the sync was taken over by another process")]
    LeaseLost,
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The catalogue cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncError {
    /// What is wrong with the model that was being read, if other models may still be read: one sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Source(SourceError::Refused(reason, cause)) => {
                let cause = cause.as_ref().map(|cause| format!(": {}", ErrorChain(&**cause)));
                Some(reason.clone() + &cause.unwrap_or_default())
            }
            Self::Store(error @ StoreError::Internal(_)) => Some(ErrorChain(error).to_string()),
            _ => None,
        }
    }

    /// Who does not answer.
    pub(crate) fn unavailable_party(&self) -> &'static str {
        if matches!(self, Self::Source(_)) { "source" } else { "database" }
    }
}

/// An error that may pass by itself.
pub(crate) trait MayPass {
    /// Whether to try again later may help.
    fn may_pass(&self) -> bool;
}

impl MayPass for SourceError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl MayPass for StoreError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Calls until there is an answer, or an error that does not pass, `tries` times at the most.
pub(crate) async fn retry_unavailable<T, E, F>(tries: u32, call: impl FnMut() -> F) -> Result<T, E>
where
    E: MayPass,
    F: Future<Output = Result<T, E>>,
{
    let goes_on = |error: &E, failed: &Backoff| error.may_pass() && failed.failures() < tries;
    retry(DELAYS, |_| 0, goes_on, call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_one_model_is_no_outage() {
        let away = || SourceError::Unavailable("connection refused".into());
        assert_eq!(SyncError::from(away()).problem(), None);
        assert!(away().may_pass());
        let refused =
            SourceError::Refused("uploads cannot be read".to_owned(), Some("no such column".into()));
        assert!(!refused.may_pass());
        let problem = SyncError::from(refused).problem();
        assert_eq!(problem.as_deref(), Some("uploads cannot be read: no such column"));
        assert_eq!(SyncError::NotLeader.problem(), None);
    }
}
