//! The throttle of a storage: if it is busy, all its readers wait together.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stocktake_net::retry::Schedule;

/// The first pause, and the longest that is chosen here.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The pauses; each is twice as long as the one before.
pub(crate) const PAUSES: Schedule = Schedule::new(FIRST_PAUSE, LONGEST_PAUSE);

/// The longest pause if a service requests one.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(60);

/// How long after an error the storage counts as unused; requests under way fail earlier.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(180);

/// For how long a temporary error is retried before it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// If the service says that it is busy.
    pub busy: Duration,
    /// If connections break, or answers end early.
    pub broken: Duration,
    /// If nothing has come of an object yet: then it is looked whether the service can be reached at all.
    pub unreachable: Duration,
    /// If a request is not answered: then it is looked whether the service answers at all, for as long again.
    pub silent: Duration,
}

impl Default for Patience {
    /// Five minutes, one minute, three seconds, and eight seconds.
    fn default() -> Self {
        let [busy, broken, unreachable, silent] = [300, 60, 3, 8].map(Duration::from_secs);
        Self { busy, broken, unreachable, silent }
    }
}

/// The pauses that all readers of a storage keep.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The current pause; zero if there is none.
    pause: Duration,
    /// When it began.
    begun: Option<Instant>,
    /// When connections first and last broke since the last response.
    down: Option<(Instant, Instant)>,
}

impl Throttle {
    /// When a request may be sent, `now` or later. After a pause, requests are spread over time.
    pub(crate) fn turn(&self, now: Instant) -> Instant {
        let state = lock(&self.state);
        let Some(until) = state.begun.and_then(|begun| begun.checked_add(state.pause)) else { return now };
        if until <= now {
            return now;
        }
        until.checked_add(state.pause.mul_f64(rand::random::<f64>() / 2.0)).unwrap_or(until)
    }

    /// A request that was sent at this time got a response.
    pub(crate) fn success(&self, sent: Instant) {
        let mut state = lock(&self.state);
        state.down = None;
        // Requests that were under way when the pause began say nothing about it.
        if state.waited_for(sent) {
            state.pause = if state.pause <= FIRST_PAUSE { Duration::ZERO } else { state.pause / 2 };
        }
    }

    /// A request that was sent at this time was refused because the service is busy.
    pub(crate) fn busy(&self, sent: Instant, now: Instant, retry_after: Option<Duration>) {
        let mut state = lock(&self.state);
        state.begin(sent, now, retry_after);
        // The response shows that the service was reached.
        state.down = None;
    }

    /// The storage was looked at, and found well: what was wrong before is over.
    pub(crate) fn recovered(&self) {
        let mut state = lock(&self.state);
        (state.pause, state.down) = (Duration::ZERO, None);
    }

    /// A request that was sent at this time got no response, or none to its end, after `silent_since`. Returns since when
    /// none did.
    pub(crate) fn broken(&self, sent: Instant, silent_since: Instant, now: Instant) -> Instant {
        let mut state = lock(&self.state);
        state.begin(sent, now, None);
        // An error of long ago says nothing about the time since then.
        let recent = |(_, last): &(Instant, Instant)| now.saturating_duration_since(*last) < FORGOTTEN_AFTER;
        let since = state.down.filter(recent).map_or(silent_since, |(since, _)| since);
        state.down = Some((since, now));
        since
    }
}

impl State {
    /// Whether a request that was sent at this time was sent after the pause began.
    fn waited_for(&self, sent: Instant) -> bool {
        self.begun.is_none_or(|begun| sent >= begun)
    }

    /// Begins a longer pause, unless the request was under way when the current one began: many requests that are
    /// refused at once cause one pause.
    fn begin(&mut self, sent: Instant, now: Instant, retry_after: Option<Duration>) {
        if self.waited_for(sent) {
            let asked_for = retry_after.unwrap_or_default().min(LONGEST_ASKED_FOR);
            self.pause = PAUSES.after(self.pause).max(asked_for);
            self.begun = Some(now);
        }
    }
}

/// Locks the mutex; a poisoned one is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(throttle: &Throttle) -> Duration {
        lock(&throttle.state).pause
    }

    #[test]
    fn pauses_grow_with_trouble_and_shrink_with_success() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.turn(now), now);
        throttle.busy(now, now, None);
        assert_eq!(pause(&throttle), FIRST_PAUSE);
        assert!(throttle.turn(now) >= now + FIRST_PAUSE && throttle.turn(now) <= now + FIRST_PAUSE * 3 / 2);
        let later = now + Duration::from_secs(1);
        assert_eq!(throttle.turn(later), later);
        for _ in 0..20 {
            throttle.broken(later, later, later);
        }
        assert_eq!(pause(&throttle), LONGEST_PAUSE);
        throttle.success(later);
        assert_eq!(pause(&throttle), LONGEST_PAUSE / 2);
        for _ in 0..20 {
            throttle.success(later);
        }
        assert_eq!(throttle.turn(later), later);
    }

    #[test]
    fn many_refused_at_once_make_one_pause() {
        let (throttle, sent) = (Throttle::default(), Instant::now());
        let now = sent + Duration::from_millis(5);
        for _ in 0..100 {
            throttle.busy(sent, now, None);
        }
        assert_eq!(pause(&throttle), FIRST_PAUSE);
    }

    #[test]
    fn a_share_of_refusals_slows_all_down() {
        let (throttle, begin) = (Throttle::default(), Instant::now());
        let mut now = begin;
        for _ in 0..10 {
            let sent = throttle.turn(now);
            for number in 1..=32 {
                now = sent + Duration::from_millis(number);
                if number % 5 == 0 { throttle.busy(sent, now, None) } else { throttle.success(sent) }
            }
            assert_eq!(pause(&throttle), FIRST_PAUSE, "what was sent before does not end the pause");
        }
        assert!(now - begin >= FIRST_PAUSE * 9);
    }

    #[test]
    fn a_service_is_granted_the_pause_it_asks_for_within_reason() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.busy(now, now, Some(Duration::from_secs(7)));
        assert_eq!(pause(&throttle), Duration::from_secs(7));
        throttle.busy(now, now, Some(Duration::from_secs(9999)));
        assert_eq!(pause(&throttle), LONGEST_ASKED_FOR);
    }

    #[test]
    fn broken_connections_are_counted_from_the_last_answer() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(throttle.broken(now, now, now), now);
        assert_eq!(throttle.broken(at(1), at(1), at(1)), now);
        throttle.success(at(1));
        assert_eq!(throttle.broken(at(2), at(2), at(2)), at(2));
        throttle.busy(at(3), at(3), None);
        assert_eq!(throttle.broken(at(4), at(4), at(4)), at(4));
        assert_eq!(throttle.broken(at(86_400), at(86_400), at(86_400)), at(86_400));
    }
}
