//! A limit on the bytes that are read in a second, for tasks and for threads.
//!
//! Written by hand, not with a crate such as `governor`: a request there may be no larger than the burst, and
//! rates are 32 bits wide, so that a large read would be split into many; what was reserved and is not read
//! cannot be given back; and a thread that waits must look whether it is still wanted. What remains is one
//! instant under a lock.

use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting thread looks whether it was cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The fewest bytes to read at a time.
const LEAST_STEP: u64 = 4 * 1024;

/// The most bytes to read at a time.
pub const LARGEST_STEP: usize = 256 * 1024;

/// What was not read in the last quarter of a second may be made up for.
const BURST: Duration = Duration::from_millis(250);

/// Reserves time for reads, one after the other, so that no more bytes are read in a second than allowed.
#[derive(Debug)]
pub struct RateLimiter {
    bytes_per_second: NonZeroU64,
    /// When everything reserved so far has been read.
    free_at: Mutex<Option<Instant>>,
}

/// The time that is reserved for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    begin: Instant,
    cost: Duration,
}

impl Reservation {
    /// Whether the read has to wait.
    pub fn is_later_than(&self, now: Instant) -> bool {
        self.begin > now
    }

    /// When the next read may begin.
    pub fn end(&self) -> Instant {
        self.begin.checked_add(self.cost).unwrap_or(self.begin)
    }
}

impl RateLimiter {
    /// A limit of this many bytes in a second.
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// The bytes to read at a time: those of an eighth of a second, but from 4 KiB to [`LARGEST_STEP`].
    pub fn step(&self) -> usize {
        let step = (self.bytes_per_second.get() / 8).max(LEAST_STEP);
        usize::try_from(step).map_or(LARGEST_STEP, |step| step.min(LARGEST_STEP))
    }

    /// Reserves the next time for this many bytes. One that ends later than the clock can tell costs nothing.
    pub fn reserve(&self, bytes: u64, now: Instant) -> Reservation {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let mut free_at = self.lock();
        let begin = free_at.map_or(earliest, |free_at| free_at.max(earliest));
        let reservation = Reservation { begin, cost };
        *free_at = Some(reservation.end());
        reservation
    }

    /// Blocks the thread until the reserved time begins; false if it was cancelled, which gives the time back.
    pub fn wait(&self, reservation: Reservation, is_cancelled: impl Fn() -> bool) -> bool {
        loop {
            let left = reservation.begin.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if is_cancelled() {
                let mut free_at = self.lock();
                *free_at = free_at.and_then(|free_at| free_at.checked_sub(reservation.cost));
                return false;
            }
            thread::sleep(left.min(POLL_INTERVAL));
        }
    }

    /// Waits for as long as reading this many bytes, which were read just now, should have taken.
    pub async fn pay(&self, bytes: u64) {
        let end = self.reserve(bytes, tokio::time::Instant::now().into_std()).end();
        tokio::time::sleep_until(end.into()).await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.free_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(bytes_per_second: u64) -> RateLimiter {
        RateLimiter::new(NonZeroU64::new(bytes_per_second).unwrap())
    }

    #[test]
    fn reservations_follow_each_other_at_the_rate() {
        let (limiter, now) = (limiter(1_000), Instant::now());
        let begin = now.checked_sub(BURST).unwrap();
        for number in 0..10 {
            let reservation = limiter.reserve(500, now);
            assert_eq!(reservation.begin, begin + Duration::from_millis(500 * number));
            assert_eq!(reservation.end(), reservation.begin + Duration::from_millis(500));
        }
    }

    #[test]
    fn unused_time_is_made_up_for_only_a_little() {
        let (limiter, now) = (limiter(1_000), Instant::now());
        limiter.reserve(1_000, now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(limiter.reserve(1, later).begin, later.checked_sub(BURST).unwrap());
    }

    #[test]
    fn a_cancelled_reservation_is_given_back() {
        let (limiter, now) = (limiter(1), Instant::now());
        limiter.reserve(1_000_000, now);
        let mine = limiter.reserve(1_000, now);
        assert!(mine.is_later_than(now));
        assert!(!limiter.wait(mine, || true));
        assert_eq!(limiter.reserve(1, now).begin, mine.begin);
    }

    #[test]
    fn what_can_be_read_now_waits_for_nothing() {
        let (limiter, now) = (limiter(1), Instant::now());
        let reservation = limiter.reserve(u64::MAX, now);
        assert!(!reservation.is_later_than(now));
        assert!(limiter.wait(reservation, || unreachable!("it does not wait")));
    }

    #[test]
    fn steps_are_neither_tiny_nor_larger_than_a_buffer() {
        assert_eq!(limiter(1).step(), 4096);
        assert_eq!(limiter(800_000).step(), 100_000);
        assert_eq!(limiter(u64::MAX).step(), LARGEST_STEP);
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_wait_for_what_was_read() {
        let (limiter, begin) = (limiter(1_000), tokio::time::Instant::now());
        limiter.pay(250).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        limiter.pay(3_000).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}
