//! Requests to a storage: when they may be sent, and how those that fail are treated.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use stocktake_content::HashPool;
use stocktake_domain::ContentError;
use stocktake_domain::ports::Watch;
use stocktake_net::rate_limit::RateLimiter;
use tokio::sync::{Mutex, Semaphore};

use crate::error::ObjectError;
use crate::etag::EtagsSeen;
use crate::listed::Listed;
use crate::proofs::Proofs;
use crate::remote::Remote;
use crate::retry::RetryState;
use crate::settings::{Mode, ObjectSettings, SettingsError};
use crate::throttle::{Patience, Throttle};
use crate::wire::{Answer, Target};
use crate::{key, service};

/// How often a request that waits for the network checks whether it was cancelled.
const CANCELLATION_POLL: Duration = Duration::from_millis(50);

/// Access to the objects of one storage, shared by all requests.
pub(crate) struct Access {
    pub(crate) remote: Remote,
    pub(crate) prefix: String,
    pub(crate) pool: Arc<HashPool>,
    pub(crate) limiter: Option<RateLimiter>,
    pub(crate) mode: Mode,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) throttle: Throttle,
    pub(crate) patience: Patience,
    pub(crate) proofs: Proofs,
    /// Locked while a page of it is requested.
    pub(crate) listed: Mutex<Listed>,
    /// Which `ETag`s were seen to be MD5s. No service promises it; of one that has it so, another one tells that something is
    /// wrong.
    pub(crate) etags_seen: EtagsSeen,
    /// Whether the service may list the parts of an object: until it answered otherwise.
    pub(crate) lists_parts: AtomicBool,
}

/// How much rarer the storage is looked at while it answers that it is busy than while it does not answer.
const LOOKS_WHEN_BUSY: u32 = 10;

/// Waits for the future, unless the read is cancelled.
pub(crate) async fn unless_cancelled<T>(
    watch: &Watch,
    future: impl Future<Output = T>,
) -> Result<T, ContentError> {
    let mut future = std::pin::pin!(future);
    loop {
        if watch.is_cancelled() {
            return Err(ContentError::CANCELLED);
        }
        if let Ok(done) = tokio::time::timeout(CANCELLATION_POLL, &mut future).await {
            return Ok(done);
        }
    }
}

impl Access {
    /// Access to a storage with these settings, hashed by `pool`. No request is sent yet.
    pub(crate) fn new(
        settings: ObjectSettings,
        pool: Arc<HashPool>,
        patience: Patience,
    ) -> Result<Self, SettingsError> {
        let ObjectSettings { service, prefix, mode, requests, bytes_per_second } = settings;
        Ok(Self {
            remote: service::open(&service)?,
            prefix: key::whole_prefix(&prefix),
            pool,
            limiter: bytes_per_second.map(RateLimiter::new),
            mode,
            permits: Arc::new(Semaphore::new(requests.get().min(Semaphore::MAX_PERMITS))),
            throttle: Throttle::default(),
            patience,
            proofs: Proofs::default(),
            listed: Mutex::new(Listed::new(Instant::now())),
            etags_seen: EtagsSeen::default(),
            lists_parts: AtomicBool::new(true),
        })
    }

