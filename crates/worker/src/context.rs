//! What the parts of one engine share.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Catalogue, Conditions, Holder, LeaseTerms, Queue, StoreError, WorkerId};
use stocktake_domain::{Clock, Model, Rng, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::outage::{DatabaseOutage, Patience};
use crate::settings::{EngineSettings, Storages};
use crate::shares::Shares;
use crate::stats::{Obstacle, Recorder};

/// The most records in one lease, and so in one write.
const MOST_PER_LEASE: u32 = 1_000;

/// Writes to the database at the same time; more of them gain nothing and would take the connections that
/// the API needs.
const WRITERS: usize = 4;

/// How long after a stop a claim under way is waited for.
pub(crate) const STOP_CLAIMING: Duration = Duration::from_secs(5);

/// How long after a stop readings are waited for; then their leases are released.
pub(crate) const STOP_READING: Duration = Duration::from_secs(8);

/// How long after a stop everything that still runs is dropped.
pub(crate) const STOP_ALL: Duration = Duration::from_millis(9_500);

/// What an engine is put together from.
#[derive(Clone)]
pub struct EngineParts {
    /// Where work comes from and results go.
    pub queue: Arc<dyn Queue>,
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// What keeps records from being judged, for others to see.
    pub conditions: Arc<dyn Conditions>,
    /// The content.
    pub storages: Arc<Storages>,
    /// The database's time, of which verdicts are.
    pub clock: Arc<dyn Clock>,
    /// Random numbers for the worker's name, which must be unique, and for waits.
    pub rng: Arc<dyn Rng>,
}

/// What the parts of one engine share.
pub(crate) struct EngineContext {
    pub(crate) parts: EngineParts,
    pub(crate) settings: EngineSettings,
    pub(crate) worker: WorkerId,
    pub(crate) outage: DatabaseOutage,
    pub(crate) health: Health,
    pub(crate) writers: Semaphore,
    /// What was recorded since the last announcement.
    pub(crate) shares: Shares,
}

impl EngineContext {
    pub(crate) fn new(parts: EngineParts, mut settings: EngineSettings) -> Self {
        settings.claim_size = settings.claim_size.clamp(1, MOST_PER_LEASE);
        settings.leases_per_storage = settings.leases_per_storage.max(1);
        let worker = name_worker(&settings.host, &*parts.clock, &*parts.rng);
        Self {
            parts,
            settings,
            worker,
            outage: DatabaseOutage::default(),
            health: Health::default(),
            writers: Semaphore::new(WRITERS),
            shares: Shares::default(),
        }
    }

    /// The database's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// How long an attempt may go without progress.
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

    /// See [`crate::Engine::obstacles`].
    pub(crate) async fn obstacles(&self, models: &[Model]) -> Result<Vec<Obstacle>, StoreError> {
        let closed = self.health.closed().into_iter();
        let mut obstacles: Vec<Obstacle> =
            closed.map(|(name, reason)| Obstacle::Storage { name, reason }).collect();
        obstacles.extend(self.health.process().clone().map(Obstacle::Process));
        let holder = self.parts.queue.holder_besides(&self.worker, models).await?;
        obstacles.extend(
            holder.map(|Holder { worker, lasts }| Obstacle::Holder { process: worker.process(), lasts }),
        );
        Ok(obstacles)
    }

    /// How many configured storages are this process's work.
    pub(crate) fn served(&self) -> usize {
        self.parts.storages.keys().filter(|name| self.serves(name)).count()
    }
}

/// A name that no worker had before: host, process and time for readers, random digits for uniqueness.
fn name_worker(host: &str, clock: &dyn Clock, rng: &dyn Rng) -> WorkerId {
    let [a, b, c] = [(); 3].map(|()| rng.below(u32::MAX));
    let (process, time) = (std::process::id(), clock.now().millis());
    WorkerId(format!("{host}:{process}:{time}-{a:08x}{b:08x}{c:08x}"))
}

/// How leases are worked on: what differs between the worker, a drain in the foreground and a recalculation.
#[derive(Clone)]
pub(crate) struct RunOptions {
    pub(crate) context: Arc<EngineContext>,
    pub(crate) recorder: Arc<Recorder>,
    /// Stops the work; what is not finished is given back.
    pub(crate) stop: CancellationToken,
    /// For calls to the database.
    pub(crate) patience: Patience,
    /// Whether storages are left alone outside their hours.
    pub(crate) respects_hours: bool,
}

/// Returns `span` after `stop`.
pub(crate) async fn after(stop: &CancellationToken, span: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(span).await;
}
