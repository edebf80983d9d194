//! Whom valid tokens stand for, remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::ports::Identity;
use stocktake_domain::{Timestamp, TokenDigest};

/// The most tokens remembered at once; when there are more, all are forgotten.
const CAPACITY: usize = 1024;

/// Owners of valid tokens by the tokens' digests. Wrong tokens are never kept, so that guessing fills nothing.
pub(super) struct IdentityCache {
    lifetime: Duration,
    held: Mutex<HashMap<TokenDigest, Held>>,
}

struct Held {
    identity: Arc<Identity>,
    at: Timestamp,
    /// When the token itself ends.
    expires_at: Option<Timestamp>,
}

impl Held {
    /// Whether it still counts. A clock that was set back must not lengthen anybody's life: what is from the
    /// future is not fresh.
    fn is_fresh(&self, now: Timestamp, lifetime: Duration) -> bool {
        let is_young = self.at <= now && now.since(self.at) < lifetime;
        is_young && self.expires_at.is_none_or(|end| now < end)
    }
}

impl IdentityCache {
    /// A cache that forgets a token this long after it was put in.
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, held: Mutex::default() }
    }

    /// Whom the token with this digest stands for, if it was put in within the lifetime and has not ended since.
    pub(super) fn get(&self, digest: &TokenDigest, now: Timestamp) -> Option<Arc<Identity>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = held.get(digest).filter(|held| held.is_fresh(now, self.lifetime));
        fresh.map(|held| Arc::clone(&held.identity))
    }

    /// Remembers whom a token stands for.
    pub(super) fn put(
        &self,
        digest: TokenDigest,
        identity: Arc<Identity>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= CAPACITY && !held.contains_key(&digest) {
            held.clear();
        }
        held.insert(digest, Held { identity, at: now, expires_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::identity;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn forgets_after_its_lifetime_and_when_the_clock_is_set_back() {
        let cache = IdentityCache::new(Duration::from_millis(50));
        let digest = TokenDigest([1; 32]);
        cache.put(digest, Arc::new(identity()), None, at(1000));
        assert!(cache.get(&digest, at(1049)).is_some());
        assert!(cache.get(&digest, at(1050)).is_none());
        assert!(cache.get(&digest, at(999)).is_none());
        assert!(cache.get(&TokenDigest([2; 32]), at(1000)).is_none());
    }

    #[test]
    fn forgets_a_token_that_has_ended() {
        let cache = IdentityCache::new(Duration::from_millis(50));
        let digest = TokenDigest([1; 32]);
        cache.put(digest, Arc::new(identity()), Some(at(1010)), at(1000));
        assert!(cache.get(&digest, at(1009)).is_some());
        assert!(cache.get(&digest, at(1010)).is_none());
    }

    #[test]
    fn never_holds_more_than_its_capacity() {
        let cache = IdentityCache::new(Duration::from_secs(1));
        let identity = Arc::new(identity());
        for number in 0..=u16::try_from(CAPACITY).unwrap() {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_be_bytes());
            cache.put(TokenDigest(digest), Arc::clone(&identity), None, at(0));
        }
        assert_eq!(cache.held.lock().unwrap().len(), 1);
    }
}
