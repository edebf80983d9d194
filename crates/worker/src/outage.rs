//! Going on when the database is away: when to try again, when to give up, what to log.

use std::time::Duration;

use stocktake_domain::Rng;
use stocktake_domain::ports::{Outage, StoreError, Unavailable};
use stocktake_net::outage;
use stocktake_net::retry::{Backoff, Schedule, retry};

use crate::telemetry;

/// How often in a row a command in the foreground tries what fails for another reason than that the database is away.
const TRIES_IN_THE_FOREGROUND: u32 = 5;

/// How long to wait between tries.
pub(crate) const DELAYS: Schedule = Schedule::new(Duration::from_millis(100), Duration::from_secs(5));

/// How long a caller goes on trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes: a service outlives its database's outages.
    Endless,
    /// Somebody waits in the foreground and wants to know: a server may be away for so long, as while it is started anew or
    /// another one takes over; a few tries for everything else.
    Foreground(Duration),
}

impl Patience {
    /// Whether to try again after an error that ends this row of failures.
    pub(crate) fn lasts(self, error: &StoreError, failed: &Backoff) -> bool {
        match self {
            Self::Endless => true,
            Self::Foreground(longest) if passes_by_itself(error) => failed.failing_for() < longest,
            Self::Foreground(_) => failed.failures() < TRIES_IN_THE_FOREGROUND,
        }
    }
}

/// Whether the database may come back while somebody waits: a server that is away, or a lock of others. A full disk, or a
/// file that was replaced, is no better later.
fn passes_by_itself(error: &StoreError) -> bool {
    let StoreError::Unavailable(Unavailable { outage, .. }) = error else { return false };
    *outage != Outage::Disk
}

/// Whether the database is away; each failure is counted, and an outage logged when it begins and when it ends.
#[derive(Debug, Default)]
pub(crate) struct DatabaseOutage(outage::Outage);

impl DatabaseOutage {
    /// Calls until there is an answer, `patience` ends, or there is an error that is not `of_the_database`.
    pub(crate) async fn outlived<T, E, F>(
        &self,
        doing: &'static str,
        patience: Patience,
        rng: &dyn Rng,
        of_the_database: fn(&E) -> Option<&StoreError>,
        call: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let goes_on = |error: &E, failed: &Backoff| {
            let passing = of_the_database(error).filter(|error| patience.lasts(error, failed));
            if let Some(error) = passing {
                self.failed(doing, error);
            }
            passing.is_some()
        };
        let answer = retry(DELAYS, |bound| rng.below(bound), goes_on, call).await?;
        self.worked();
        Ok(answer)
    }

    /// A call failed, and will be made again.
    pub(crate) fn failed(&self, doing: &'static str, error: &StoreError) {
        telemetry::store_error(doing);
        self.0.failed("database", doing, error);
    }

    /// A call worked.
    pub(crate) fn worked(&self) {
        self.0.worked();
    }
}

/// A time around `span`, three quarters to five quarters of it at random, so that many processes do not
/// look at the queue in step.
pub(crate) fn about(span: Duration, rng: &dyn Rng) -> Duration {
    span / 1_000 * (750 + rng.below(501))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u32);

    impl Rng for Fixed {
        fn below(&self, bound: u32) -> u32 {
            self.0.min(bound - 1)
        }
    }

    #[test]
    fn polls_are_spread_around_their_span() {
        let span = Duration::from_secs(4);
        assert_eq!(about(span, &Fixed(0)), Duration::from_secs(3));
        assert_eq!(about(span, &Fixed(u32::MAX)), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_or_not() {
        let away = StoreError::Unavailable("no route".into());
        let full = StoreError::Unavailable(Unavailable::new(Outage::Disk, "no space left"));
        let mut failed = Backoff::new(DELAYS);
        let foreground = Patience::Foreground(Duration::from_secs(60));
        for _ in 0..TRIES_IN_THE_FOREGROUND {
            assert!(foreground.lasts(&full, &failed));
            failed.next_delay(|_| 0);
        }
        assert!(!foreground.lasts(&full, &failed) && foreground.lasts(&away, &failed));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!foreground.lasts(&away, &failed) && Patience::Endless.lasts(&full, &failed));
    }
}
