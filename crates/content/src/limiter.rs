//! A limit on the bytes read in a second.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::num::{narrow, widen};
use crate::threads::lock;

/// How often a waiting reader checks whether its call has been cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Unused bytes of the last quarter of a second may be read later.
const BURST: Duration = Duration::from_millis(250);

/// Large files are read in steps of an eighth of a second, but of no fewer bytes than this.
const MIN_STEP: u64 = 4 * 1024;

/// The most bytes of a step.
pub const LARGEST_STEP: usize = 256 * 1024;

/// Hands out permits to read, in the order of the requests.
#[derive(Debug)]
pub struct Limiter {
    bytes_per_second: NonZeroU64,
    /// When all permits so far are used up.
    free_at: Mutex<Option<Instant>>,
}

/// From when on some bytes may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    at: Instant,
    cost: Duration,
}

impl Limiter {
    /// A limit of this many bytes in a second.
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// The bytes to read at a time.
    pub fn step(&self) -> usize {
        narrow((self.bytes_per_second.get() / 8).clamp(MIN_STEP, widen(LARGEST_STEP)))
    }

    /// The next permit, to read this many bytes.
    pub fn permit(&self, bytes: u64, now: Instant) -> Permit {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let mut free_at = lock(&self.free_at);
        let at = free_at.map_or(earliest, |free_at| free_at.max(earliest));
        // A time beyond the clock's range will never come.
        *free_at = Some(at.checked_add(cost).unwrap_or(at));
        Permit { at, cost }
    }

    /// Waits until the permit is valid; returns false and gives the permit back if the call is cancelled.
    pub fn wait(&self, permit: Permit, is_cancelled: impl Fn() -> bool) -> bool {
        loop {
            let left = permit.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if is_cancelled() {
                let mut free_at = lock(&self.free_at);
                *free_at = free_at.and_then(|free_at| free_at.checked_sub(permit.cost));
                return false;
            }
            thread::sleep(left.min(POLL_INTERVAL));
        }
    }
}

impl Permit {
    /// Whether the caller has to wait.
    pub fn is_later_than(&self, now: Instant) -> bool {
        self.at > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(bytes_per_second: u64) -> Limiter {
        Limiter::new(NonZeroU64::new(bytes_per_second).unwrap())
    }

    #[test]
    fn permits_follow_each_other_at_the_rate() {
        let limiter = limiter(1_000);
        let now = Instant::now();
        let begin = now.checked_sub(BURST).unwrap();
        for number in 0..10 {
            let permit = limiter.permit(500, now);
            assert_eq!(permit.at, begin + Duration::from_millis(500 * number));
        }
    }

    #[test]
    fn only_a_little_unused_time_is_kept() {
        let limiter = limiter(1_000);
        let now = Instant::now();
        limiter.permit(1_000, now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(limiter.permit(1, later).at, later.checked_sub(BURST).unwrap());
    }

    #[test]
    fn a_cancelled_permit_is_given_back() {
        let limiter = limiter(1);
        let now = Instant::now();
        limiter.permit(1_000_000, now);
        let mine = limiter.permit(1_000, now);
        assert!(mine.is_later_than(now));
        assert!(!limiter.wait(mine, || true));
        assert_eq!(limiter.permit(1, now).at, mine.at);
    }

    #[test]
    fn steps_are_never_tiny_nor_larger_than_a_buffer() {
        assert_eq!(limiter(1).step(), 4096);
        assert_eq!(limiter(800_000).step(), 100_000);
        assert_eq!(limiter(u64::MAX).step(), LARGEST_STEP);
        let now = Instant::now();
        let permit = limiter(1).permit(u64::MAX, now);
        assert!(!permit.is_later_than(now));
    }
}
