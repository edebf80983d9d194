//! Valid tokens, remembered for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::{Timestamp, Token, TokenDigest};

/// The most tokens remembered at once; when there are more, all are forgotten.
const CAPACITY: usize = 1024;

/// Valid tokens by digest. Wrong ones are never kept, so that guessing fills nothing.
pub(super) struct TokenCache {
    lifetime: Duration,
    tokens: Mutex<HashMap<TokenDigest, (Arc<Token>, Timestamp)>>,
}

impl TokenCache {
    /// A cache that forgets a token this long after it was put in.
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, tokens: Mutex::default() }
    }

    /// The token with this digest, if it was put in within the lifetime.
    pub(super) fn get(&self, digest: &TokenDigest, now: Timestamp) -> Option<Arc<Token>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not lengthen anybody's life: what is from the future is not fresh.
        let fresh = |at: Timestamp| at <= now && now.since(at) < self.lifetime;
        tokens.get(digest).filter(|(_, at)| fresh(*at)).map(|(token, _)| Arc::clone(token))
    }

    /// Remembers a token.
    pub(super) fn put(&self, digest: TokenDigest, token: Arc<Token>, now: Timestamp) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= CAPACITY && !tokens.contains_key(&digest) {
            tokens.clear();
        }
        tokens.insert(digest, (token, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::token;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn forgets_after_its_lifetime_and_when_the_clock_is_set_back() {
        let cache = TokenCache::new(Duration::from_millis(50));
        let digest = TokenDigest([1; 32]);
        cache.put(digest, Arc::new(token("stk-a")), at(1000));
        assert!(cache.get(&digest, at(1049)).is_some());
        assert!(cache.get(&digest, at(1050)).is_none());
        assert!(cache.get(&digest, at(999)).is_none());
        assert!(cache.get(&TokenDigest([2; 32]), at(1000)).is_none());
    }

    #[test]
    fn never_holds_more_than_its_capacity() {
        let cache = TokenCache::new(Duration::from_secs(1));
        let token = Arc::new(token("stk-a"));
        for number in 0..=u16::try_from(CAPACITY).unwrap() {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_be_bytes());
            cache.put(TokenDigest(digest), Arc::clone(&token), at(0));
        }
        assert_eq!(cache.tokens.lock().unwrap().len(), 1);
    }
}
