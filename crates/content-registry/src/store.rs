//! The store, for all kinds of registry storage.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_content::HashPool;
use stocktake_domain::ports::{
    ContentStore, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, UsageStream, Watch,
};
use stocktake_domain::{ContentError, NotJudged, Timestamp};
use tokio::task::JoinSet;

use crate::inspect::{RegistryContext, inspect};
use crate::name;
use crate::settings::Integrity;
use crate::source::{RegistryError, RegistrySource};

/// How often cancellation is checked for.
const CANCELLATION_POLL: Duration = Duration::from_millis(50);

/// The repositories of a registry.
pub struct RegistryStore {
    shared: Arc<RegistryContext>,
}

impl RegistryStore {
    pub(crate) fn of(
        source: impl RegistrySource,
        pool: Arc<HashPool>,
        integrity: Integrity,
        bytes_per_second: Option<NonZeroU64>,
    ) -> Self {
        Self { shared: RegistryContext::new(source, pool, integrity, bytes_per_second) }
    }
}

impl fmt::Debug for RegistryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for RegistryStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        inspect_all(&self.shared, pieces, &watch, &*sink).await;
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        self.shared.source.probe().await
    }

    async fn address(&self) -> Option<StorageAddress> {
        None
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        name::check_repository(path)?;
        self.shared.source.look(path).await.map_err(RegistryError::into_error)
    }

    fn list(&self) -> FoundStream {
        self.shared.source.list()
    }

    fn unreferenced(&self, changed_before: Timestamp) -> Option<UsageStream> {
        self.shared.source.unreferenced(changed_before)
    }
}

/// Inspects these repositories, as many at once as objects can be read at once.
async fn inspect_all(
    shared: &Arc<RegistryContext>,
    pieces: Vec<Inspection>,
    watch: &Arc<Watch>,
    sink: &dyn InspectionSink,
) {
    let mut open: Vec<bool> = vec![true; pieces.len()];
    let mut waiting = pieces.into_iter().enumerate();
    // Dropped with this future, it cancels all of them.
    let mut running = JoinSet::new();
    while !watch.is_cancelled() {
        while running.len() < shared.source.concurrency()
            && let Some((index, piece)) = waiting.next()
        {
            let (shared, watch) = (Arc::clone(shared), Arc::clone(watch));
            running.spawn(async move { (index, inspect(&shared, &piece, &watch).await) });
        }
        match tokio::time::timeout(CANCELLATION_POLL, running.join_next()).await {
            Ok(Some(Ok((index, seen)))) => {
                if let Some(open) = open.get_mut(index) {
                    *open = false;
                }
                sink.report(index, seen);
            }
            // It panicked; its piece is reported as cancelled below.
            Ok(Some(Err(error))) => tracing::error!(%error, "an inspection ended early"),
            Ok(None) => break,
            Err(_elapsed) => {}
        }
    }
    for (index, _) in open.into_iter().enumerate().filter(|(_, open)| *open) {
        sink.report(index, Err(ContentError::CANCELLED));
    }
}
