//! The retries of one piece of work: since when it fails, for which reason, and how long it waits.

use std::time::{Duration, Instant};

use crate::throttle::PAUSES;

/// The state of the retries of a piece of work.
///
/// Each kind of error has its own clock, which runs until the work makes progress. Only the clock of broken connections
/// stops earlier: with any response, since a response proves that there is a connection. Changing kinds of error
/// therefore come to an end as well: if there are responses, by a clock that no response stops, and otherwise by the
/// clock of broken connections.
pub(crate) struct RetryState {
    /// When the last request was sent.
    pub(crate) sent: Instant,
    busy_since: Option<Instant>,
    broken_since: Option<Instant>,
    mismatch_since: Option<Instant>,
    /// The pause of this work, and when it ends.
    pause: Duration,
    paused_until: Option<Instant>,
}

impl RetryState {
    pub(crate) fn new() -> Self {
        Self {
            sent: Instant::now(),
            busy_since: None,
            broken_since: None,
            mismatch_since: None,
            pause: Duration::ZERO,
            paused_until: None,
        }
    }

    /// The work has made progress.
    pub(crate) fn progressed(&mut self) {
        *self = Self { sent: self.sent, ..Self::new() };
    }

    /// The service was busy. Returns since when it has been busy for this work.
    pub(crate) fn busy(&mut self, now: Instant) -> Instant {
        self.broken_since = None;
        *self.busy_since.get_or_insert(now)
    }

    /// The connection broke. Returns since when connections have been breaking for this work, without a response.
    pub(crate) fn broken(&mut self, now: Instant) -> Instant {
        *self.broken_since.get_or_insert(now)
    }

    /// The response did not match the object: only this work waits. Returns since when responses have not matched.
    pub(crate) fn mismatched_answer(&mut self, now: Instant) -> Instant {
        self.broken_since = None;
        self.pause = PAUSES.after(self.pause);
        self.paused_until = now.checked_add(self.pause);
        *self.mismatch_since.get_or_insert(now)
    }

    /// When this work may continue as far as its own pause is concerned; `now` or later.
    pub(crate) fn turn(&self, now: Instant) -> Instant {
        self.paused_until.map_or(now, |until| until.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_is_timed_for_itself() {
        let (mut retry, begin) = (RetryState::new(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(retry.broken(at(0)), at(0));
        assert_eq!(retry.broken(at(10)), at(0));
        assert_eq!(retry.busy(at(20)), at(20));
        assert_eq!(retry.broken(at(90)), at(90));
        assert_eq!(retry.mismatched_answer(at(100)), at(100));
        assert_eq!(retry.broken(at(110)), at(110));
        assert_eq!((retry.busy(at(120)), retry.mismatched_answer(at(120))), (at(20), at(100)));
        retry.progressed();
        assert_eq!((retry.busy(at(130)), retry.mismatched_answer(at(130))), (at(130), at(130)));
    }
}
