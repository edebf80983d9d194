//! Outages of the source or the catalogue: what can be retried, when, and what is logged.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::Clock;
use stocktake_domain::ports::{SourceError, StoreError};
use tokio::time::Instant;

use crate::telemetry;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
                let cause = cause.as_ref().map(|cause| format!(": {}", chain(&**cause)));
                Some(reason.clone() + &cause.unwrap_or_default())
            }
            Self::Store(error @ StoreError::Internal(_)) => Some(chain(error)),
            _ => None,
        }
    }

    /// Who does not answer.
    fn unavailable_party(&self) -> &'static str {
        if matches!(self, Self::Source(_)) { "source" } else { "database" }
    }
}

/// Waits between tries, growing from [`FIRST_WAIT`] to [`LONGEST_WAIT`], each cut by chance to no less than its
/// half, so that many processes do not come back at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure; `chance` is a number from 0 to 500.
    pub(crate) fn next_wait(&mut self, chance: u32) -> Duration {
        let doublings = self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        let whole = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        whole / 1_000 * (500 + chance.min(500))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Chance for waits alone: the clock's milliseconds, which no two processes have in common for long.
pub(crate) fn chance(clock: &dyn Clock) -> u32 {
    u32::try_from(clock.now().millis().rem_euclid(501)).unwrap_or(0)
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
pub(crate) async fn insist<T, E, F>(tries: u32, mut call: impl FnMut() -> F) -> Result<T, E>
where
    E: MayPass,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = backoff.next_wait(0);
        if !error.may_pass() || backoff.failures >= tries {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
    }
}

/// Whether somebody is away, so that an outage is logged once when it begins and once when it ends.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Mutex<Option<(Instant, &'static str)>>,
}

impl Outage {
    /// The sync could not go on.
    pub(crate) fn failed(&self, error: &SyncError) {
        let (unavailable_party, cause) = (error.unavailable_party(), chain(error));
        telemetry::failed(unavailable_party);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.as_ref().is_some_and(|(_, before)| *before == unavailable_party) {
            tracing::debug!(error.cause = cause, "still no sync: {cause}");
        } else {
            since.get_or_insert((Instant::now(), unavailable_party)).1 = unavailable_party;
            tracing::warn!(error.cause = cause, "the sync is interrupted, and tried again: {cause}");
        }
    }

    /// The sync went on.
    pub(crate) fn worked(&self) {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((since, unavailable_party)) = since {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(
                outage.seconds = seconds,
                "the {unavailable_party} answers again: the sync goes on after {seconds:.1} s"
            );
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_begin_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..9).map(|_| backoff.next_wait(500).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0), Duration::from_millis(250));
    }

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
