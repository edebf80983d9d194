//! The recently verified digests, so that content shared by tags and repositories is read once.
//!
//! Memory is bounded: at most the given number of digests is kept (the oldest verification is dropped first).
//!
//! Only inspections that overlap or follow each other closely share verifications: once none has been open for
//! [`PAUSE`], the cache is cleared. A verification counts for [`VALID`] at most, and for a repository only if it is
//! newer than the repository's own last inspection: inspecting a repository again reads all of it again, while the
//! repositories of one run share what they have in common.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::digest::Digest;

/// The longest time for which a verification counts.
const VALID: Duration = Duration::from_secs(15 * 60);

/// The cache is cleared when no inspection has been open for this long.
const PAUSE: Duration = Duration::from_secs(60);

/// Digests that were verified, and those that are being read.
#[derive(Debug)]
pub(crate) struct DigestCache {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Digest, CachedDigest>,
    /// The entries in the order of their verification; those that were verified again since are there twice.
    order: VecDeque<(Digest, Instant)>,
    /// Each channel is closed when the read ends, in whichever way.
    being_read: HashMap<Digest, watch::Receiver<()>>,
    /// When the last inspection of a repository ended, by a hash of its name.
    ends: HashMap<u64, Instant>,
    ends_order: VecDeque<(u64, Instant)>,
    sessions: u64,
    /// How many inspections are open.
    open: usize,
    /// When the last one of all ended.
    last_end: Option<Instant>,
}

#[derive(Debug)]
struct CachedDigest {
    at: Instant,
    /// How many bytes it has.
    size: u64,
    /// The inspection that last confirmed that its repository contains it.
    session: u64,
}

/// One inspection of one repository; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Session<'cache> {
    cache: &'cache DigestCache,
    number: u64,
    repository: u64,
    /// Verifications made before this do not count for it.
    since: Option<Instant>,
}

/// What to do about a digest.
#[derive(Debug)]
pub(crate) enum Claim<'cache> {
    /// Nothing: this inspection knows that it is good, and its size in bytes.
    Known(u64),
    /// It was verified for another repository and has this size in bytes: check whether this repository contains it, and
    /// then call [`Session::seen`].
    KnownElsewhere(u64),
    /// Read it; no other inspection reads it meanwhile.
    Read(ReadPermit<'cache>),
}

/// The right to read a digest, held until this is dropped.
#[derive(Debug)]
pub(crate) struct ReadPermit<'cache> {
    cache: &'cache DigestCache,
    digest: Digest,
    session: u64,
    /// Its size in bytes, once it is known to be good.
    good: Option<u64>,
    _closed_at_end: watch::Sender<()>,
}

impl DigestCache {
    /// Keeps at most `capacity` digests.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), capacity }
    }

    /// Starts an inspection of this repository.
    pub(crate) fn session(&self, repository: &str) -> Session<'_> {
        self.session_at(repository, Instant::now())
    }

    fn session_at(&self, repository: &str, now: Instant) -> Session<'_> {
        let mut hasher = DefaultHasher::new();
        repository.hash(&mut hasher);
        let repository = hasher.finish();
        let mut state = self.lock();
        if state.open == 0 && state.last_end.is_some_and(|end| now.saturating_duration_since(end) >= PAUSE) {
            state.forget();
        }
        state.open += 1;
        state.sessions += 1;
        let since = state.ends.get(&repository).copied();
        Session { cache: self, number: state.sessions, repository, since }
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

impl Session<'_> {
    /// What to do about this digest, once no other inspection reads it.
    pub(crate) async fn claim(&self, digest: &Digest) -> Claim<'_> {
        loop {
            let mut other = match self.claim_at(digest, Instant::now()) {
                Ok(claim) => return claim,
                Err(other) => other,
            };
            // Nothing is ever sent: waiting ends when the sender is dropped.
            let _closed = other.changed().await;
        }
    }

    /// What to do now; the error is the channel that is closed when another inspection has read it.
    fn claim_at(&self, digest: &Digest, now: Instant) -> Result<Claim<'_>, watch::Receiver<()>> {
        let mut state = self.cache.lock();
        match state.entries.get(digest) {
            Some(entry) if entry.session == self.number => return Ok(Claim::Known(entry.size)),
            Some(entry) if self.counts(entry.at, now) => return Ok(Claim::KnownElsewhere(entry.size)),
            _ => {}
        }
        if let Some(other) = state.being_read.get(digest) {
            return Err(other.clone());
        }
        let (sender, receiver) = watch::channel(());
        state.being_read.insert(*digest, receiver);
        // The new result replaces the previous one for all repositories.
        state.entries.remove(digest);
        Ok(Claim::Read(self.permit(*digest, sender)))
    }

    fn permit(&self, digest: Digest, sender: watch::Sender<()>) -> ReadPermit<'_> {
        ReadPermit { cache: self.cache, digest, session: self.number, good: None, _closed_at_end: sender }
    }

    /// Records that this inspection's repository contains a digest that was verified for another one.
    pub(crate) fn seen(&self, digest: &Digest) {
        if let Some(entry) = self.cache.lock().entries.get_mut(digest) {
            entry.session = self.number;
        }
    }

    fn counts(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) < VALID && self.since.is_none_or(|since| at > since)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.cache.lock();
        state.open = state.open.saturating_sub(1);
        state.last_end = Some(now);
        state.ends.insert(self.repository, now);
        state.ends_order.push_back((self.repository, now));
        if state.ends_order.len() > self.cache.capacity
            && let Some((repository, at)) = state.ends_order.pop_front()
            && state.ends.get(&repository) == Some(&at)
        {
            state.ends.remove(&repository);
        }
    }
}

