//! The storage: what is asked of it, how many at once, and how trouble is borne.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::{GetOptions, GetRange, GetResult};
use stocktake_content::HashPool;
use stocktake_domain::ports::{ContentStore, FoundStream, Inspection, InspectionSink, Watch};
use stocktake_domain::{ContentError, Observation};
use stocktake_net::rate_limit::RateLimiter;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::attempts::Attempts;
use crate::key;
use crate::list;
use crate::pace::{Pace, Patience};
use crate::remote::Remote;
use crate::settings::{Mode, ObjectSettings, SettingsError};
use crate::trouble::Trouble;
use crate::wire::Ask;

/// How often is looked whether the reading was called off while the network is waited for.
const LOOK_AT_WATCH: Duration = Duration::from_millis(50);

/// The objects of one bucket, below one prefix.
pub struct ObjectStorage {
    shared: Arc<Shared>,
}

/// What all readings of a storage share.
pub(crate) struct Shared {
    pub(crate) remote: Remote,
    pub(crate) prefix: String,
    pub(crate) pool: Arc<HashPool>,
    pub(crate) limiter: Option<RateLimiter>,
    mode: Mode,
    permits: Arc<Semaphore>,
    pace: Pace,
    patience: Patience,
}

impl ObjectStorage {
    /// A storage of these settings, hashed by `pool`. Nothing is asked of it yet.
    pub fn new(settings: ObjectSettings, pool: Arc<HashPool>) -> Result<Self, SettingsError> {
        Self::with_patience(settings, pool, Patience::default())
    }

