//! The store and its reading threads.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stocktake_content::threads::try_spawn;
use stocktake_content::{Batch, CANCELLATION_POLL, HashPool, storage_root};
use stocktake_domain::NotJudged;
use stocktake_domain::ports::{
    ContentStore, Extent, FoundStream, Inspection, InspectionSink, ProbedStorage, Watch,
};
use stocktake_net::rate_limit::RateLimiter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::context::{GitSettings, ReaderContext, StoreContext};
use crate::list;
use crate::repository;

/// How long a thread reads one repository after the other before it ends, so that other batches get a reader: much
/// longer than starting a thread takes.
const TIME_SLICE: Duration = Duration::from_millis(20);

/// The bare git repositories below one folder.
///
/// Threads are started as they are needed, at most as many at a time as there are readers.
pub struct GitStore {
    context: Arc<StoreContext>,
    readers: Arc<Semaphore>,
}

impl GitStore {
    /// A store of the repositories below `settings.root`, hashed by `pool`. The folder need not exist yet.
    pub fn new(settings: GitSettings, pool: Arc<HashPool>) -> Self {
        let readers = Arc::new(Semaphore::new(settings.readers.get().min(Semaphore::MAX_PERMITS)));
        let limiter = settings.bytes_per_second.map(RateLimiter::new);
        Self { context: Arc::new(StoreContext { settings, pool, limiter }), readers }
    }

    /// Starts a thread that reads some repositories of this batch; returns whether there is one.
    fn start_reader(&self, batch: &Arc<Batch>, permit: OwnedSemaphorePermit) -> bool {
        let (context, batch) = (Arc::clone(&self.context), Arc::clone(batch));
        let started = try_spawn("read-git".to_owned(), move || {
            // The job that panicked is reported as cancelled.
            if catch_unwind(AssertUnwindSafe(|| read_some(&context, &batch))).is_err() {
                tracing::error!("reading below {} panicked", context.settings.root.display());
            }
            drop(permit);
        });
        if let Err(error) = &started {
            tracing::warn!(%error, "the system cannot start a thread to read git repositories; trying again");
        }
        started.is_ok()
    }
}

fn read_some(store: &StoreContext, batch: &Arc<Batch>) {
    let begin = Instant::now();
    let context = ReaderContext::new(store, batch);
    while begin.elapsed() < TIME_SLICE {
        let Some(job) = batch.claim() else { break };
        let seen = job.inspection().map(|inspection| repository::inspect(&context, inspection));
        if let Some(seen) = seen {
            job.report(seen);
        }
    }
}

impl fmt::Debug for GitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitStore").field("settings", &self.context.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for GitStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let batch = Batch::new(pieces, watch, sink);
        // If the caller drops this future, the readers stop as well.
        let _guard = batch.cancel_on_drop();
        while batch.has_unclaimed() && !batch.is_cancelled() {
            let permit = Arc::clone(&self.readers).acquire_owned();
            let Ok(permit) = tokio::time::timeout(CANCELLATION_POLL, permit).await else { continue };
            if !permit.is_ok_and(|permit| self.start_reader(&batch, permit)) {
                tokio::time::sleep(CANCELLATION_POLL).await;
            }
        }
        batch.wait().await;
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let root = self.context.settings.root.clone();
        let probe = tokio::task::spawn_blocking(move || storage_root::probe(&root));
        // It is cancelled only with the runtime.
        probe.await.unwrap_or(Err(NotJudged::Cancelled))
    }

    fn list(&self) -> FoundStream {
        list::list(self.context.settings.root.clone())
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let (root, path) = (self.context.settings.root.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || list::measure(&root, &path)).await.ok().flatten()
    }
}
