//! The recalculation of one record while somebody waits for it.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{Recalculated, StoreError};
use stocktake_domain::{Model, Record, RecordKey, State};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{EngineContext, RunOptions, STOP_ALL};
use crate::outage::Patience;
use crate::recording::LeaseEnd;
use crate::stats::Recorder;
use crate::work::work;

/// The most recalculations worked on beside the queue at once. More are left to the queue, so that any
/// number of callers that gave up waiting for a hung storage cannot fill the memory.
const MOST_AT_ONCE: usize = 64;

/// A wait longer than this is as good as endless, and can be added to a time without overflow.
const LONGEST_PATIENCE: Duration = Duration::from_secs(365 * 86_400);

const FIRST_LOOK: Duration = Duration::from_millis(25);
const SLOWEST_LOOKS: Duration = Duration::from_secs(1);

/// The recalculations under way.
pub(crate) struct Recalculations {
    options: RunOptions,
    /// Where the work runs. Callers may live in a runtime that ends before the work does.
    runtime: Handle,
    tasks: TaskTracker,
    free: Arc<Semaphore>,
}

impl Recalculations {
    pub(crate) fn new(context: Arc<EngineContext>, runtime: Handle) -> Self {
        let options = RunOptions {
            context,
            recorder: Arc::new(Recorder::default()),
            stop: CancellationToken::new(),
            patience: Patience::Endless,
            respects_hours: false,
        };
        Self { options, runtime, tasks: TaskTracker::new(), free: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }

    /// Gives back what is under way, and returns when that is done, at the latest after [`STOP_ALL`].
    pub(crate) async fn close(&self) {
        self.options.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_ALL, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "stopping although recalculations did not end; their leases run out by themselves"
            );
        }
    }

    /// See [`stocktake_domain::ports::Recalculation::recalculate_now`].
    pub(crate) async fn recalculate_now(
        &self,
        model: Model,
        key: &RecordKey,
        patience: Duration,
    ) -> Result<Option<Recalculated>, StoreError> {
        let deadline = Instant::now() + patience.min(LONGEST_PATIENCE);
        let task = calculate(self.options.clone(), Arc::clone(&self.free), model, key.clone());
        // A task of its own: it goes on whatever becomes of the caller.
        let task = self.tasks.spawn_on(task, &self.runtime);
        match tokio::time::timeout_at(deadline, task).await {
            Ok(Ok(Ok(Calculated::NoRecord))) => Ok(None),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Ok(Ok(Calculated::Begun)) | Err(_)) => self.settled(model, key, deadline).await,
            Ok(Ok(Ok(Calculated::NotJudged))) | Err(_) => {
                Ok(self.look(model, key).await?.map(|record| Recalculated { record, finished: false }))
            }
        }
    }

    /// The record once no calculation of it is due or under way, or at the deadline, or when this process stops. The
    /// calculation asked for may be another worker's, or have been made void by a later one.
    async fn settled(
        &self,
        model: Model,
        key: &RecordKey,
        deadline: Instant,
    ) -> Result<Option<Recalculated>, StoreError> {
        let (stop, mut wait) = (&self.options.stop, FIRST_LOOK);
        loop {
            let Some(record) = self.look(model, key).await? else { return Ok(None) };
            let finished = !matches!(record.state(), State::Pending | State::Started);
            if finished || stop.is_cancelled() || Instant::now() >= deadline {
                return Ok(Some(Recalculated { record, finished }));
            }
            // Whichever comes first; a timeout is no error here.
            let _ = tokio::time::timeout_at(deadline.min(Instant::now() + wait), stop.cancelled()).await;
            wait = (wait * 2).min(SLOWEST_LOOKS);
        }
    }

    async fn look(&self, model: Model, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        self.options.context.parts.catalogue.get(model, key).await
    }
}

/// What became of a calculation.
enum Calculated {
    /// There is no such record.
    NoRecord,
    /// It has a result, or is left to another worker.
    Begun,
    /// Nothing can be said of its content now; it waits.
    NotJudged,
}

/// Calculates a record's checksum now, or marks it for whoever serves its storage.
async fn calculate(
    options: RunOptions,
    free: Arc<Semaphore>,
    model: Model,
    key: RecordKey,
) -> Result<Calculated, StoreError> {
    let context = &options.context;
    let queue = &context.parts.queue;
    let permit = free.try_acquire().ok().filter(|_| !options.stop.is_cancelled());
    let mark = async || {
        let is_known = queue.recalculate(model, &key).await?;
        Ok(if is_known { Calculated::Begun } else { Calculated::NoRecord })
    };
    let Some(_permit) = permit else { return mark().await };
    let Some(record) = context.parts.catalogue.get(model, &key).await? else {
        return Ok(Calculated::NoRecord);
    };
    let storage = &record.location.storage;
    if !context.serves(storage) || context.is_of_others(storage).await? {
        return mark().await;
    }
    let claimed = queue.claim_one(&context.worker, model, &key, context.lease_terms()).await?;
    let Some(lease) = claimed else { return Ok(Calculated::NoRecord) };
    if context.serves(&lease.storage) {
        if let LeaseEnd::NotJudged(_) | LeaseEnd::Skipped { .. } = work(&options, lease).await {
            return Ok(Calculated::NotJudged);
        }
    } else {
        // It moved since it was looked at; it is due, and another worker's.
        queue.complete(lease.id, &[], true).await?;
    }
    Ok(Calculated::Begun)
}
