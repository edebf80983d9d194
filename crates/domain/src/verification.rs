//! The checksum state machine.
//!
//! A [`Verification`] carries its state in its type, so that a transition the machine does not have cannot
//! be written: only a `Verification<Started>` can succeed, only a `Verification<Disabled>` can be switched on again.
//! Each transition consumes its verification. [`Status`] is the same with the state known only at run time,
//! as read from a catalogue.
//!
//! The attempt number, together with the lease it was claimed under, is the fencing token. It grows whenever
//! an attempt begins, and whenever a change of its record makes a running one void; a mark on the whole model makes it
//! void as well, because the record is due later than the lease was claimed. A result is recorded only while its lease
//! still is, its attempt is still the record's own, and the record became due no later than that.

use std::time::Duration;

use crate::digest::Digest;
use crate::failure::{Failure, LONGEST_RETRY_DELAY, retry_delay};
use crate::selection::State;
use crate::time::Timestamp;

/// The last good checksum of our own, and when it was calculated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Baseline {
    /// The digest.
    pub digest: Digest,
    /// When the attempt that calculated it ended.
    pub at: Timestamp,
}

/// What is kept through all states.
///
/// The checksum shown and the time of the last attempt are not kept beside these: they follow from the
/// baseline and from when the last attempt failed, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// The number of the last attempt.
    pub attempt: u64,
    /// Failures since the last success.
    pub retry_count: u32,
    /// The last good checksum; kept through failures.
    pub baseline: Option<Baseline>,
    /// When attempts failed since the last good one; `None` if the last attempt was good or there was none.
    pub failures: Option<FailureTimes>,
}

/// When the attempts ended that failed, since the last good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailureTimes {
    /// The first of them. Of a record that already failed before this was kept, it is the last one of then.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

impl FailureTimes {
    /// One attempt that failed.
    pub const fn once(at: Timestamp) -> Self {
        Self { first: at, last: at }
    }
}

impl History {
    /// The checksum to show: the last good one, unless an attempt failed since.
    pub fn checksum(&self) -> Option<Digest> {
        self.baseline.filter(|_| self.failures.is_none()).map(|baseline| baseline.digest)
    }

    /// When the last attempt ended, good or bad.
    pub fn last_checksum_at(&self) -> Option<Timestamp> {
        self.failed_at().or(self.baseline.map(|baseline| baseline.at))
    }

    /// When the last attempt ended, if it failed; `None` if it was good or there was none.
    pub fn failed_at(&self) -> Option<Timestamp> {
        self.failures.map(|failures| failures.last)
    }

    /// When the first attempt since the last good one failed; `None` if the last attempt was good or there was none.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.failures.map(|failures| failures.first)
    }

    /// The last good checksum.
    pub fn baseline(&self) -> Option<Baseline> {
        self.baseline
    }

    fn next_attempt(mut self) -> Self {
        self.attempt = self.attempt.saturating_add(1);
        self
    }

    fn failed(mut self, now: Timestamp) -> Self {
        self.retry_count = self.retry_count.saturating_add(1);
        let first = self.failing_since().unwrap_or(now);
        self.failures = Some(FailureTimes { first, last: now });
        self
    }

    fn good(mut self, checksum: Digest, now: Timestamp) -> Self {
        self.retry_count = 0;
        self.baseline = Some(Baseline { digest: checksum, at: now });
        self.failures = None;
        self
    }
}

/// What all states have in common.
pub trait Stage {
    /// Why the last attempt that ended failed; `None` if it was good, or there was none.
    fn last_failure(&self) -> Option<&Failure>;
}

/// Waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pending {
    /// See [`Stage::last_failure`]. A record that failed and is to be read again is no better than it was.
    pub last_failure: Option<Failure>,
}

/// A worker is at it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Started {
    /// What it was before, to which it returns if the worker gives it back unfinished.
    pub origin: Origin,
}

/// What a started verification was before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It was pending.
    Pending(Pending),
    /// It had failed and its retry time had come.
    Failed(Failed),
}

/// The last attempt found the content good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Succeeded {
    /// Whether the content also agrees with the checksum that the source's own verification recorded; `None`
    /// where the two were not, or cannot be, compared.
    pub matches_source: Option<bool>,
}

/// The last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// When it is due again.
    pub retry_at: Timestamp,
}

impl Failed {
    /// Whether the retry time has come (inclusive). One that is further away than the longest wait was written by a clock
    /// that was ahead, and has come too.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.retry_at <= now || self.retry_at > now.latest_end(LONGEST_RETRY_DELAY)
    }
}

/// Switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Disabled;

impl Stage for Pending {
    fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }
}

impl Stage for Started {
    fn last_failure(&self) -> Option<&Failure> {
        match &self.origin {
            Origin::Pending(stage) => stage.last_failure(),
            Origin::Failed(stage) => stage.last_failure(),
        }
    }
}

impl Stage for Succeeded {
    fn last_failure(&self) -> Option<&Failure> {
        None
    }
}

impl Stage for Failed {
    fn last_failure(&self) -> Option<&Failure> {
        Some(&self.failure)
    }
}

