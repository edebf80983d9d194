//! Going on when the database is away: when to try again, when to give up, what to log.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::ports::StoreError;
use stocktake_domain::{Clock, Rng};
use tokio::time::Instant;

use crate::telemetry;

/// How often in a row the database may fail before a command in the foreground gives up.
pub(crate) const TRIES_IN_THE_FOREGROUND: u32 = 5;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Waits between tries, growing from [`FIRST_WAIT`] to [`LONGEST_WAIT`], each cut by chance to no less than
/// its half, so that many workers do not come back at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(crate) fn next_wait(&mut self, rng: &dyn Rng) -> Duration {
        let doublings = self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        let whole = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        whole / 1_000 * (500 + rng.below(501))
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

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

/// Calls the database until it answers, `tries` times at the most.
pub(crate) async fn insist<T, F>(
    tries: u32,
    rng: &dyn Rng,
    mut call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let wait = backoff.next_wait(rng);
                if backoff.failures() >= tries {
                    return Err(error);
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Whether the database is away, so that an outage is logged once when it begins and once when it ends.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Mutex<Option<Instant>>,
}

impl Outage {
    /// A call failed.
    pub(crate) fn failed(&self, doing: &'static str, error: &StoreError) {
        telemetry::store_error(doing);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = chain(error);
        if since.is_some() {
            tracing::debug!(
                worker.doing = doing,
                error.cause = cause,
                "still no luck while {doing}: {cause}"
            );
        } else {
            *since = Some(Instant::now());
            tracing::warn!(
                worker.doing = doing,
                error.cause = cause,
                "trying again after a failure while {doing}: {cause}"
            );
        }
    }

    /// A call worked.
    pub(crate) fn worked(&self) {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = since {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(outage.seconds = seconds, "the database answers again after {seconds:.1} s");
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

/// A time around `span`, three quarters to five quarters of it by chance, so that many processes do not
/// look at the queue in step.
pub(crate) fn about(span: Duration, rng: &dyn Rng) -> Duration {
    span / 1_000 * (750 + rng.below(501))
}

/// Chance for waits alone, where nobody needs to be unable to guess it: the clock's milliseconds, which no
/// two processes' loops have in common for long.
pub(crate) struct ClockRng<'a>(pub(crate) &'a dyn Clock);

impl Rng for ClockRng<'_> {
    fn below(&self, bound: u32) -> u32 {
        let millis = self.0.now().millis().rem_euclid(i64::from(bound.max(1)));
        u32::try_from(millis).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::Timestamp;

    struct Fixed(u32);

    impl Rng for Fixed {
        fn below(&self, bound: u32) -> u32 {
            self.0.min(bound - 1)
        }
    }

    struct Stopped(i64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    #[test]
    fn waits_double_up_to_five_seconds_and_begin_again() {
        let mut backoff = Backoff::default();
        let longest = Fixed(u32::MAX);
        let waits: Vec<u128> = (0..8).map(|_| backoff.next_wait(&longest).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.failures(), 8);
        backoff.reset();
        assert_eq!(backoff.next_wait(&Fixed(0)), Duration::from_millis(50));
    }

    #[test]
    fn waits_stay_bounded_after_many_failures() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.next_wait(&Fixed(u32::MAX)), LONGEST_WAIT);
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

    #[test]
    fn the_clock_gives_chance_within_bounds() {
        assert_eq!(ClockRng(&Stopped(1_234)).below(100), 34);
        assert_eq!(ClockRng(&Stopped(-1)).below(100), 99);
        assert_eq!(ClockRng(&Stopped(7)).below(0), 0);
    }

    #[test]
    fn causes_are_told_in_one_line() {
        let error = StoreError::Unavailable("connection refused".into());
        assert_eq!(chain(&error), "the database is unreachable: connection refused");
    }
}
