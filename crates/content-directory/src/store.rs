//! The store and its reading threads.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stocktake_content::threads::spawn;
use stocktake_content::{Batch, HashPool, storage_root};
use stocktake_domain::NotJudged;
use stocktake_domain::ports::{ContentStore, FoundStream, Inspection, InspectionSink, ProbedStorage, Watch};
use stocktake_net::rate_limit::RateLimiter;

use crate::buffers::BufferPool;
use crate::list;
use crate::queue::BatchQueue;
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

/// The files below one folder, read by threads of its own.
///
/// The threads end when the store is dropped. One that hangs in its storage ends when the storage answers.
pub struct DirectoryStore {
    shared: Arc<Shared>,
}

/// What the store shares with its reading threads.
struct Shared {
    context: ReaderContext,
    queue: BatchQueue,
}

impl DirectoryStore {
    /// A store of the files below `settings.root`, hashed by `pool`. The folder need not exist yet.
    ///
    /// # Panics
    /// When the system cannot start a thread.
    pub fn new(settings: DirectorySettings, pool: Arc<HashPool>) -> Self {
        let context = ReaderContext {
            root: settings.root,
            buffers: BufferPool::new(settings.readers, pool.threads()),
            pool,
            limiter: settings.bytes_per_second.map(RateLimiter::new),
        };
        let shared = Arc::new(Shared { context, queue: BatchQueue::default() });
        for number in 0..settings.readers.get() {
            let shared = Arc::clone(&shared);
            spawn(format!("read-{number}"), move || shared.read_all());
        }
        Self { shared }
    }
}

impl Shared {
    /// Reads what is queued until the queue is closed.
    fn read_all(&self) {
        while let Some(batch) = self.queue.next() {
            // The job that panicked is reported as cancelled; the thread goes on with the others.
            if catch_unwind(AssertUnwindSafe(|| reader::read_some(&self.context, &batch))).is_err() {
                tracing::error!("reading below {} panicked", self.context.root.display());
            }
        }
    }
}

impl Drop for DirectoryStore {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl fmt::Debug for DirectoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryStore").field("root", &self.shared.context.root).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for DirectoryStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let batch = Batch::new(pieces, watch, sink);
        // If the caller drops this future, the readers stop as well.
        let _guard = batch.cancel_on_drop();
        self.shared.queue.push(Arc::clone(&batch));
        batch.wait().await;
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let root = self.shared.context.root.clone();
        let probe = tokio::task::spawn_blocking(move || storage_root::probe(&root));
        // It is cancelled only with the runtime.
        probe.await.unwrap_or(Err(NotJudged::Cancelled))
    }

    fn list(&self) -> FoundStream {
        list::list(self.shared.context.root.clone())
    }
}

#[cfg(test)]
mod tests;
