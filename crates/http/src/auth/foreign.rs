//! Tokens of somebody else, who is asked about them through the port [`Authority`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use stocktake_domain::ports::{Authority, AuthorityError, Credential, Identity};
use stocktake_domain::{Clock, Timestamp, TokenDigest};
use tokio::sync::Semaphore;

use super::cache::IdentityCache;
use super::presented::Presented;
use super::throttle::Throttle;
use crate::Api;
use crate::error::ApiError;

/// How long the answer about a valid token is remembered: a revoked one is refused that much later at most.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// How long a question waits for others to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most questions under way, so that no flood of tokens is passed on to the authority.
const QUESTIONS: usize = 8;

/// Why there is no answer about a token.
#[derive(Clone)]
enum NoAnswer {
    /// The address that sent it has sent too many wrong ones meanwhile.
    Refused(Duration),
    /// The authority gave none.
    Away(Arc<AuthorityError>),
}

type Answer = Result<Option<Arc<Identity>>, NoAnswer>;
type Question = BoxFuture<'static, Answer>;

/// Asks about tokens, and remembers the answers about valid ones.
pub(super) struct ForeignTokens {
    cache: IdentityCache,
    slots: Arc<Semaphore>,
    /// The questions under way, which all who ask the same wait for. One that nobody waits for ends.
    asked: Mutex<HashMap<TokenDigest, WeakShared<Question>>>,
}

/// A token, and whence and when it came.
pub(super) struct Arrival<'a> {
    pub(super) token: Presented<'a>,
    pub(super) address: IpAddr,
    pub(super) now: Timestamp,
}

impl ForeignTokens {
    pub(super) fn new() -> Self {
        let slots = Arc::new(Semaphore::new(QUESTIONS));
        Self { cache: IdentityCache::new(REMEMBERED_FOR), slots, asked: Mutex::default() }
    }

    /// Whom the token stands for; `None` if nobody knows it.
    pub(super) async fn identify(
        &self,
        arrival: &Arrival<'_>,
        throttle: &Arc<Throttle>,
        api: &Api,
    ) -> Result<Option<Arc<Identity>>, ApiError> {
        let (Some(authority), Some(credential)) = (&api.authority, arrival.token.credential()) else {
            return Ok(None);
        };
        let digest = arrival.token.digest();
        if let Some(identity) = self.cache.get(&digest, arrival.now) {
            return Ok(Some(identity));
        }
        let question = self.question(digest, || {
            let asker = Asker {
                authority: Arc::clone(authority),
                clock: Arc::clone(&api.clock),
                throttle: Arc::clone(throttle),
                slots: Arc::clone(&self.slots),
                address: arrival.address,
            };
            asker.ask(credential).boxed()
        });
        let found = question.await.map_err(|why| match why {
            NoAnswer::Refused(retry_after) => ApiError::TooManyRequests { retry_after },
            NoAnswer::Away(error) => ApiError::Authority(error),
        })?;
        if let Some(identity) = &found {
            self.cache.put(digest, Arc::clone(identity), None, arrival.now);
        }
        Ok(found)
    }

    /// The question about this token that is under way, or else a new one.
    fn question(&self, digest: TokenDigest, make: impl FnOnce() -> Question) -> Shared<Question> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let open =
            |question: &WeakShared<Question>| question.upgrade().filter(|question| question.peek().is_none());
        if let Some(question) = asked.get(&digest).and_then(open) {
            return question;
        }
        asked.retain(|_, question| open(question).is_some());
        let question = make().shared();
        if let Some(weak) = question.downgrade() {
            asked.insert(digest, weak);
        }
        question
    }
}

/// What asking about one token needs.
struct Asker {
    authority: Arc<dyn Authority>,
    clock: Arc<dyn Clock>,
    throttle: Arc<Throttle>,
    slots: Arc<Semaphore>,
    address: IpAddr,
}

impl Asker {
    async fn ask(self, credential: Credential) -> Answer {
        let Ok(_slot) = tokio::time::timeout(PATIENCE, self.slots.acquire()).await else {
            return Err(NoAnswer::Away(Arc::new(AuthorityError("too many questions are under way".into()))));
        };
        // Of many wrong tokens sent at once, those still waiting here are not passed on once there were too many.
        if let Some(retry_after) = self.throttle.refused_for(self.address, self.clock.now()) {
            return Err(NoAnswer::Refused(retry_after));
        }
        let found = self.authority.identify(&credential).await;
        found.map(|identity| identity.map(Arc::new)).map_err(|error| NoAnswer::Away(Arc::new(error)))
    }
}

#[cfg(test)]
mod tests;
