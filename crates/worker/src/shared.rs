//! What the parts of one engine share.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::ports::{LeaseTerms, WorkerId};
use stocktake_domain::{Clock, Rng, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineParts;
use crate::outage::{Outage, Patience};
use crate::settings::EngineSettings;
use crate::tally::{Progress, Tally};

/// The most records in one lease, and so in one write.
const MOST_PER_LEASE: u32 = 1_000;

/// Writes to the database at the same time; more of them gain nothing and would take the connections that
/// the API needs.
const WRITERS: usize = 4;

/// When, after a stop, a claim under way is no more waited for.
pub(crate) const STOP_CLAIMING: Duration = Duration::from_secs(5);

/// When, after a stop, readings that do not end are left to themselves and their leases given back.
pub(crate) const STOP_READING: Duration = Duration::from_secs(8);

/// When, after a stop, everything is dropped that still is.
pub(crate) const STOP_ALL: Duration = Duration::from_millis(9_500);

/// What the parts of one engine share.
pub(crate) struct Core {
    pub(crate) parts: EngineParts,
    pub(crate) settings: EngineSettings,
    pub(crate) worker: WorkerId,
    pub(crate) outage: Outage,
    pub(crate) writers: Semaphore,
}

impl Core {
    pub(crate) fn new(parts: EngineParts, mut settings: EngineSettings) -> Self {
        settings.claim_size = settings.claim_size.clamp(1, MOST_PER_LEASE);
        settings.leases_per_storage = settings.leases_per_storage.max(1);
        let worker = name_worker(&*parts.clock, &*parts.rng);
        Self { parts, settings, worker, outage: Outage::default(), writers: Semaphore::new(WRITERS) }
    }

    /// The present time.
    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// How long an attempt may go without getting on.
    pub(crate) fn lease(&self) -> Duration {
        self.settings.policy.lease
    }

    /// How long a lease lasts.
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        LeaseTerms { duration: self.lease(), heartbeat_timeout: self.settings.heartbeat_timeout }
    }

    /// Whether records in this storage are this process's work.
    pub(crate) fn serves(&self, storage: &str) -> bool {
        self.settings.storages.as_ref().is_none_or(|only| only.iter().any(|name| name == storage))
    }

    /// How many configured storages are this process's work.
    pub(crate) fn served(&self) -> usize {
        self.parts.storages.keys().filter(|name| self.serves(name)).count()
    }
}

/// A name that no worker had before: the process and the time for people, chance for uniqueness.
fn name_worker(clock: &dyn Clock, rng: &dyn Rng) -> WorkerId {
    let [a, b, c] = [(); 3].map(|()| rng.below(u32::MAX));
    WorkerId(format!("worker-{}-{}-{a:08x}{b:08x}{c:08x}", std::process::id(), clock.now().millis()))
}

/// Counts what was recorded, and tells whoever wants to know.
#[derive(Default)]
pub(crate) struct Recorder {
    tally: Mutex<Tally>,
    progress: Option<Arc<dyn Progress>>,
}

impl Recorder {
    /// One that tells `progress`.
    pub(crate) fn telling(progress: Arc<dyn Progress>) -> Self {
        Self { tally: Mutex::default(), progress: Some(progress) }
    }

    /// Adds what was recorded.
    pub(crate) fn add(&self, recorded: &Tally) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(recorded);
        if let Some(progress) = &self.progress {
            progress.advanced(&tally);
        }
    }

    /// All that was recorded so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How and for whom leases are worked on.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) core: Arc<Core>,
    pub(crate) recorder: Arc<Recorder>,
    /// Gives back what is not finished.
    pub(crate) stop: CancellationToken,
    /// For calls to the database.
    pub(crate) patience: Patience,
    /// Whether storages are left alone outside their hours.
    pub(crate) keeps_hours: bool,
}

/// Returns `span` after `stop`.
pub(crate) async fn after(stop: &CancellationToken, span: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(span).await;
}
