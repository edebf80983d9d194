//! Whom valid tokens stand for, remembered for a while.
//!
//! The cache itself is moka's: it bounds the memory, and of those who ask about one token at the same time one looks it
//! up. Whether an entry still counts is decided here, by the port [`Clock`](stocktake_domain::Clock): moka's own clock
//! does not go back when the system's is set back, and does not know when a token ends.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use stocktake_domain::ports::Identity;
use stocktake_domain::{Timestamp, TokenDigest};

/// The most tokens remembered at once.
const CAPACITY: u64 = 1024;

/// Owners of valid tokens by the tokens' digests. Wrong tokens are never kept, so that guessing fills nothing.
pub(crate) struct IdentityCache {
    lifetime: Duration,
    entries: Cache<TokenDigest, CacheEntry>,
}

/// Whom a valid token stands for.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) identity: Arc<Identity>,
    /// When the token itself ends.
    pub(crate) expires_at: Option<Timestamp>,
}

#[derive(Clone)]
struct CacheEntry {
    found: Found,
    at: Timestamp,
}

impl CacheEntry {
    /// Whether it still counts. A clock that was set back must not lengthen a life: what is from the future is not
    /// fresh.
    fn is_fresh(&self, now: Timestamp, lifetime: Duration) -> bool {
        let is_young = self.at <= now && now.since(self.at) < lifetime;
        is_young && self.found.expires_at.is_none_or(|end| now < end)
    }
}

impl IdentityCache {
    /// A cache that forgets a token this long after it was looked up.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let entries = Cache::builder().max_capacity(CAPACITY).time_to_live(lifetime).build();
        Self { lifetime, entries }
    }

    /// Whom the token with this digest stands for: as looked up within the lifetime, or else now. Who asks meanwhile
    /// shares the look-up and its error, which is not kept. If the one who looks it up gives up, another begins anew.
    pub(crate) async fn get_or_look_up<E: Send + Sync + 'static>(
        &self,
        digest: TokenDigest,
        now: Timestamp,
        look_up: impl Future<Output = Result<Found, E>>,
    ) -> Result<Arc<Identity>, Arc<E>> {
        if let Some(entry) = self.entries.get(&digest).await {
            if entry.is_fresh(now, self.lifetime) {
                return Ok(entry.found.identity);
            }
            self.entries.invalidate(&digest).await;
        }
        let entry = async { look_up.await.map(|found| CacheEntry { found, at: now }) };
        Ok(self.entries.try_get_with(digest, entry).await?.found.identity)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use stocktake_domain::Scope;

    use super::*;

    fn identity() -> Identity {
        let (username, name) = ("ada".to_owned(), "Ada Lovelace".to_owned());
        Identity { id: 42, username, name, admin: true, scope: Some(Scope::Api) }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Whether a token is looked up at this time. A look-up finds one that ends at `expires_at`.
    async fn is_looked_up(cache: &IdentityCache, digest: u8, now: i64, expires_at: Option<i64>) -> bool {
        let mut is_looked_up = false;
        let look_up = async {
            is_looked_up = true;
            Ok::<_, Infallible>(Found { identity: Arc::new(identity()), expires_at: expires_at.map(at) })
        };
        cache.get_or_look_up(TokenDigest([digest; 32]), at(now), look_up).await.unwrap();
        is_looked_up
    }

    #[actix_web::test]
    async fn forgets_after_its_lifetime_and_when_the_clock_is_set_back() {
        let cache = IdentityCache::new(Duration::from_secs(50));
        assert!(is_looked_up(&cache, 1, 100_000, None).await);
        assert!(!is_looked_up(&cache, 1, 149_999, None).await);
        assert!(is_looked_up(&cache, 1, 150_000, None).await);
        assert!(is_looked_up(&cache, 1, 149_999, None).await);
        assert!(is_looked_up(&cache, 2, 149_999, None).await);
    }

    #[actix_web::test]
    async fn forgets_a_token_that_has_ended() {
        let cache = IdentityCache::new(Duration::from_secs(50));
        assert!(is_looked_up(&cache, 1, 1000, Some(1010)).await);
        assert!(!is_looked_up(&cache, 1, 1009, Some(1010)).await);
        assert!(is_looked_up(&cache, 1, 1010, Some(2000)).await);
    }

    #[actix_web::test]
    async fn failures_are_not_kept() {
        let cache = IdentityCache::new(Duration::from_secs(50));
        let failed = cache.get_or_look_up(TokenDigest([1; 32]), at(0), async { Err(7) }).await;
        assert_eq!(failed.map_err(|error| *error).unwrap_err(), 7);
        assert!(is_looked_up(&cache, 1, 0, None).await);
    }

    #[actix_web::test]
    async fn never_holds_more_than_its_capacity() {
        let cache = IdentityCache::new(Duration::from_secs(50));
        for number in 0..2 * CAPACITY {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            let found = Found { identity: Arc::new(identity()), expires_at: None };
            let look_up = async { Ok::<_, Infallible>(found) };
            cache.get_or_look_up(TokenDigest(digest), at(0), look_up).await.unwrap();
        }
        cache.entries.run_pending_tasks().await;
        assert!((1..=CAPACITY).contains(&cache.entries.entry_count()));
    }
}
