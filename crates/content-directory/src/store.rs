//! The store.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stocktake_content::{Batch, ReadTask, ReaderPool, ReaderShare, storage_root};
use stocktake_domain::ports::{
    ContentStore, Extent, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, Watch,
};
use stocktake_domain::{ContentError, NotJudged};
use stocktake_net::rate_limit::RateLimiter;

use crate::list;
use crate::reader::{self, ReaderContext};

/// How a folder is read.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// The folder. Nothing outside it is ever opened.
    pub root: PathBuf,
    /// How many files are read at the same time.
    pub readers: NonZeroUsize,
    /// The most bytes read per second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// The files below one folder.
pub struct DirectoryStore {
    context: Arc<ReaderContext>,
    readers: ReaderShare,
}

impl DirectoryStore {
    /// A store of the files below `settings.root`, read by a share of `pool`. The folder need not exist yet.
    pub fn new(settings: DirectorySettings, pool: &Arc<ReaderPool>) -> Self {
        let context = ReaderContext {
            root: settings.root,
            buffers: Arc::clone(pool.buffers()),
            pool: Arc::clone(pool.hashes()),
            limiter: settings.bytes_per_second.map(RateLimiter::new),
        };
        Self { context: Arc::new(context), readers: pool.share(settings.readers) }
    }
}

/// The reading of a batch.
struct Reading {
    context: Arc<ReaderContext>,
    batch: Arc<Batch>,
}

impl ReadTask for Reading {
    fn has_more(&self) -> bool {
        self.batch.has_unclaimed()
    }

    fn read(&self) {
        reader::read_some(&self.context, &self.batch);
    }
}

impl fmt::Debug for DirectoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryStore").field("root", &self.context.root).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for DirectoryStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let context = Arc::clone(&self.context);
        self.readers.inspect(pieces, watch, sink, |batch| Reading { context, batch }).await;
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        storage_root::probe(self.context.root.clone(), str::to_owned).await
    }

    async fn address(&self) -> Option<StorageAddress> {
        storage_root::address(self.context.root.clone(), "files").await
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        let (context, path) = (Arc::clone(&self.context), path.to_owned());
        storage_root::beside_readers(move || reader::look(&context, &path)).await
    }

    fn list(&self) -> FoundStream {
        list::list(self.context.root.clone())
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let (root, path) = (self.context.root.clone(), path.to_owned());
        // It is cancelled only with the runtime.
        tokio::task::spawn_blocking(move || list::measure(&root, &path)).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests;
