//! Our own tokens.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use stocktake_domain::ports::Identity;
use stocktake_domain::{Timestamp, Token, TokenDigest};
use subtle::ConstantTimeEq as _;

use super::cache::IdentityCache;
use crate::Api;
use crate::error::ApiError;

/// How long a valid token is remembered: a revoked one is refused that much later at most.
const REMEMBERED_FOR: Duration = Duration::from_millis(50);

/// Looks up our own tokens.
pub(super) struct OwnTokens(IdentityCache);

impl OwnTokens {
    pub(super) fn new() -> Self {
        Self(IdentityCache::new(REMEMBERED_FOR))
    }

    /// Whom the token with this text stands for; `None` if it is unknown, expired or revoked.
    pub(super) async fn identify(
        &self,
        text: &[u8],
        now: Timestamp,
        api: &Api,
    ) -> Result<Option<Arc<Identity>>, ApiError> {
        let digest = TokenDigest(Sha256::digest(text).into());
        if let Some(identity) = self.0.get(&digest, now) {
            return Ok(Some(identity));
        }
        let matches = |token: &Token| bool::from(token.made.digest.0.ct_eq(&digest.0)) && token.is_valid(now);
        let Some(token) = api.tokens.find(&digest).await?.filter(matches) else { return Ok(None) };
        let expires_at = token.made.expires_at;
        let identity = Arc::new(owner(token));
        self.0.put(digest, Arc::clone(&identity), expires_at, now);
        Ok(Some(identity))
    }
}

/// Our tokens know one name of their owner, and no number but their own.
fn owner(token: Token) -> Identity {
    Identity {
        id: token.id.0,
        username: token.made.owner.clone(),
        name: token.made.owner,
        admin: token.made.admin,
        scope: Some(token.made.scope),
    }
}
