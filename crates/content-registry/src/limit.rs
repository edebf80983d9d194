//! A limit on the bytes read in a second.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What was not read in the last quarter of a second may be made up for.
const BURST: Duration = Duration::from_millis(250);

/// Makes readers wait for what they have read.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes_per_second: NonZeroU64,
    /// When all that was read so far is paid for.
    free_at: Mutex<Option<Instant>>,
}

impl Limit {
    pub(crate) fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// Waits until so many more bytes may be read.
    pub(crate) async fn pay(&self, bytes: u64) {
        tokio::time::sleep_until(self.turn(bytes, Instant::now())).await;
    }

    fn turn(&self, bytes: u64, now: Instant) -> Instant {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = free_at.map_or(earliest, |free_at| free_at.max(earliest));
        let end = begin.checked_add(cost).unwrap_or(begin);
        *free_at = Some(end);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_wait_for_what_was_read() {
        let limit = Limit::new(NonZeroU64::new(1_000).unwrap());
        let now = Instant::now();
        let begin = now.checked_sub(BURST).unwrap();
        for number in 1..10 {
            assert_eq!(limit.turn(500, now), begin + Duration::from_millis(500 * number));
        }
        let later = now + Duration::from_secs(3600);
        assert_eq!(limit.turn(1_000, later), later.checked_sub(BURST).unwrap() + Duration::from_secs(1));
    }
}
