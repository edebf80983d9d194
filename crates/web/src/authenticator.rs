//! Whom tokens stand for, and the throttle on guessing them.
//!
//! A token that begins with `stk-` is one of ours; about any other the authority is asked, if one is configured. A
//! valid token is remembered for a while, so that a client that sends hundreds of requests a second costs one look-up
//! in that time.

use std::net::IpAddr;
use std::sync::Arc;

use stocktake_domain::ports::{Authority, Credential, Identity, Tokens};
use stocktake_domain::{Clock, TokenDigest};

use crate::credentials::Credentials;
use crate::error::SignInError;
use crate::external_tokens::{AuthRequest, ExternalTokens};
use crate::local_tokens::LocalTokens;
use crate::throttle::Throttle;

/// Who knows tokens.
pub struct AuthenticatorParts {
    /// Our own tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Whose tokens count besides our own.
    pub authority: Option<Arc<dyn Authority>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Finds out whom tokens stand for.
pub struct Authenticator {
    local: LocalTokens,
    external: Option<ExternalTokens>,
    throttle: Arc<Throttle>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator that refuses further wrong tokens of an address for the rest of a minute, after so many of
    /// them; 0: never.
    pub fn new(parts: AuthenticatorParts, wrong_tokens_per_minute: u32) -> Self {
        let AuthenticatorParts { tokens, authority, clock } = parts;
        let throttle = Arc::new(Throttle::new(wrong_tokens_per_minute));
        let external = authority.map(|authority| ExternalTokens::new(authority, Arc::clone(&clock)));
        Self { local: LocalTokens::new(tokens), external, throttle, clock }
    }

    /// Whether tokens of another system count.
    pub fn knows_others(&self) -> bool {
        self.external.is_some()
    }

    /// Whom the token stands for. The throttle comes after the look-up, so that a valid token is answered however
    /// many wrong ones came from the same address.
    pub async fn identify(
        &self,
        credentials: Credentials<'_>,
        address: IpAddr,
    ) -> Result<Arc<Identity>, SignInError> {
        let now = self.clock.now();
        let found = match credentials.local() {
            Some(digest) => self.local.identify(digest, now).await?,
            None => self.identify_external(AuthRequest { credentials, address, now }).await?,
        };
        found.ok_or_else(|| {
            if let Some(retry_after) = self.throttle.refused_for(address, now) {
                return SignInError::Throttled { retry_after };
            }
            self.throttle.count_wrong(address, now);
            SignInError::Invalid
        })
    }

    /// Whom the token of our own with this digest stands for, which was valid when it was kept; `None` if it no longer is.
    pub async fn identify_kept(&self, digest: TokenDigest) -> Result<Option<Arc<Identity>>, SignInError> {
        self.local.identify(digest, self.clock.now()).await
    }

    /// The same for a token of another system.
    pub async fn identify_kept_external(
        &self,
        credential: &Credential,
        address: IpAddr,
    ) -> Result<Option<Arc<Identity>>, SignInError> {
        let (credentials, now) = (Credentials::of(credential), self.clock.now());
        self.identify_external(AuthRequest { credentials, address, now }).await
    }

    async fn identify_external(
        &self,
        request: AuthRequest<'_>,
    ) -> Result<Option<Arc<Identity>>, SignInError> {
        match &self.external {
            Some(external) => external.identify(&request, &self.throttle).await,
            None => Ok(None),
        }
    }
}
