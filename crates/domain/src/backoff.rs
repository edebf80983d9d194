//! How long a failed record waits for its next try.

use std::time::Duration;

/// How many different values the random part of [`retry_delay`] takes: roll a [`crate::Rng`] of so many
/// sides.
pub const JITTER_STEPS: u32 = 30;

/// The longest [`retry_delay`].
pub const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(3616 + 2 * (JITTER_STEPS as u64 - 1));

/// The wait after the `failures`-th failure in a row (1 for the first): the smaller of
/// n⁴ + 15 + r·(n+1) and 3616 + 2r seconds, with `jitter` as r, in `0..`[`JITTER_STEPS`].
pub fn retry_delay(failures: u32, jitter: u32) -> Duration {
    let n = u64::from(failures);
    let r = u64::from(jitter);
    let growing =
        n.saturating_pow(4).saturating_add(15).saturating_add(r.saturating_mul(n.saturating_add(1)));
    Duration::from_secs(growing.min(3616 + 2 * r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_fourth_power_up_to_an_hour() {
        assert_eq!(retry_delay(1, 0), Duration::from_secs(16));
        assert_eq!(retry_delay(1, 29), Duration::from_secs(74));
        assert_eq!(retry_delay(3, 10), Duration::from_secs(81 + 15 + 40));
        assert_eq!(retry_delay(8, 0), Duration::from_secs(3616));
        assert_eq!(retry_delay(u32::MAX, JITTER_STEPS - 1), LONGEST_RETRY_DELAY);
        assert_eq!(LONGEST_RETRY_DELAY, Duration::from_secs(3674));
    }
}
