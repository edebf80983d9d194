//! Which digests were verified lately, so that what many tags and repositories share is read once.
//!
//! Memory is bounded: at most so many digests as given are kept (the oldest verification is forgotten first).
//!
//! Only inspections that overlap or follow each other closely share: once none has been open for [`PAUSE`], all
//! is forgotten. Whatever happens, a verification counts for [`VALID`] at most, and for a repository only if it
//! is younger than the repository's own last inspection: whoever has a repository looked at again has all of it
//! read again, while the repositories of one run share what they have in common.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::digest::Digest;

/// How long a verification counts at most.
const VALID: Duration = Duration::from_secs(15 * 60);

/// All is forgotten when no inspection was open for so long.
const PAUSE: Duration = Duration::from_secs(60);

/// Digests that were verified, and those that are being read.
#[derive(Debug)]
pub(crate) struct Verified {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Digest, Entry>,
    /// The entries as they came; those verified again since are there twice.
    order: VecDeque<(Digest, Instant)>,
    /// Each is closed when the reading ends, however it ends.
    being_read: HashMap<Digest, watch::Receiver<()>>,
    /// When the last inspection of a repository ended, by a hash of its name.
    ends: HashMap<u64, Instant>,
    ends_order: VecDeque<(u64, Instant)>,
    visits: u64,
    /// How many inspections are open.
    open: usize,
    /// When the last one of all ended.
    last_end: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    /// How many bytes it has.
    size: u64,
    /// The inspection that last made sure that its repository holds it.
    visit: u64,
}

/// One inspection of one repository; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Visit<'verified> {
    verified: &'verified Verified,
    number: u64,
    repository: u64,
    /// Verifications made before this do not count for it.
    since: Option<Instant>,
}

/// What is to be done about a digest.
#[derive(Debug)]
pub(crate) enum Claim<'verified> {
    /// Nothing: this inspection knows that it is good, and has so many bytes.
    Known(u64),
    /// It was verified for another repository, and has so many bytes: see whether this one holds it, and say
    /// so by [`Visit::seen`].
    KnownElsewhere(u64),
    /// Read it; nobody else does meanwhile.
    Read(Reading<'verified>),
}

/// The right to read a digest, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Reading<'verified> {
    verified: &'verified Verified,
    digest: Digest,
    visit: u64,
    /// Its size in bytes, once it is known to be good.
    good: Option<u64>,
    _closed_at_end: watch::Sender<()>,
}

impl Verified {
    /// Keeps at most `capacity` digests.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), capacity }
    }

    /// Begins an inspection of this repository.
    pub(crate) fn visit(&self, repository: &str) -> Visit<'_> {
        self.visit_at(repository, Instant::now())
    }

    fn visit_at(&self, repository: &str, now: Instant) -> Visit<'_> {
        let mut hasher = DefaultHasher::new();
        repository.hash(&mut hasher);
        let repository = hasher.finish();
        let mut state = self.lock();
        if state.open == 0 && state.last_end.is_some_and(|end| now.saturating_duration_since(end) >= PAUSE) {
            state.forget();
        }
        state.open += 1;
        state.visits += 1;
        let since = state.ends.get(&repository).copied();
        Visit { verified: self, number: state.visits, repository, since }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.ends.clear();
        self.ends_order.clear();
    }
}

impl Visit<'_> {
    /// What is to be done about this digest, once nobody else reads it any more.
    pub(crate) async fn claim(&self, digest: &Digest) -> Claim<'_> {
        loop {
            let mut other = match self.claim_at(digest, Instant::now()) {
                Ok(claim) => return claim,
                Err(other) => other,
            };
            // Nothing is ever sent: it ends when the sender is dropped.
            let _closed = other.changed().await;
        }
    }

    /// What is to be done now; as the error what is closed when another reading ends.
    fn claim_at(&self, digest: &Digest, now: Instant) -> Result<Claim<'_>, watch::Receiver<()>> {
        let mut state = self.verified.lock();
        match state.entries.get(digest) {
            Some(entry) if entry.visit == self.number => return Ok(Claim::Known(entry.size)),
            Some(entry) if self.counts(entry.at, now) => return Ok(Claim::KnownElsewhere(entry.size)),
            _ => {}
        }
        if let Some(other) = state.being_read.get(digest) {
            return Err(other.clone());
        }
        let (sender, receiver) = watch::channel(());
        state.being_read.insert(*digest, receiver);
        // What is found now counts for everybody, whatever was found before.
        state.entries.remove(digest);
        Ok(Claim::Read(self.reading(*digest, sender)))
    }

    fn reading(&self, digest: Digest, sender: watch::Sender<()>) -> Reading<'_> {
        Reading { verified: self.verified, digest, visit: self.number, good: None, _closed_at_end: sender }
    }

    /// Notes that this inspection's repository holds a digest that was verified elsewhere.
    pub(crate) fn seen(&self, digest: &Digest) {
        if let Some(entry) = self.verified.lock().entries.get_mut(digest) {
            entry.visit = self.number;
        }
    }

    fn counts(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) < VALID && self.since.is_none_or(|since| at > since)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.verified.lock();
        state.open = state.open.saturating_sub(1);
        state.last_end = Some(now);
        state.ends.insert(self.repository, now);
        state.ends_order.push_back((self.repository, now));
        if state.ends_order.len() > self.verified.capacity
            && let Some((repository, at)) = state.ends_order.pop_front()
            && state.ends.get(&repository) == Some(&at)
        {
            state.ends.remove(&repository);
        }
    }
}

