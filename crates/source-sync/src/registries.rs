//! What container registries keep though nothing in them refers to it. Nothing is ever deleted.

use std::time::Duration;

use futures_util::StreamExt as _;
use stocktake_domain::ports::{ContentStore, ListError, StorageCheck, StoreError, UsageStream};
use stocktake_domain::{
    RegistryPiece, SearchedRegistry, StorageOutcome, Timestamp, UnreferencedTotals, Usage,
};

use crate::search_watcher::SearchWatcher;

/// What was changed within this time may be part of something that is being pushed.
const PUSH_LASTS: Duration = Duration::from_secs(60 * 60);

/// What in the storage nothing refers to, of what was changed long enough before this time; `None` if in a storage of its kind
/// nothing refers to anything.
pub(crate) fn unreferenced(store: &dyn ContentStore, changed_before: Timestamp) -> Option<UsageStream> {
    store.unreferenced(changed_before.before(PUSH_LASTS))
}

/// Searches one registry, if it is what it was.
pub(crate) async fn search_registry(
    storage: &str,
    usages: UsageStream,
    check: &dyn StorageCheck,
    watcher: &mut dyn SearchWatcher,
) -> Result<SearchedRegistry, StoreError> {
    watcher.registry(storage);
    let (outcome, totals) = match check.why_closed(storage).await? {
        Some(reason) => (StorageOutcome::Failed(reason), UnreferencedTotals::default()),
        None => read(storage, usages, watcher).await,
    };
    let searched = SearchedRegistry { storage: storage.to_owned(), outcome: Some(outcome), totals };
    watcher.registry_done(&searched);
    Ok(searched)
}

async fn read(
    storage: &str,
    mut usages: UsageStream,
    watcher: &mut dyn SearchWatcher,
) -> (StorageOutcome, UnreferencedTotals) {
    let (mut outcome, mut totals) = (StorageOutcome::Searched, UnreferencedTotals::default());
    while let Some(usage) = usages.next().await {
        match usage {
            Ok(usage) => {
                totals.count(&usage);
                if let Usage::Unreferenced(piece) = usage {
                    watcher.unreferenced(&RegistryPiece { storage: storage.to_owned(), piece });
                }
                watcher.registry_advanced(&totals);
            }
            Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => {
                outcome = StorageOutcome::Failed(error.to_string());
            }
            Err(ListError::Skipped { path, reason } | ListError::Unlisted { folder: path, reason }) => {
                totals.skipped = totals.skipped.saturating_add(1);
                watcher.skipped(storage, &path, &reason);
            }
            Err(ListError::PassedOver { .. }) => {}
        }
    }
    (outcome, totals)
}
