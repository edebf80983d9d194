//! How one piece of work gets on: since when it fails, for which reason, and how long it alone waits.

use std::time::{Duration, Instant};

use crate::throttle::PAUSES;

/// How a piece of work gets on.
///
/// Each kind of trouble has a clock of its own, which runs until the work gets on. Only that of broken
/// connections stops before: whoever is answered has a connection. So trouble of changing kinds ends as well:
/// if it is answered again and again, by a clock that nothing stops, and otherwise by that of broken connections.
pub(crate) struct RetryState {
    /// When the last request was sent.
    pub(crate) sent: Instant,
    busy_since: Option<Instant>,
    broken_since: Option<Instant>,
    mismatch_since: Option<Instant>,
    /// The pause of this work alone, and its end.
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

    /// The work has got on.
    pub(crate) fn progressed(&mut self) {
        *self = Self { sent: self.sent, ..Self::new() };
    }

    /// The service was busy. Returns since when it is for this work.
    pub(crate) fn busy(&mut self, now: Instant) -> Instant {
        self.broken_since = None;
        *self.busy_since.get_or_insert(now)
    }

    /// The connection broke. Returns since when connections do for this work, without an answer between.
    pub(crate) fn broken(&mut self, now: Instant) -> Instant {
        *self.broken_since.get_or_insert(now)
    }

    /// The answer did not fit the object: this work waits, and no other. Returns since when answers do not fit.
    pub(crate) fn mismatched_answer(&mut self, now: Instant) -> Instant {
        self.broken_since = None;
        self.pause = PAUSES.after(self.pause);
        self.paused_until = now.checked_add(self.pause);
        *self.mismatch_since.get_or_insert(now)
    }

    /// When this work may go on as far as it alone is concerned; `now` or later.
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
