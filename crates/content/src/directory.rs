//! The files below a folder.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{ContentStore, FoundStream, Inspection, InspectionSink, Watch};

use crate::limiter::Limiter;
use crate::order::Order;
use crate::pool::HashPool;
use crate::sync::spawn;
use buffers::Buffers;
use queue::Queue;

mod buffers;
mod cached;
mod list;
mod queue;
mod reader;

/// How often is looked whether the reading was called off while the readers may hang in the storage.
const LOOK_AT_WATCH: Duration = Duration::from_millis(50);

/// How a folder is read.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// The folder; nothing outside is ever opened.
    pub root: PathBuf,
    /// How many files are read at once.
    pub readers: NonZeroUsize,
    /// The most bytes read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// The files below one folder, read by threads of its own.
///
/// The threads end when the store is dropped, except one that hangs in its storage: it is left behind and
/// ends when the storage answers.
pub struct DirectoryStore {
    shared: Arc<Shared>,
}

/// What the store and its reading threads share.
struct Shared {
    root: PathBuf,
    pool: Arc<HashPool>,
    queue: Queue,
    buffers: Arc<Buffers>,
    limiter: Option<Limiter>,
}

impl DirectoryStore {
    /// A store of the files below `settings.root`, hashed by `pool`. The folder need not be there yet.
    ///
    /// # Panics
    /// When the system gives no thread.
    pub fn new(settings: DirectorySettings, pool: Arc<HashPool>) -> Self {
        let shared = Arc::new(Shared {
            root: settings.root,
            buffers: Buffers::new(settings.readers, pool.threads()),
            pool,
            queue: Queue::default(),
            limiter: settings.bytes_per_second.map(Limiter::new),
        });
        for number in 0..settings.readers.get() {
            let shared = Arc::clone(&shared);
            spawn(format!("read-{number}"), move || shared.read_all());
        }
        Self { shared }
    }
}

impl Shared {
    /// Reads what is in the queue until it is closed.
    fn read_all(&self) {
        while let Some(order) = self.queue.next() {
            // The piece that panicked reports itself as given up; the thread must go on for the others.
            if catch_unwind(AssertUnwindSafe(|| reader::read_some(self, &order))).is_err() {
                tracing::error!("reading below {} panicked", self.root.display());
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
        f.debug_struct("DirectoryStore").field("root", &self.shared.root).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for DirectoryStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let order = Order::new(pieces, watch, sink);
        // Should the caller drop this future, the readers stop as well.
        let _abandon = order.abandon_on_drop();
        self.shared.queue.push(Arc::clone(&order));
        while tokio::time::timeout(LOOK_AT_WATCH, order.done()).await.is_err() {
            if order.is_called_off() {
                order.give_up();
            }
        }
    }

    fn list(&self) -> FoundStream {
        list::list(self.shared.root.clone())
    }
}

#[cfg(test)]
mod tests;