    /// A storage that bears trouble for another time than the usual.
    pub fn with_patience(
        settings: ObjectSettings,
        pool: Arc<HashPool>,
        patience: Patience,
    ) -> Result<Self, SettingsError> {
        let ObjectSettings { service, prefix, mode, requests, bytes_per_second } = settings;
        let shared = Shared {
            remote: Remote::new(&service)?,
            prefix: key::whole_prefix(&prefix),
            pool,
            limiter: bytes_per_second.map(RateLimiter::new),
            mode,
            permits: Arc::new(Semaphore::new(requests.get().min(Semaphore::MAX_PERMITS))),
            pace: Pace::default(),
            patience,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl std::fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.shared.remote.place.at(&self.shared.prefix);
        f.debug_struct("ObjectStorage").field("at", &at).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for ObjectStorage {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        // Dropped with this future, which ends them.
        let mut tasks = JoinSet::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            let report = Report { sink: Arc::clone(&sink), index, reported: false };
            let permit = unless_called_off(&watch, Arc::clone(&self.shared.permits).acquire_owned()).await;
            let Ok(Ok(permit)) = permit else { continue };
            let (shared, watch) = (Arc::clone(&self.shared), Arc::clone(&watch));
            tasks.spawn(async move {
                report.tell(shared.inspect(&piece, &watch).await);
                drop(permit);
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    fn list(&self) -> FoundStream {
        list::list(Arc::clone(&self.shared))
    }
}

/// Tells the sink of a piece, whatever happens: dropped before, it was given up.
struct Report {
    sink: Arc<dyn InspectionSink>,
    index: usize,
    reported: bool,
}

impl Report {
    fn tell(mut self, seen: Result<Observation, ContentError>) {
        self.reported = true;
        self.sink.report(self.index, seen);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.reported {
            self.sink.report(self.index, Err(ContentError::Cancelled));
        }
    }
}

/// Waits for the future, unless the reading is called off.
pub(crate) async fn unless_called_off<T>(
    watch: &Watch,
    future: impl Future<Output = T>,
) -> Result<T, ContentError> {
    let mut future = std::pin::pin!(future);
    loop {
        if watch.is_cancelled() {
            return Err(ContentError::Cancelled);
        }
        if let Ok(done) = tokio::time::timeout(LOOK_AT_WATCH, &mut future).await {
            return Ok(done);
        }
    }
}

impl Shared {
    async fn inspect(&self, piece: &Inspection, watch: &Watch) -> Result<Observation, ContentError> {
        let key = key::of_path(&self.prefix, &piece.path)?;
        match self.mode {
            Mode::Content => self.read(piece, &key, watch).await,
            Mode::Metadata => self.look(piece, &key, watch).await,
        }
    }

    /// Waits for the end of the storage's pause, then asks for an object, or for what is said of it if there
    /// is no range.
    pub(crate) async fn get(
        &self,
        key: &str,
        range: Option<GetRange>,
        if_match: Option<String>,
        attempts: &mut Attempts,
        watch: &Watch,
    ) -> Result<Result<GetResult, Trouble>, ContentError> {
        let location = self.remote.location(key)?;
        let mut options = GetOptions { head: range.is_none(), range, if_match, ..GetOptions::default() };
        options.extensions.insert(Ask::Object(key.to_owned()));
        self.pause(attempts, watch).await?;
        let answer = unless_called_off(watch, self.remote.library.get_opts(&location, options)).await?;
        Ok(self.noted(answer.map_err(|error| self.remote.place.trouble(&error, key)), attempts))
    }

    /// Waits until the storage may be asked again, by all and by this work.
    pub(crate) async fn pause(&self, attempts: &mut Attempts, watch: &Watch) -> Result<(), ContentError> {
        loop {
            let now = Instant::now();
            let turn = self.pace.turn(now).max(attempts.turn(now));
            if turn <= now {
                attempts.sent = now;
                return Ok(());
            }
            // The storage may have been busy meanwhile, for another.
            sleep_until(turn, watch).await?;
        }
    }

    /// Takes note that the storage has answered, if it has; a refusal is an answer too.
    pub(crate) fn noted<T>(&self, answer: Result<T, Trouble>, attempts: &Attempts) -> Result<T, Trouble> {
        if !matches!(answer, Err(Trouble::Busy { .. } | Trouble::Broken(_))) {
            self.pace.success(attempts.sent);
        }
        answer
    }

    /// Bears trouble that may pass, as long as there is patience; or says what to tell of the object.
    ///
    /// How long a service is busy is counted for each piece of work alone: it answers, so others may get
    /// through, and those that come later are not to fail for it. Broken connections are counted for all.
    pub(crate) fn bear(
        &self,
        trouble: Trouble,
        attempts: &mut Attempts,
        key: &str,
    ) -> Result<(), ContentError> {
        let (place, now) = (&self.remote.place, Instant::now());
        let (reason, since, patience) = match trouble {
            Trouble::Missing => return Err(ContentError::MissingFile { at: place.at(key) }),
            Trouble::Changed => return Err(changed(&place.at(key))),
            Trouble::Final(reason) => return Err(ContentError::Unreadable(reason)),
            Trouble::NothingThere => {
                ("the object is shorter than it was".to_owned(), attempts.odd(now), self.patience.broken)
            }
            Trouble::Odd(reason) => (reason, attempts.odd(now), self.patience.broken),
            Trouble::Busy { reason, retry_after } => {
                self.pace.busy(attempts.sent, now, retry_after);
                (reason, attempts.busy(now), self.patience.busy)
            }
            Trouble::Broken(reason) => {
                let down_since = self.pace.broken(attempts.sent, now);
                (reason, attempts.broken(now).min(down_since), self.patience.broken)
            }
        };
        let waited = now.saturating_duration_since(since);
        if waited < patience {
            tracing::debug!(reason, "{} is asked again", place.at(key));
            return Ok(());
        }
        let waited = stocktake_domain::format_duration(Duration::from_secs(waited.as_secs()));
        Err(ContentError::Unreadable(format!("{reason}, for {waited} now: {}", place.at(key))))
    }
}

/// What is told of an object that goes on changing.
pub(crate) fn changed(at: &str) -> ContentError {
    ContentError::Unreadable(format!("changed while being read: {at}"))
}

/// Sleeps, unless the reading is called off.
async fn sleep_until(until: Instant, watch: &Watch) -> Result<(), ContentError> {
    if until <= Instant::now() {
        return Ok(());
    }
    unless_called_off(watch, tokio::time::sleep_until(until.into())).await
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use stocktake_content::Secrets;

    use super::*;
    use crate::settings::{GcsCredentials, GcsSettings, Network, Service};

    fn shared() -> Arc<Shared> {
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
        ObjectStorage::new(settings, HashPool::new(two, Secrets::default())).unwrap().shared
    }

    #[tokio::test]
    async fn who_waits_already_waits_for_a_new_pause_too() {
        let (shared, watch, begin) = (shared(), Watch::default(), Instant::now());
        shared.pace.busy(begin, begin, None);
        let mut attempts = Attempts::new();
        // The first is polled first, and so waits when the second pause begins.
        let (waited, ()) = tokio::join!(shared.pause(&mut attempts, &watch), async {
            shared.pace.busy(begin, begin, Some(Duration::from_millis(500)));
        });
        assert_eq!(waited, Ok(()));
        assert!(attempts.sent >= begin + Duration::from_millis(500));
    }

    #[test]
    fn a_first_broken_connection_is_borne_however_long_the_service_was_busy_for_others() {
        let shared = shared();
        let long_ago = Instant::now().checked_sub(Patience::default().broken * 2).unwrap();
        shared.pace.busy(long_ago, long_ago, None);
        let broken = || Trouble::Broken("reset".to_owned());
        assert_eq!(shared.bear(broken(), &mut Attempts::new(), "k"), Ok(()));
        // Connections that break are those of all.
        let shared = self::shared();
        shared.pace.broken(long_ago, long_ago);
        let told = Err(ContentError::Unreadable("reset, for 2m now: gs://b/k".to_owned()));
        assert_eq!(shared.bear(broken(), &mut Attempts::new(), "k"), told);
    }

    #[test]
    fn an_answer_that_does_not_fit_makes_only_its_own_reading_wait() {
        let shared = shared();
        for trouble in [Trouble::NothingThere, Trouble::Odd("short".to_owned())] {
            let (mut odd, other) = (Attempts::new(), Attempts::new());
            let begin = Instant::now();
            assert_eq!(shared.bear(trouble.clone(), &mut odd, "k"), Ok(()));
            assert!(odd.turn(begin) >= begin + Duration::from_millis(100));
            let first = odd.turn(begin) - begin;
            assert_eq!(shared.bear(trouble, &mut odd, "k"), Ok(()));
            assert!(odd.turn(begin) > begin + first);
            assert_eq!((shared.pace.turn(begin), other.turn(begin)), (begin, begin));
        }
    }
}