    /// Waits for the end of the storage's pause, then requests an object or its metadata.
    pub(crate) async fn get(
        &self,
        target: Target<'_>,
        key: &str,
        if_match: Option<&str>,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<Answer, ObjectError>, ContentError> {
        self.pause(retry, watch).await?;
        let mut sending = std::pin::pin!(self.remote.wire.send(target, if_match));
        let answer = unless_cancelled(watch, async {
            match tokio::time::timeout(self.patience.silent, &mut sending).await {
                Ok(answer) => Ok(answer),
                // Others may be answered.
                Err(_) => match self.look(key).await {
                    Ok(()) => Ok(sending.await),
                    Err(why) => Err(ContentError::storage(why)),
                },
            }
        });
        let answer = answer.await??.map_err(|error| self.remote.place.error_of(&error, key));
        if let Ok(answer) = &answer {
            self.check_service(answer, watch).await?;
            self.proofs.read(key);
            retry.heard(Instant::now());
        }
        Ok(self.record_success(answer, retry))
    }

    /// Waits until both the throttle of the storage and the retry of this work allow a request.
    pub(crate) async fn pause(&self, retry: &mut RetryState, watch: &Watch) -> Result<(), ContentError> {
        loop {
            let now = Instant::now();
            let turn = self.throttle.turn(now).max(retry.turn(now));
            if turn <= now {
                retry.sent = now;
                return Ok(());
            }
            // Meanwhile, the storage may have been busy for another request.
            sleep_until(turn, watch).await?;
        }
    }

    /// Records that the storage has responded, if it has; a refusal is a response too.
    pub(crate) fn record_success<T>(
        &self,
        answer: Result<T, ObjectError>,
        retry: &RetryState,
    ) -> Result<T, ObjectError> {
        if !matches!(answer, Err(ObjectError::Busy { .. } | ObjectError::Broken(_))) {
            self.throttle.success(retry.sent);
        }
        answer
    }

    /// Returns if the request is to be retried, which a temporary error allows for a limited time; otherwise fails with
    /// the error to report: that of the object, or of the storage as a whole.
    ///
    /// How long a service is busy is counted for each piece of work: the service responds, so other requests may
    /// succeed, and later work must not fail because of it. Broken connections are counted for all work together.
    pub(crate) async fn retry_or_fail(
        &self,
        error: ObjectError,
        retry: &mut RetryState,
        key: &str,
        watch: &Watch,
    ) -> Result<(), ContentError> {
        let (place, now) = (&self.remote.place, Instant::now());
        let Patience { busy, broken, unreachable, .. } = self.patience;
        let (reason, since, patience, look_every) = match error {
            ObjectError::Missing => return Err(ContentError::MissingFile { at: place.at(key) }),
            ObjectError::Unproven => return Err(self.prove_missing(key, watch).await),
            ObjectError::Changed => return Err(changed(&place.at(key))),
            ObjectError::Final(reason) => return Err(ContentError::Unreadable(reason)),
            ObjectError::Storage(reason) => return Err(ContentError::storage(reason)),
            ObjectError::Unclear(reason) => return Err(self.blame(reason, key, watch).await),
            ObjectError::NothingThere => {
                ("the object is shorter than it was".to_owned(), retry.mismatched_answer(now), broken, None)
            }
            ObjectError::Mismatch(reason) => (reason, retry.mismatched_answer(now), broken, None),
            ObjectError::Busy { reason, retry_after, overloaded } => {
                self.throttle.busy(retry.sent, now, retry_after);
                let since = retry.busy(now);
                if overloaded && now.saturating_duration_since(since) >= busy {
                    return Err(ContentError::storage(format!("{reason}, {}", for_so_long(since, now))));
                }
                (reason, since, busy, Some(unreachable * LOOKS_WHEN_BUSY))
            }
            ObjectError::Broken(reason) => {
                let silent_since = retry.silent_since();
                let down_since = self.throttle.broken(retry.sent, silent_since, now);
                (reason, retry.broken(silent_since).min(down_since), broken, Some(unreachable))
            }
        };
        let waited = now.saturating_duration_since(since);
        if waited >= patience {
            let reason = format!("{reason}, {}: {}", for_so_long(since, now), place.at(key));
            return Err(self.blame(reason, key, watch).await);
        }
        if look_every.is_some_and(|every| retry.is_to_look(waited, every, now))
            && let Err(why) = unless_cancelled(watch, self.look(key)).await?
        {
            return Err(ContentError::storage(why));
        }
        tracing::debug!(reason, "{} is asked again", place.at(key));
        Ok(())
    }
}

fn for_so_long(since: Instant, now: Instant) -> String {
    let waited = Duration::from_secs(now.saturating_duration_since(since).as_secs());
    format!("for {} now", stocktake_domain::format_duration(waited))
}

/// The error of an object that keeps changing.
pub(crate) fn changed(at: &str) -> ContentError {
    ContentError::Unreadable(format!("changed while being read: {at}"))
}

/// Sleeps, unless the read is cancelled.
async fn sleep_until(until: Instant, watch: &Watch) -> Result<(), ContentError> {
    if until <= Instant::now() {
        return Ok(());
    }
    unless_cancelled(watch, tokio::time::sleep_until(until.into())).await
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use stocktake_content::Secrets;
    use stocktake_domain::NotJudged;

    use super::*;
    use crate::settings::{GcsCredentials, GcsSettings, Network, Service};

    fn access() -> Arc<Access> {
        let two = NonZeroUsize::new(2).unwrap();
        let service = Service::Gcs(GcsSettings {
            bucket: "b".to_owned(),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            credentials: GcsCredentials::Anonymous,
            network: Network { certificates: None, plain_http: true },
        });
        let prefix = String::new();
        let settings =
            ObjectSettings { service, prefix, mode: Mode::Content, requests: two, bytes_per_second: None };
        Arc::new(
            Access::new(settings, HashPool::start(two, Secrets::default()).unwrap(), Patience::default())
                .unwrap(),
        )
    }

    #[tokio::test]
    async fn who_waits_already_waits_for_a_new_pause_too() {
        let (access, watch, begin) = (access(), Watch::default(), Instant::now());
        access.throttle.busy(begin, begin, None);
        let mut retry = RetryState::new();
        // The first is polled first, so that it waits when the second pause begins.
        let (waited, ()) = tokio::join!(access.pause(&mut retry, &watch), async {
            access.throttle.busy(begin, begin, Some(Duration::from_millis(500)));
        });
        assert_eq!(waited, Ok(()));
        assert!(retry.sent >= begin + Duration::from_millis(500));
    }

    #[tokio::test]
    async fn a_first_broken_connection_is_borne_however_long_the_service_was_busy_for_others() {
        let (access, watch) = (access(), Watch::default());
        let long_ago = Instant::now().checked_sub(Patience::default().broken * 2).unwrap();
        access.throttle.busy(long_ago, long_ago, None);
        let broken = || ObjectError::Broken("reset".to_owned());
        let retried = access.retry_or_fail(broken(), &mut RetryState::new(), "k", &watch).await;
        assert_eq!(retried, Ok(()));
        // Broken connections are counted for all work together. Nobody answers: the storage is at fault.
        let access = self::access();
        access.throttle.broken(long_ago, long_ago, long_ago);
        let told = access.retry_or_fail(broken(), &mut RetryState::new(), "k", &watch).await.unwrap_err();
        let ContentError::NotJudged(NotJudged::Storage(told)) = told else { panic!("{told}") };
        assert!(told.starts_with("connection to 127.0.0.1:1: Connection refused"), "{told}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_makes_only_its_own_reading_wait() {
        let (access, watch) = (access(), Watch::default());
        for error in [ObjectError::NothingThere, ObjectError::Mismatch("short".to_owned())] {
            let (mut mismatched, other) = (RetryState::new(), RetryState::new());
            let begin = Instant::now();
            assert_eq!(access.retry_or_fail(error.clone(), &mut mismatched, "k", &watch).await, Ok(()));
            assert!(mismatched.turn(begin) >= begin + Duration::from_millis(100));
            let first = mismatched.turn(begin) - begin;
            assert_eq!(access.retry_or_fail(error, &mut mismatched, "k", &watch).await, Ok(()));
            assert!(mismatched.turn(begin) > begin + first);
            assert_eq!((access.throttle.turn(begin), other.turn(begin)), (begin, begin));
        }
    }
}