impl Stage for Disabled {
    fn last_failure(&self) -> Option<&Failure> {
        None
    }
}

/// The verification of one record, in the state `S`: [`Pending`], [`Started`], [`Succeeded`], [`Failed`] or
/// [`Disabled`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verification<S> {
    history: History,
    stage: S,
}

/// The retry time of a failed verification has not come; here it is back, unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the retry time has not come")]
pub struct NotDue(pub Verification<Failed>);

impl<S: Stage> Verification<S> {
    /// A verification as it was kept in a catalogue.
    pub fn restore(history: History, stage: S) -> Self {
        Self { history, stage }
    }

    /// What is kept through all states.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What only this state has.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// An administrator asked for a new calculation. If an attempt is running, its result will be thrown
    /// away. A failure that stood stands until the new attempt ends.
    pub fn recalculate(self) -> Verification<Pending> {
        let stage = Pending { last_failure: self.stage.last_failure().cloned() };
        Verification { history: self.history.next_attempt(), stage }
    }

    /// It is due again, and nothing else changes: no attempt is counted. A failure that stood stands until the new attempt
    /// ends.
    pub fn expire(self) -> Verification<Pending> {
        let stage = Pending { last_failure: self.stage.last_failure().cloned() };
        Verification { history: self.history, stage }
    }

    /// Switched off. If an attempt is running, its result will be thrown away.
    pub fn disable(self) -> Verification<Disabled> {
        Verification { history: self.history.next_attempt(), stage: Disabled }
    }

    /// An administrator took the content as it is for good: `checksum` is its digest. If an attempt is
    /// running, its result will be thrown away.
    pub fn accept(self, checksum: Digest, now: Timestamp) -> Verification<Succeeded> {
        let history = self.history.next_attempt().good(checksum, now);
        Verification { history, stage: Succeeded::default() }
    }

    /// A report of the store, made at this time, says that the content is good or that it is not. If an attempt is running,
    /// its result will be thrown away. The time of the retry counts from `at`, so that it has mostly come: the report says how it was then.
    pub fn report(self, verdict: Result<Digest, Failure>, at: Timestamp) -> Status {
        let history = self.history.next_attempt();
        match verdict {
            Ok(checksum) => {
                let history = history.good(checksum, at);
                Status::Succeeded(Verification { history, stage: Succeeded::default() })
            }
            Err(failure) => {
                let history = history.failed(at);
                let retry_at = at.after(retry_delay(history.retry_count, 0));
                Status::Failed(Verification { history, stage: Failed { failure, retry_at } })
            }
        }
    }
}

impl Verification<Pending> {
    /// The verification of a record that is new to the catalogue.
    pub fn new() -> Self {
        Self { history: History::default(), stage: Pending::default() }
    }

    /// A worker takes it.
    pub fn claim(self) -> Verification<Started> {
        let origin = Origin::Pending(self.stage);
        Verification { history: self.history.next_attempt(), stage: Started { origin } }
    }
}

impl Default for Verification<Pending> {
    fn default() -> Self {
        Self::new()
    }
}

impl Verification<Failed> {
    /// A worker takes it, once its retry time has come.
    pub fn claim(self, now: Timestamp) -> Result<Verification<Started>, NotDue> {
        if !self.stage.is_due(now) {
            return Err(NotDue(self));
        }
        let origin = Origin::Failed(self.stage);
        Ok(Verification { history: self.history.next_attempt(), stage: Started { origin } })
    }
}

impl Verification<Started> {
    /// The running attempt's number, the fencing token of its result.
    pub fn attempt(&self) -> u64 {
        self.history.attempt
    }

    /// The content was read and is good.
    pub fn succeed(self, checksum: Digest, now: Timestamp) -> Verification<Succeeded> {
        Verification { history: self.history.good(checksum, now), stage: Succeeded::default() }
    }

    /// The content is missing, altered, unreadable or invalid. `jitter` is the random part of the wait, see
    /// [`retry_delay`].
    pub fn fail(self, failure: Failure, now: Timestamp, jitter: u32) -> Verification<Failed> {
        let history = self.history.failed(now);
        let retry_at = now.after(retry_delay(history.retry_count, jitter));
        Verification { history, stage: Failed { failure, retry_at } }
    }

    /// The lease ran out: failed, and due again at once.
    pub fn time_out(self, lease: Duration, now: Timestamp) -> Verification<Failed> {
        let stage = Failed { failure: Failure::timed_out(lease), retry_at: now };
        Verification { history: self.history.failed(now), stage }
    }

    /// The worker gives it back unfinished: as it was before the claim. The attempt's number is free again,
    /// because a late result would still need the lease, which is gone.
    pub fn release(self) -> Status {
        let mut history = self.history;
        history.attempt = history.attempt.saturating_sub(1);
        match self.stage.origin {
            Origin::Pending(stage) => Status::Pending(Verification { history, stage }),
            Origin::Failed(stage) => Status::Failed(Verification { history, stage }),
        }
    }
}

