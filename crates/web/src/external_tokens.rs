//! Tokens that are not ours: the authority is asked about them, through the port [`Authority`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Authority, AuthorityError, Credential, Identity};
use stocktake_domain::{Clock, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cache::{Found, IdentityCache};
use crate::credentials::Credentials;
use crate::error::SignInError;
use crate::steps::step;
use crate::throttle::Throttle;

/// How long the answer about a valid token is remembered: a revoked one is refused that much later at most.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// How long a query waits for others to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most queries under way, so that no flood of tokens is passed on to the authority.
const QUERIES: usize = 8;

/// The most queries under way about tokens from addresses that have sent too many wrong ones. A valid token from such
/// an address is still answered, and a flood of wrong ones takes no slot of anybody else.
const THROTTLED_QUERIES: usize = 2;

/// Why the identity of a token was not found.
enum NotFound {
    /// The authority does not know the token.
    Unknown,
    /// It was not found out.
    Failed(SignInError),
}

/// Asks about tokens, and remembers the answers about valid ones.
pub(crate) struct ExternalTokens {
    authority: Arc<dyn Authority>,
    clock: Arc<dyn Clock>,
    cache: IdentityCache,
    slots: Semaphore,
    throttled_slots: Semaphore,
}

/// A token, with where it came from and when.
pub(crate) struct AuthRequest<'a> {
    pub(crate) credentials: Credentials<'a>,
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
}

impl ExternalTokens {
    pub(crate) fn new(authority: Arc<dyn Authority>, clock: Arc<dyn Clock>) -> Self {
        let (slots, throttled_slots) = (Semaphore::new(QUERIES), Semaphore::new(THROTTLED_QUERIES));
        Self { authority, clock, cache: IdentityCache::new(REMEMBERED_FOR), slots, throttled_slots }
    }

    /// Whom the token stands for; `None` if the authority does not know it, or it is no text.
    pub(crate) async fn identify(
        &self,
        request: &AuthRequest<'_>,
        throttle: &Throttle,
    ) -> Result<Option<Arc<Identity>>, SignInError> {
        let Some(credential) = request.credentials.credential() else { return Ok(None) };
        let query = async {
            let refused_for = || throttle.refused_for(request.address, self.clock.now());
            self.query(credential, refused_for).await
        };
        let found = self.cache.get_or_look_up(request.credentials.digest(), request.now, query).await;
        found.map(Some).or_else(|error| match &*error {
            NotFound::Unknown => Ok(None),
            NotFound::Failed(error) => Err(error.clone()),
        })
    }

    /// Asks about one token as soon as there is a slot. Whether its address is throttled counts then: of many wrong
    /// tokens sent at once, few are passed on before the first answers.
    async fn query(
        &self,
        credential: Credential,
        refused_for: impl Fn() -> Option<Duration>,
    ) -> Result<Found, NotFound> {
        let unavailable = |error| NotFound::Failed(SignInError::Authority(Arc::new(error)));
        let busy = || unavailable(AuthorityError("too many queries are under way".into()));
        let mut slot = None;
        if refused_for().is_none() {
            slot = Some(timeout(PATIENCE, self.slots.acquire()).await.map_err(|_| busy())?);
        }
        if let Some(retry_after) = refused_for() {
            drop(slot);
            let throttled = timeout(PATIENCE, self.throttled_slots.acquire()).await;
            slot = Some(throttled.map_err(|_| NotFound::Failed(SignInError::Throttled { retry_after }))?);
        }
        let answer = step("authority.identify", self.authority.identify(&credential)).await;
        drop(slot);
        let identity = answer.map_err(unavailable)?.map(Arc::new).ok_or(NotFound::Unknown)?;
        Ok(Found { identity, expires_at: None })
    }
}

#[cfg(test)]
mod tests;
