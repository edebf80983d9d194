//! The store: who reads when.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stocktake_content::{HashPool, Limiter, Order};
use stocktake_domain::ports::{ContentStore, Extent, FoundStream, Inspection, InspectionSink, Watch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::list;
use crate::measure;
use crate::repository;
use crate::visit::Desk;

/// How often is looked whether the reading was called off while the readers may hang in the storage.
const LOOK_AT_WATCH: Duration = Duration::from_millis(50);

/// How long a thread takes one repository after the other before it lets others have its turn: long against
/// the starting of a thread.
const SHIFT: Duration = Duration::from_millis(20);

/// Deep recursion happens nowhere, and there may be many readers.
const STACK_BYTES: usize = 512 * 1024;

/// How the repositories of a folder are read.
#[derive(Debug, Clone)]
pub struct GitSettings {
    /// The folder; nothing outside is ever opened, whatever links and alternates say.
    pub root: PathBuf,
    /// How many repositories are read at once.
    pub readers: NonZeroUsize,
    /// The most bytes read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// How much of a repository is read.
    pub integrity: Integrity,
}

/// How much of a repository is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Integrity {
    /// Refs and objects: each file that holds objects, or helps to find them, is read as a whole and compared
    /// with the checksum in it or in its name, and the object of each ref is looked for.
    #[default]
    Objects,
    /// Refs alone.
    Refs,
}

/// The bare git repositories below one folder.
pub struct GitStore {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
}

/// What the store and its reading threads share.
pub(crate) struct Shared {
    pub(crate) settings: GitSettings,
    pub(crate) pool: Arc<HashPool>,
    pub(crate) limiter: Option<Limiter>,
}

impl GitStore {
    /// A store of the repositories below `settings.root`, hashed by `pool`. The folder need not be there yet.
    pub fn new(settings: GitSettings, pool: Arc<HashPool>) -> Self {
        let turns = Arc::new(Semaphore::new(settings.readers.get().min(Semaphore::MAX_PERMITS)));
        let limiter = settings.bytes_per_second.map(Limiter::new);
        Self { shared: Arc::new(Shared { settings, pool, limiter }), turns }
    }

    /// Has a thread read some repositories of this order; whether there is one.
    fn start(&self, order: &Arc<Order>, turn: OwnedSemaphorePermit) -> bool {
        let (shared, order) = (Arc::clone(&self.shared), Arc::clone(order));
        let read = move || {
            // What panicked reports itself as given up.
            if catch_unwind(AssertUnwindSafe(|| read_some(&shared, &order))).is_err() {
                tracing::error!("reading below {} panicked", shared.settings.root.display());
            }
            drop(turn);
        };
        let thread = thread::Builder::new().name("read-git".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn(read);
        if let Err(error) = &started {
            tracing::warn!(%error, "the system gives no thread to read git repositories; tried again");
        }
        started.is_ok()
    }
}

fn read_some(shared: &Shared, order: &Arc<Order>) {
    let begin = Instant::now();
    let mut desk = Desk::new(shared, order);
    while begin.elapsed() < SHIFT {
        let Some(piece) = order.claim() else { break };
        let seen = piece.inspection().map(|inspection| repository::inspect(&mut desk, inspection));
        if let Some(seen) = seen {
            piece.report(seen);
        }
    }
}

impl fmt::Debug for GitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitStore").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for GitStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let order = Order::new(pieces, watch, sink);
        // Should the caller drop this future, the readers stop as well.
        let _abandon = order.abandon_on_drop();
        while order.has_unclaimed() && !order.is_called_off() {
            let turn = Arc::clone(&self.turns).acquire_owned();
            let Ok(turn) = tokio::time::timeout(LOOK_AT_WATCH, turn).await else { continue };
            if !turn.is_ok_and(|turn| self.start(&order, turn)) {
                tokio::time::sleep(LOOK_AT_WATCH).await;
            }
        }
        while tokio::time::timeout(LOOK_AT_WATCH, order.done()).await.is_err() {
            if order.is_called_off() {
                order.give_up();
            }
        }
    }

    fn list(&self) -> FoundStream {
        list::list(self.shared.settings.root.clone())
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let (root, path) = (self.shared.settings.root.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || measure::measure(&root, &path)).await.ok().flatten()
    }
}
