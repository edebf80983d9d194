//! The state machine under every event in every state, and under random sequences of events.
//!
//! What a state does not allow cannot be written (see the type), so `apply` answers `None` for it.

use std::time::Duration;

use proptest::prelude::*;
use stocktake_domain::{
    Algorithm, Digest, Failure, FailureKind, History, Observation, Reference, State, Status, Timestamp,
    Verification, judge,
};

const LEASE: Duration = Duration::from_secs(8 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Claim,
    Succeed(u8),
    Fail(u32),
    TimeOut,
    Release,
    Recalculate,
    Expire,
    Disable,
    Enable,
    Accept(u8),
}

fn digest(seed: u8) -> Digest {
    Digest::Sha256([seed; 32])
}

fn apply(status: Status, event: Event, now: Timestamp) -> Option<Status> {
    match (status, event) {
        (Status::Pending(it), Event::Claim) => Some(Status::Started(it.claim())),
        (Status::Failed(it), Event::Claim) => it.claim(now).ok().map(Status::Started),
        (Status::Started(it), Event::Succeed(seed)) => Some(Status::Succeeded(it.succeed(digest(seed), now))),
        (Status::Started(it), Event::Fail(jitter)) => {
            Some(Status::Failed(it.fail(Failure::unreadable("no"), now, jitter)))
        }
        (Status::Started(it), Event::TimeOut) => Some(Status::Failed(it.time_out(LEASE, now))),
        (Status::Started(it), Event::Release) => Some(it.release()),
        (Status::Disabled(it), Event::Enable) => Some(Status::Pending(it.enable())),
        (status, Event::Recalculate) => Some(Status::Pending(status.recalculate())),
        (status, Event::Expire) => Some(Status::Pending(status.expire())),
        (status, Event::Disable) => Some(Status::Disabled(match status {
            Status::Pending(it) => it.disable(),
            Status::Started(it) => it.disable(),
            Status::Succeeded(it) => it.disable(),
            Status::Failed(it) => it.disable(),
            Status::Disabled(it) => it.disable(),
        })),
        (status, Event::Accept(seed)) => Some(Status::Succeeded(status.accept(digest(seed), now))),
        _ => None,
    }
}

fn in_state(state: State) -> Status {
    let now = Timestamp::from_millis(1_000);
    let start = || Verification::new().claim();
    match state {
        State::Pending => Status::Pending(Verification::new()),
        State::Started => Status::Started(start()),
        State::Succeeded => Status::Succeeded(start().succeed(digest(1), now)),
        State::Failed => Status::Failed(start().fail(Failure::unreadable("no"), now, 0)),
        State::Disabled => Status::Disabled(Verification::new().disable()),
    }
}

#[test]
fn every_event_in_every_state() {
    use State::{Disabled, Failed, Pending, Started, Succeeded};
    let later = Timestamp::from_millis(1_000_000);
    // One line an event: the state it leads to from pending, started, succeeded, failed, disabled.
    let table: [(Event, [Option<State>; 5]); 10] = [
        (Event::Claim, [Some(Started), None, None, Some(Started), None]),
        (Event::Succeed(1), [None, Some(Succeeded), None, None, None]),
        (Event::Fail(0), [None, Some(Failed), None, None, None]),
        (Event::TimeOut, [None, Some(Failed), None, None, None]),
        (Event::Release, [None, Some(Pending), None, None, None]),
        (Event::Recalculate, [Some(Pending); 5]),
        (Event::Expire, [Some(Pending); 5]),
        (Event::Disable, [Some(Disabled); 5]),
        (Event::Enable, [None, None, None, None, Some(Pending)]),
        (Event::Accept(2), [Some(Succeeded); 5]),
    ];
    for (event, row) in table {
        for (from, to) in State::ALL.into_iter().zip(row) {
            let reached = apply(in_state(from), event, later).map(|status| status.state());
            assert_eq!(reached, to, "{event:?} when {from}");
        }
    }
}

#[test]
fn a_failed_record_waits_for_its_retry_time() {
    let Status::Failed(failed) = in_state(State::Failed) else { unreachable!() };
    let retry_at = failed.stage().retry_at;
    let early = failed.claim(Timestamp::from_millis(retry_at.millis() - 1)).unwrap_err();
    assert!(early.0.claim(retry_at).is_ok());
}

#[test]
fn a_timed_out_record_is_due_at_once() {
    let now = Timestamp::from_millis(5);
    let failed = Verification::new().claim().time_out(LEASE, now);
    assert_eq!(failed.stage().failure.text(), "Verification timed out after 8h");
    assert!(failed.claim(now).is_ok());
}

