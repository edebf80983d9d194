//! A limit on the bytes read in a second.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::num::{narrow, widen};
use crate::sync::lock;

/// How often a waiting reader looks whether it was called off.
const LOOK: Duration = Duration::from_millis(50);

/// What was not read in the last quarter of a second may be made up for.
const BURST: Duration = Duration::from_millis(250);

/// Large files are read in steps of an eighth of a second, but of no fewer bytes than this.
const LEAST_STEP: u64 = 4 * 1024;

/// The most bytes of a step.
pub const LARGEST_STEP: usize = 256 * 1024;

/// Hands out turns to read, one after the other.
#[derive(Debug)]
pub struct Limiter {
    bytes_per_second: NonZeroU64,
    /// When all turns handed out so far are used up.
    free_at: Mutex<Option<Instant>>,
}

/// When somebody may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
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
        narrow((self.bytes_per_second.get() / 8).clamp(LEAST_STEP, widen(LARGEST_STEP)))
    }

    /// The next turn to read this many bytes.
    pub fn turn(&self, bytes: u64, now: Instant) -> Turn {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let mut free_at = lock(&self.free_at);
        let at = free_at.map_or(earliest, |free_at| free_at.max(earliest));
        // A turn beyond what the clock can tell is as good as never.
        *free_at = Some(at.checked_add(cost).unwrap_or(at));
        Turn { at, cost }
    }

    /// Waits for the turn; false if it was called off, which gives the turn back.
    pub fn wait(&self, turn: Turn, called_off: impl Fn() -> bool) -> bool {
        loop {
            let left = turn.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if called_off() {
                let mut free_at = lock(&self.free_at);
                *free_at = free_at.and_then(|free_at| free_at.checked_sub(turn.cost));
                return false;
            }
            thread::sleep(left.min(LOOK));
        }
    }
}

impl Turn {
    /// Whether there is anything to wait for.
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
    fn turns_follow_each_other_at_the_rate() {
        let limiter = limiter(1_000);
        let now = Instant::now();
        let begin = now.checked_sub(BURST).unwrap();
        for number in 0..10 {
            let turn = limiter.turn(500, now);
            assert_eq!(turn.at, begin + Duration::from_millis(500 * number));
        }
    }

    #[test]
    fn time_not_used_is_made_up_for_only_a_little() {
        let limiter = limiter(1_000);
        let now = Instant::now();
        limiter.turn(1_000, now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(limiter.turn(1, later).at, later.checked_sub(BURST).unwrap());
    }

    #[test]
    fn a_turn_called_off_is_given_back() {
        let limiter = limiter(1);
        let now = Instant::now();
        limiter.turn(1_000_000, now);
        let mine = limiter.turn(1_000, now);
        assert!(mine.is_later_than(now));
        assert!(!limiter.wait(mine, || true));
        assert_eq!(limiter.turn(1, now).at, mine.at);
    }

    #[test]
    fn steps_are_never_tiny_nor_larger_than_a_buffer() {
        assert_eq!(limiter(1).step(), 4096);
        assert_eq!(limiter(800_000).step(), 100_000);
        assert_eq!(limiter(u64::MAX).step(), LARGEST_STEP);
        let now = Instant::now();
        let turn = limiter(1).turn(u64::MAX, now);
        assert!(!turn.is_later_than(now));
    }
}