impl Verification<Succeeded> {
    /// The same, and how it compares with what the source's own verification recorded.
    #[must_use]
    pub fn with_source_match(self, matches_source: Option<bool>) -> Self {
        Self { stage: Succeeded { matches_source }, ..self }
    }
}

impl Verification<Disabled> {
    /// Switched on again.
    pub fn enable(self) -> Verification<Pending> {
        Verification { history: self.history, stage: Pending::default() }
    }
}

/// A verification whose state is known only at run time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Status {
    /// See [`Pending`].
    Pending(Verification<Pending>),
    /// See [`Started`].
    Started(Verification<Started>),
    /// See [`Succeeded`].
    Succeeded(Verification<Succeeded>),
    /// See [`Failed`].
    Failed(Verification<Failed>),
    /// See [`Disabled`].
    Disabled(Verification<Disabled>),
}

impl Status {
    /// Switches the verification off, whatever its state; one that is off stays as it is.
    #[must_use]
    pub fn disable(self) -> Self {
        Self::Disabled(match self {
            Self::Pending(verification) => verification.disable(),
            Self::Started(verification) => verification.disable(),
            Self::Succeeded(verification) => verification.disable(),
            Self::Failed(verification) => verification.disable(),
            Self::Disabled(verification) => verification,
        })
    }

    /// Switches the verification on again if it is off.
    #[must_use]
    pub fn enable(self) -> Self {
        match self {
            Self::Disabled(verification) => Self::Pending(verification.enable()),
            other => other,
        }
    }

    /// Whether the last attempt succeeded with this checksum.
    pub fn is_good_with(&self, checksum: Digest) -> bool {
        matches!(self, Self::Succeeded(done) if done.history().checksum() == Some(checksum))
    }

    /// The state's name.
    pub fn state(&self) -> State {
        match self {
            Self::Pending(_) => State::Pending,
            Self::Started(_) => State::Started,
            Self::Succeeded(_) => State::Succeeded,
            Self::Failed(_) => State::Failed,
            Self::Disabled(_) => State::Disabled,
        }
    }

    /// What is kept through all states.
    pub fn history(&self) -> &History {
        match self {
            Self::Pending(verification) => verification.history(),
            Self::Started(verification) => verification.history(),
            Self::Succeeded(verification) => verification.history(),
            Self::Failed(verification) => verification.history(),
            Self::Disabled(verification) => verification.history(),
        }
    }

    /// The failure shown; `None` but for a failed record.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(verification) => Some(&verification.stage().failure),
            Self::Pending(_) | Self::Started(_) | Self::Succeeded(_) | Self::Disabled(_) => None,
        }
    }

    /// Why the last attempt that ended failed, also of a record that is to be read again; `None` if it was good, or there
    /// was none.
    pub fn last_failure(&self) -> Option<&Failure> {
        match self {
            Self::Pending(verification) => verification.stage().last_failure(),
            Self::Started(verification) => verification.stage().last_failure(),
            Self::Succeeded(verification) => verification.stage().last_failure(),
            Self::Failed(verification) => verification.stage().last_failure(),
            Self::Disabled(verification) => verification.stage().last_failure(),
        }
    }

    /// When the record is tried again; set only while a failed record waits.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Failed(verification) => Some(verification.stage().retry_at),
            Self::Pending(_) | Self::Started(_) | Self::Succeeded(_) | Self::Disabled(_) => None,
        }
    }

    /// See [`Verification::recalculate`], which every state has.
    pub fn recalculate(self) -> Verification<Pending> {
        match self {
            Self::Pending(verification) => verification.recalculate(),
            Self::Started(verification) => verification.recalculate(),
            Self::Succeeded(verification) => verification.recalculate(),
            Self::Failed(verification) => verification.recalculate(),
            Self::Disabled(verification) => verification.recalculate(),
        }
    }

    /// See [`Verification::expire`], which every state has.
    pub fn expire(self) -> Verification<Pending> {
        match self {
            Self::Pending(verification) => verification.expire(),
            Self::Started(verification) => verification.expire(),
            Self::Succeeded(verification) => verification.expire(),
            Self::Failed(verification) => verification.expire(),
            Self::Disabled(verification) => verification.expire(),
        }
    }

    /// See [`Verification::report`], which every state has.
    #[must_use]
    pub fn report(self, verdict: Result<Digest, Failure>, at: Timestamp) -> Self {
        match self {
            Self::Pending(verification) => verification.report(verdict, at),
            Self::Started(verification) => verification.report(verdict, at),
            Self::Succeeded(verification) => verification.report(verdict, at),
            Self::Failed(verification) => verification.report(verdict, at),
            Self::Disabled(verification) => verification.report(verdict, at),
        }
    }

    /// See [`Verification::accept`], which every state has.
    pub fn accept(self, checksum: Digest, now: Timestamp) -> Verification<Succeeded> {
        match self {
            Self::Pending(verification) => verification.accept(checksum, now),
            Self::Started(verification) => verification.accept(checksum, now),
            Self::Succeeded(verification) => verification.accept(checksum, now),
            Self::Failed(verification) => verification.accept(checksum, now),
            Self::Disabled(verification) => verification.accept(checksum, now),
        }
    }
}
