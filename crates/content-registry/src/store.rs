//! Inspects the pieces of a call, for both kinds of store.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ContentError;
use stocktake_domain::ports::{Inspection, InspectionSink, Watch};
use tokio::task::JoinSet;

use crate::inspect::{RegistryContext, inspect};

/// How often cancellation is checked for.
const CANCELLATION_POLL: Duration = Duration::from_millis(50);

/// Inspects these repositories, as many at once as objects can be read at once.
pub(crate) async fn inspect_all(
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