impl ReadPermit<'_> {
    /// Ends the read: the content was good and had this size in bytes.
    pub(crate) fn good(mut self, size: u64) {
        self.good = Some(size);
    }
}

impl Drop for ReadPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        state.being_read.remove(&self.digest);
        let Some(size) = self.good else { return };
        let at = Instant::now();
        state.entries.insert(self.digest, CachedDigest { at, size, session: self.session });
        state.order.push_back((self.digest, at));
        if state.order.len() > self.cache.capacity
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

    async fn read(session: &Session<'_>, number: u8) {
        match session.claim(&digest(number)).await {
            Claim::Read(permit) => permit.good(SIZE),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_run_reads_once_and_the_next_again() {
        let cache = DigestCache::new(10);
        for _run in 0..2 {
            let first = cache.session("a");
            read(&first, 1).await;
            assert!(matches!(first.claim(&digest(1)).await, Claim::Known(SIZE)));
            drop(first);
            let second = cache.session("b");
            assert!(matches!(second.claim(&digest(1)).await, Claim::KnownElsewhere(SIZE)));
            second.seen(&digest(1));
            assert!(matches!(second.claim(&digest(1)).await, Claim::Known(SIZE)));
        }
    }

    #[tokio::test]
    async fn what_was_good_counts_no_more_once_it_is_read_again() {
        let cache = DigestCache::new(10);
        read(&cache.session("a"), 1).await;
        let again = cache.session("a");
        let Claim::Read(permit) = again.claim(&digest(1)).await else { panic!() };
        let other = cache.session("c");
        assert!(other.claim_at(&digest(1), Instant::now()).is_err(), "it waits for the reading");
        drop(permit);
        assert!(matches!(other.claim(&digest(1)).await, Claim::Read(_)));
    }

    #[tokio::test]
    async fn all_is_forgotten_after_a_pause() {
        let cache = DigestCache::new(10);
        read(&cache.session("a"), 1).await;
        let soon = Instant::now() + MINUTE / 2;
        let later = Instant::now() + MINUTE;
        let open = cache.session_at("b", soon);
        assert!(matches!(open.claim_at(&digest(1), soon), Ok(Claim::KnownElsewhere(SIZE))));
        assert!(matches!(
            cache.session_at("c", later).claim_at(&digest(1), later),
            Ok(Claim::KnownElsewhere(SIZE))
        ));
        drop(open);
        let later = Instant::now() + MINUTE;
        let alone = cache.session_at("d", later);
        assert!(matches!(alone.claim_at(&digest(1), later), Ok(Claim::Read(_))));
    }

    #[tokio::test]
    async fn a_verification_counts_for_a_while_only() {
        let cache = DigestCache::new(10);
        let long = cache.session("a");
        let before = Instant::now();
        read(&long, 1).await;
        let other = cache.session("b");
        let just = before + 14 * MINUTE;
        assert!(matches!(other.claim_at(&digest(1), just), Ok(Claim::KnownElsewhere(SIZE))));
        let late = Instant::now() + 15 * MINUTE;
        assert!(matches!(long.claim_at(&digest(1), late), Ok(Claim::Known(SIZE))));
        assert!(matches!(other.claim_at(&digest(1), late), Ok(Claim::Read(_))));
    }

    #[tokio::test]
    async fn a_digest_is_read_by_one_at_a_time_and_a_failure_is_not_kept() {
        let cache = DigestCache::new(10);
        let (first, second) = (cache.session("a"), cache.session("b"));
        let Claim::Read(permit) = first.claim(&digest(1)).await else { panic!() };
        let other = async {
            let Claim::Read(permit) = second.claim(&digest(1)).await else { panic!() };
            permit.good(SIZE);
        };
        let mut other = Box::pin(other);
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(other.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(permit);
        other.await;
        assert!(matches!(first.claim(&digest(1)).await, Claim::KnownElsewhere(SIZE)));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let cache = DigestCache::new(3);
        for number in 0..9 {
            let session = cache.session(&number.to_string());
            read(&session, number).await;
            drop(session);
            let state = cache.lock();
            assert!(state.entries.len() <= 3 && state.order.len() <= 3);
            assert!(state.ends.len() <= 3 && state.ends_order.len() <= 3 && state.being_read.is_empty());
        }
        let session = cache.session("new");
        assert!(matches!(session.claim(&digest(8)).await, Claim::KnownElsewhere(SIZE)));
        read(&session, 0).await;
    }
}
