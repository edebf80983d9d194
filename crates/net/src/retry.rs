//! Trying again after failures: how long to wait, and when to stop.
//!
//! Written by hand, not with a crate such as `backon`: its delays are lengthened by randomness of its own, where
//! ours are shortened by a source that the caller passes in, and most callers keep the number of failures across
//! the turns of a loop of theirs, for which a helper that owns the loop does not fit. What remains is small.

use std::time::Duration;

use tokio::time::Instant;

/// Delays that double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    first: Duration,
    longest: Duration,
}

impl Schedule {
    /// Delays from `first`, each twice the one before, up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delay after this many failures in a row; after none it is the first one too.
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The delay that follows this one; the first one after zero.
    pub fn after(&self, delay: Duration) -> Duration {
        delay.saturating_mul(2).clamp(self.first, self.longest)
    }
}

/// The failures in a row of one activity, and the delays they lead to.
#[derive(Debug, Clone)]
pub struct Backoff {
    schedule: Schedule,
    failures: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// No failure so far.
    pub const fn new(schedule: Schedule) -> Self {
        Self { schedule, failures: 0, since: None }
    }

    /// Counts a failure. Returns how long to wait before the next try: the schedule's delay, shortened at random
    /// to no less than half of it, so that many processes do not come back at the same moment.
    ///
    /// `random` returns a number below the one it is given.
    pub fn next_delay(&mut self, random: impl FnOnce(u32) -> u32) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        self.schedule.delay(self.failures) / 1_000 * (500 + random(501).min(500))
    }

    /// The failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long ago the first of these failures was; no time without one.
    pub fn failing_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The activity succeeded.
    pub fn reset(&mut self) {
        (self.failures, self.since) = (0, None);
    }
}

/// Calls until a call succeeds, or fails with an error after which `goes_on` does not go on; waits between the calls as
/// `schedule` and `random` say (see [`Backoff::next_delay`]).
///
/// Dropping the future cancels it.
///
/// # Errors
/// That of the last call.
pub async fn retry<T, E, F>(
    schedule: Schedule,
    random: impl Fn(u32) -> u32,
    goes_on: impl Fn(&E, &Backoff) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::new(schedule);
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let delay = backoff.next_delay(&random);
        if !goes_on(&error, &backoff) {
            return Err(error);
        }
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SCHEDULE: Schedule = Schedule::new(Duration::from_millis(100), Duration::from_secs(5));

    #[test]
    fn delays_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(SCHEDULE);
        let delays: Vec<u128> = (0..8).map(|_| backoff.next_delay(|bound| bound - 1).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.failures(), 8);
        backoff.reset();
        assert_eq!(backoff.next_delay(|_| 0), Duration::from_millis(50));
        let mut many = Backoff { failures: u32::MAX, ..Backoff::new(SCHEDULE) };
        assert_eq!(many.next_delay(|_| u32::MAX), Duration::from_secs(5));
    }

    #[test]
    fn one_delay_follows_another() {
        assert_eq!(SCHEDULE.after(Duration::ZERO), Duration::from_millis(100));
        assert_eq!(SCHEDULE.after(Duration::from_millis(100)), Duration::from_millis(200));
        assert_eq!(SCHEDULE.after(Duration::MAX), Duration::from_secs(5));
        assert_eq!([SCHEDULE.delay(0), SCHEDULE.delay(1)], [Duration::from_millis(100); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_repeated_while_the_error_may_pass() {
        let calls = Cell::new(0);
        let answer_to = async |number: u32| {
            calls.set(0);
            let call = async || {
                calls.set(calls.get() + 1);
                if calls.get() == number { Ok(()) } else { Err(calls.get()) }
            };
            retry(SCHEDULE, |_| 500, |error, _| *error != 3, call).await
        };
        let begin = Instant::now();
        assert_eq!(answer_to(1).await, Ok(()));
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(answer_to(3).await, Ok(()));
        assert_eq!(begin.elapsed(), Duration::from_millis(300));
        assert_eq!(answer_to(4).await, Err(3));
        let five_times = |_: &&str, backoff: &Backoff| backoff.failures() < 5;
        assert_eq!(retry(SCHEDULE, |_| 0, five_times, async || Err::<(), _>("no")).await, Err("no"));
        assert_eq!(begin.elapsed(), Duration::from_millis(600 + 750));
    }
}