#[test]
fn released_after_a_failure_it_is_failed_as_before() {
    let Status::Failed(failed) = in_state(State::Failed) else { unreachable!() };
    let again = failed.clone().claim(Timestamp::from_millis(i64::MAX)).unwrap().release();
    assert_eq!(again, Status::Failed(failed));
}

#[test]
fn a_failed_record_that_expires_is_no_better_than_it_was() {
    let failed = in_state(State::Failed);
    let expired = failed.clone().expire();
    assert_eq!(expired.history(), failed.history());
    assert_eq!(Status::Pending(expired.clone()).last_failure(), failed.last_failure());
    assert_eq!(expired.clone().expire(), expired);
    // The next attempt is the one that would have been next.
    let attempt = expired.claim().attempt();
    assert_eq!(attempt, failed.history().attempt + 1);
}

#[test]
fn the_last_good_checksum_is_kept_through_failures_and_catches_the_change() {
    let at = Timestamp::from_millis(7);
    let good = Verification::new().claim().succeed(digest(1), at);
    let failed = good.expire().claim().fail(Failure::unreadable("no"), at, 0);
    let history: History = *failed.history();
    assert_eq!(history.checksum(), None);
    let reference = Reference { baseline: history.baseline(), ..Default::default() };
    let digests = stocktake_domain::Digests { sha256: Some([2; 32]), ..Default::default() };
    let verdict = judge(&reference, &Observation::of_content(1, digests), Algorithm::Sha256);
    assert_eq!(verdict.unwrap_err().kind(), FailureKind::Altered);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Claim),
        2 => (0u8..3).prop_map(Event::Succeed),
        2 => (0u32..30).prop_map(Event::Fail),
        1 => Just(Event::TimeOut),
        1 => Just(Event::Release),
        1 => Just(Event::Recalculate),
        1 => Just(Event::Expire),
        1 => Just(Event::Disable),
        1 => Just(Event::Enable),
        1 => Just(Event::Accept(9)),
    ]
}

fn check_step(before: &Status, event: Event, after: &Status, now: Timestamp) {
    let (was, is) = (before.history(), after.history());
    match event {
        Event::Fail(_) | Event::TimeOut => assert_eq!(after.last_failure(), after.failure()),
        Event::Succeed(_) | Event::Accept(_) | Event::Disable => assert_eq!(after.last_failure(), None),
        _ => assert_eq!(after.last_failure(), before.last_failure(), "a verdict stands until a new one"),
    }
    assert_eq!(after.failure().is_some(), after.state() == State::Failed);
    assert_eq!(after.retry_at().is_some(), after.state() == State::Failed);
    assert!(is.baseline.is_some() || was.baseline.is_none(), "a baseline is never lost");
    match event {
        Event::Claim | Event::Recalculate | Event::Disable => assert_eq!(is.attempt, was.attempt + 1),
        Event::Release => assert_eq!(is.attempt, was.attempt - 1),
        Event::Accept(_) => {
            assert_eq!(is.attempt, was.attempt + 1);
            assert_eq!(is.checksum(), Some(digest(9)));
        }
        Event::Succeed(seed) => {
            assert_eq!((is.checksum(), is.retry_count), (Some(digest(seed)), 0));
            assert_eq!(is.last_checksum_at(), Some(now));
        }
        Event::Fail(_) | Event::TimeOut => {
            assert_eq!((is.checksum(), is.retry_count), (None, was.retry_count + 1));
            assert_eq!(is.last_checksum_at(), Some(now));
            assert_eq!(is.baseline, was.baseline);
        }
        Event::Expire | Event::Enable => assert_eq!(is, was),
    }
    if !matches!(event, Event::Succeed(_) | Event::Fail(_) | Event::TimeOut | Event::Accept(_)) {
        assert_eq!(is.checksum(), was.checksum());
        assert_eq!(is.last_checksum_at(), was.last_checksum_at());
    }
}

proptest! {
    #[test]
    fn random_events_keep_every_promise(events in prop::collection::vec((event(), 0i64..200_000), 1..60)) {
        let mut now = Timestamp::from_millis(0);
        let mut status = Status::Pending(Verification::new());
        for (event, wait) in events {
            now = now.after(Duration::from_millis(wait.unsigned_abs()));
            if let Some(after) = apply(status.clone(), event, now) {
                check_step(&status, event, &after, now);
                status = after;
            }
        }
    }
}
