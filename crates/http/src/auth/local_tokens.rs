//! Our own tokens.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use stocktake_domain::ports::{Identity, StoreError};
use stocktake_domain::{Timestamp, Token, TokenDigest};
use subtle::ConstantTimeEq as _;

use super::cache::{Found, IdentityCache};
use crate::Api;
use crate::error::ApiError;
use crate::steps::step;

/// How long a valid token is remembered: a revoked one is refused that much later at most.
const REMEMBERED_FOR: Duration = Duration::from_millis(50);

/// Looks up our own tokens.
pub(super) struct LocalTokens(IdentityCache);

/// Why a token was not found.
enum NotFound {
    /// It is unknown, expired or revoked.
    Invalid,
    Store(Arc<StoreError>),
}

impl LocalTokens {
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
        let found = self.0.get_or_look_up(digest, now, look_up(digest, now, api)).await;
        found.map(Some).or_else(|error| match &*error {
            NotFound::Invalid => Ok(None),
            NotFound::Store(error) => Err(Arc::clone(error).into()),
        })
    }
}

async fn look_up(digest: TokenDigest, now: Timestamp, api: &Api) -> Result<Found, NotFound> {
    let token = step("tokens.find", api.tokens.find(&digest))
        .await
        .map_err(|error| NotFound::Store(Arc::new(error)))?;
    let matches = |token: &Token| bool::from(token.made.digest.0.ct_eq(&digest.0)) && token.is_valid(now);
    let token = token.filter(matches).ok_or(NotFound::Invalid)?;
    Ok(Found { expires_at: token.made.expires_at, identity: Arc::new(owner(token)) })
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
