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
    /// When something last came of the object.
    heard: Option<Instant>,
    /// When the storage as a whole may be looked at again because of this work.
    next_look: Option<Instant>,
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
            heard: None,
            next_look: None,
            busy_since: None,
            broken_since: None,
            mismatch_since: None,
            pause: Duration::ZERO,
            paused_until: None,
        }
    }

    /// The work has made progress.
    pub(crate) fn progressed(&mut self) {
        *self = Self { sent: self.sent, heard: self.heard, ..Self::new() };
    }

    /// Something of the object has come.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// Since when nothing has come.
    pub(crate) fn silent_since(&self) -> Instant {
        self.heard.map_or(self.sent, |heard| heard.max(self.sent))
    }

    /// Whether to look at the storage as a whole, which failed for so long: soon if nothing of the object has come yet,
    /// and then from time to time.
    pub(crate) fn is_to_look(&mut self, waited: Duration, every: Duration, now: Instant) -> bool {
        let is_due = self.heard.is_none() && waited >= every && self.next_look.is_none_or(|next| next <= now);
        if is_due {
            self.next_look = now.checked_add(every);
        }
        is_due
    }

    /// The service was busy. Returns since when it has been busy for this work.
    pub(crate) fn busy(&mut self, now: Instant) -> Instant {
        self.broken_since = None;
        *self.busy_since.get_or_insert(now)
    }

    /// The connection broke, and nothing has come since then. Returns since when connections have been breaking for this
    /// work, without a response.
    pub(crate) fn broken(&mut self, silent_since: Instant) -> Instant {
        *self.broken_since.get_or_insert(silent_since)
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

    #[test]
    fn the_storage_is_looked_at_soon_if_nothing_came_and_not_all_the_time() {
        let (mut retry, begin) = (RetryState::new(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut look =
            |waited, now| retry.is_to_look(Duration::from_secs(waited), Duration::from_secs(3), at(now));
        assert_eq!([look(2, 2), look(3, 3), look(4, 4), look(6, 6)], [false, true, false, true]);
        retry.heard(at(7));
        assert!(!retry.is_to_look(Duration::from_secs(9), Duration::from_secs(3), at(16)));
        assert_eq!(retry.silent_since(), at(7));
    }
}
