//! How fast an answer arrives, at the least. A time limit for the next bytes alone lets a server that sends one byte now and
//! then keep a reader for ever.

use std::time::Duration;

use tokio::time::Instant;

/// The fewest bytes a second, of the time that is spent waiting for them.
const SLOWEST: u128 = 1_024;

/// What has come of an answer within a stretch of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    stretch: Duration,
    waited: Duration,
    received: usize,
}

/// An answer came too slowly to wait for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only {received} bytes came within {stretch:?} of waiting")]
pub struct TooSlow {
    stretch: Duration,
    received: usize,
}

impl Pace {
    /// An answer of which nothing has come yet, judged whenever it has been waited for this long.
    pub fn new(stretch: Duration) -> Self {
        Self { stretch, waited: Duration::ZERO, received: 0 }
    }

    /// Waits for the next piece of the answer, which has so many bytes. Time between two calls does not count, so that a
    /// reader may be as slow as it likes. Fails if less than 1 KiB came for each second of a stretch.
    pub async fn next<T>(
        &mut self,
        piece: impl Future<Output = T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<T, TooSlow> {
        let began = Instant::now();
        let piece = piece.await;
        self.waited += began.elapsed();
        self.received = self.received.saturating_add(bytes(&piece));
        if self.waited < self.stretch {
            return Ok(piece);
        }
        let least = SLOWEST.saturating_mul(self.waited.as_millis()) / 1_000;
        let received = std::mem::take(&mut self.received);
        self.waited = Duration::ZERO;
        if u128::try_from(received).is_ok_and(|received| received < least) {
            return Err(TooSlow { stretch: self.stretch, received });
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    async fn piece(after: Duration, bytes: usize) -> usize {
        tokio::time::sleep(after).await;
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn what_drips_ends_after_a_stretch() {
        let mut pace = Pace::new(MINUTE);
        let mut pieces = 0;
        let slow = loop {
            match pace.next(piece(Duration::from_secs(1), 1), |bytes| *bytes).await {
                Ok(_) => pieces += 1,
                Err(slow) => break slow,
            }
        };
        assert_eq!((pieces, slow.to_string().as_str()), (59, "only 60 bytes came within 60s of waiting"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_network_and_a_slow_reader_are_waited_for() {
        let mut pace = Pace::new(MINUTE);
        for _ in 0..1_000 {
            assert_eq!(pace.next(piece(Duration::from_secs(1), 1_024), |bytes| *bytes).await, Ok(1_024));
        }
        let mut pace = Pace::new(MINUTE);
        for _ in 0..59 {
            assert_eq!(pace.next(piece(Duration::from_secs(1), 1), |bytes| *bytes).await, Ok(1));
            tokio::time::sleep(MINUTE).await;
        }
    }
}
