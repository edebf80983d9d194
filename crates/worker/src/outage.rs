//! Going on when the database is away: when to try again, when to give up, what to log.

use std::time::Duration;

use stocktake_domain::Rng;
use stocktake_domain::ports::StoreError;
use stocktake_net::outage::Outage;
use stocktake_net::retry::{Schedule, retry};

use crate::telemetry;

/// How often in a row the database may fail before a command in the foreground gives up.
pub(crate) const TRIES_IN_THE_FOREGROUND: u32 = 5;

/// How long to wait between tries.
pub(crate) const DELAYS: Schedule = Schedule::new(Duration::from_millis(100), Duration::from_secs(5));

/// How long a caller goes on trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes: a service outlives its database's outages.
    Endless,
    /// This many tries: somebody waits in the foreground and wants to know.
    Tries(u32),
}

impl Patience {
    /// Whether to try again after so many failures in a row.
    pub(crate) fn lasts(self, failures: u32) -> bool {
        match self {
            Self::Endless => true,
            Self::Tries(tries) => failures < tries,
        }
    }
}

/// Calls the database until it answers, or has failed so often that a command in the foreground gives up.
pub(crate) async fn retry_in_the_foreground<T, F>(
    rng: &dyn Rng,
    call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    retry(DELAYS, TRIES_IN_THE_FOREGROUND, |bound| rng.below(bound), |_| true, call).await
}

/// Whether the database is away; each failure is counted, and an outage logged when it begins and when it ends.
#[derive(Debug, Default)]
pub(crate) struct DatabaseOutage(Outage);

impl DatabaseOutage {
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

    #[test]
    fn patience_ends_or_not() {
        assert!(Patience::Endless.lasts(u32::MAX));
        assert!(Patience::Tries(2).lasts(1));
        assert!(!Patience::Tries(2).lasts(2));
    }
}
