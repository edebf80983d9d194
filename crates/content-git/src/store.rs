//! The store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stocktake_content::{Batch, ReadTask, ReaderPool, ReaderShare, storage_root};
use stocktake_domain::ports::{
    ContentStore, Extent, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, Watch,
};
use stocktake_domain::{ContentError, NotJudged};
use stocktake_net::rate_limit::RateLimiter;

use crate::context::{GitSettings, ReaderContext, StoreContext};
use crate::memory::Memory;
use crate::pools::Pools;
use crate::repository;
use crate::{list, look};

/// How long a thread reads one repository after the other before other batches get their turn.
const TIME_SLICE: Duration = Duration::from_millis(20);

/// The bare git repositories below one folder.
pub struct GitStore {
    context: Arc<StoreContext>,
    readers: ReaderShare,
}

impl GitStore {
    /// A store of the repositories below `settings.root`, read by a share of `pool`. The folder need not exist yet.
    pub fn new(settings: GitSettings, pool: &Arc<ReaderPool>) -> Self {
        let readers = pool.share(settings.readers);
        let limiter = settings.bytes_per_second.map(RateLimiter::new);
        let (pool, memory) = (Arc::clone(pool.hashes()), Memory::new(settings.memory));
        let context = StoreContext { settings, pool, limiter, pools: Pools::default(), memory };
        Self { context: Arc::new(context), readers }
    }
}

/// The reading of a batch.
struct Reading {
    context: Arc<StoreContext>,
    batch: Arc<Batch>,
}

impl ReadTask for Reading {
    fn has_more(&self) -> bool {
        self.batch.has_unclaimed()
    }

    fn read(&self) {
        let begin = Instant::now();
        let context = ReaderContext::new(&self.context, &self.batch);
        while begin.elapsed() < TIME_SLICE {
            let Some(job) = self.batch.claim() else { break };
            let seen = job.inspection().map(|inspection| repository::inspect(&context, inspection));
            if let Some(seen) = seen {
                job.report(seen);
            }
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
        let context = Arc::clone(&self.context);
        self.readers.inspect(pieces, watch, sink, |batch| Reading { context, batch }).await;
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        storage_root::probe(self.context.settings.root.clone(), str::to_owned).await
    }

    async fn address(&self) -> Option<StorageAddress> {
        storage_root::address(self.context.settings.root.clone(), "repositories").await
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        let (root, path) = (self.context.settings.root.clone(), path.to_owned());
        storage_root::beside_readers(move || look::look(&root, &path)).await
    }

    fn list(&self) -> FoundStream {
        list::list(self.context.settings.root.clone())
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let (root, path) = (self.context.settings.root.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || list::measure(&root, &path)).await.ok().flatten()
    }
}