impl Reading<'_> {
    /// Ends the reading: the content was good, and had so many bytes.
    pub(crate) fn good(mut self, size: u64) {
        self.good = Some(size);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.verified.lock();
        state.being_read.remove(&self.digest);
        let Some(size) = self.good else { return };
        let at = Instant::now();
        state.entries.insert(self.digest, Entry { at, size, visit: self.visit });
        state.order.push_back((self.digest, at));
        if state.order.len() > self.verified.capacity
            && let Some((digest, at)) = state.order.pop_front()
            && state.entries.get(&digest).is_some_and(|entry| entry.at == at)
        {
            state.entries.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 7;
    const MINUTE: Duration = Duration::from_secs(60);

    fn digest(number: u8) -> Digest {
        Digest::Sha256([number; 32])
    }

    async fn read(visit: &Visit<'_>, number: u8) {
        match visit.claim(&digest(number)).await {
            Claim::Read(reading) => reading.good(SIZE),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_run_reads_once_and_the_next_again() {
        let verified = Verified::new(10);
        for _run in 0..2 {
            let first = verified.visit("a");
            read(&first, 1).await;
            assert!(matches!(first.claim(&digest(1)).await, Claim::Known(SIZE)));
            drop(first);
            let second = verified.visit("b");
            assert!(matches!(second.claim(&digest(1)).await, Claim::KnownElsewhere(SIZE)));
            second.seen(&digest(1));
            assert!(matches!(second.claim(&digest(1)).await, Claim::Known(SIZE)));
        }
    }

    #[tokio::test]
    async fn what_was_good_counts_no_more_once_it_is_read_again() {
        let verified = Verified::new(10);
        read(&verified.visit("a"), 1).await;
        let again = verified.visit("a");
        let Claim::Read(reading) = again.claim(&digest(1)).await else { panic!() };
        let other = verified.visit("c");
        assert!(other.claim_at(&digest(1), Instant::now()).is_err(), "it waits for the reading");
        drop(reading);
        assert!(matches!(other.claim(&digest(1)).await, Claim::Read(_)));
    }

    #[tokio::test]
    async fn all_is_forgotten_after_a_pause() {
        let verified = Verified::new(10);
        read(&verified.visit("a"), 1).await;
        let soon = Instant::now() + MINUTE / 2;
        let later = Instant::now() + MINUTE;
        let open = verified.visit_at("b", soon);
        assert!(matches!(open.claim_at(&digest(1), soon), Ok(Claim::KnownElsewhere(SIZE))));
        assert!(matches!(
            verified.visit_at("c", later).claim_at(&digest(1), later),
            Ok(Claim::KnownElsewhere(SIZE))
        ));
        drop(open);
        let later = Instant::now() + MINUTE;
        let alone = verified.visit_at("d", later);
        assert!(matches!(alone.claim_at(&digest(1), later), Ok(Claim::Read(_))));
    }

    #[tokio::test]
    async fn a_verification_counts_for_a_while_only() {
        let verified = Verified::new(10);
        let long = verified.visit("a");
        let before = Instant::now();
        read(&long, 1).await;
        let other = verified.visit("b");
        let just = before + 14 * MINUTE;
        assert!(matches!(other.claim_at(&digest(1), just), Ok(Claim::KnownElsewhere(SIZE))));
        let late = Instant::now() + 15 * MINUTE;
        assert!(matches!(long.claim_at(&digest(1), late), Ok(Claim::Known(SIZE))));
        assert!(matches!(other.claim_at(&digest(1), late), Ok(Claim::Read(_))));
    }

    #[tokio::test]
    async fn a_digest_is_read_by_one_at_a_time_and_a_failure_is_not_kept() {
        let verified = Verified::new(10);
        let (first, second) = (verified.visit("a"), verified.visit("b"));
        let Claim::Read(reading) = first.claim(&digest(1)).await else { panic!() };
        let other = async {
            let Claim::Read(reading) = second.claim(&digest(1)).await else { panic!() };
            reading.good(SIZE);
        };
        let mut other = Box::pin(other);
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(other.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(reading);
        other.await;
        assert!(matches!(first.claim(&digest(1)).await, Claim::KnownElsewhere(SIZE)));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let verified = Verified::new(3);
        for number in 0..9 {
            let visit = verified.visit(&number.to_string());
            read(&visit, number).await;
            drop(visit);
            let state = verified.lock();
            assert!(state.entries.len() <= 3 && state.order.len() <= 3);
            assert!(state.ends.len() <= 3 && state.ends_order.len() <= 3 && state.being_read.is_empty());
        }
        let visit = verified.visit("new");
        assert!(matches!(visit.claim(&digest(8)).await, Claim::KnownElsewhere(SIZE)));
        read(&visit, 0).await;
    }
}
