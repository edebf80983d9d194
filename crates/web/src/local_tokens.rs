//! Our own tokens.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Identity, StoreError, Tokens};
use stocktake_domain::{Timestamp, Token, TokenDigest};
use subtle::ConstantTimeEq as _;

use crate::cache::{Found, IdentityCache};
use crate::error::SignInError;
use crate::steps::step;

/// How long a valid token is remembered: a revoked one is refused that much later at most.
const REMEMBERED_FOR: Duration = Duration::from_millis(50);

/// Looks up our own tokens.
pub(crate) struct LocalTokens {
    tokens: Arc<dyn Tokens>,
    cache: IdentityCache,
}

/// Why a token was not found.
enum NotFound {
    /// It is unknown, expired or revoked.
    Invalid,
    Store(Arc<StoreError>),
}

impl LocalTokens {
    pub(crate) fn new(tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens, cache: IdentityCache::new(REMEMBERED_FOR) }
    }

    /// Whom the token with this digest stands for; `None` if it is unknown, expired or revoked.
    pub(crate) async fn identify(
        &self,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Arc<Identity>>, SignInError> {
        let found = self.cache.get_or_look_up(digest, now, self.look_up(digest, now)).await;
        found.map(Some).or_else(|error| match &*error {
            NotFound::Invalid => Ok(None),
            NotFound::Store(error) => Err(SignInError::Store(Arc::clone(error))),
        })
    }

    async fn look_up(&self, digest: TokenDigest, now: Timestamp) -> Result<Found, NotFound> {
        let token = step("tokens.find", self.tokens.find(&digest))
            .await
            .map_err(|error| NotFound::Store(Arc::new(error)))?;
        let matches = |token: &Token| bool::from(token.made.digest.0.ct_eq(&digest.0)) && token.is_valid(now);
        let token = token.filter(matches).ok_or(NotFound::Invalid)?;
        Ok(Found { expires_at: token.made.expires_at, identity: Arc::new(owner(token)) })
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
