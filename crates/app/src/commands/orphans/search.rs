//! The search of container registries for what they keep though nothing refers to it.

use std::time::Duration;

use futures_util::StreamExt as _;
use stocktake_domain::ports::{ListError, StorageCheck, StoreError};
use stocktake_domain::{Timestamp, Usage};
use stocktake_worker::{Storage, Storages};

use super::list::List;
use super::registries::SearchedRegistry;

/// What was changed within this time may be part of something that is being pushed.
const PUSH_LASTS: Duration = Duration::from_secs(60 * 60);

/// Whether one of the storages can say what in it is not referred to.
pub(super) fn are_registries_among(storages: &Storages, now: Timestamp) -> bool {
    storages.values().any(|storage| storage.content.unreferenced(now).is_some())
}

/// Searches those of the storages that can say it, one after the other.
pub(super) async fn search_registries<'a>(
    storages: impl Iterator<Item = (&'a String, &'a Storage)>,
    changed_before: Timestamp,
    check: &dyn StorageCheck,
    list: &mut List,
) -> Result<Vec<SearchedRegistry>, StoreError> {
    let mut all = Vec::new();
    for (name, storage) in storages {
        let Some(mut usages) = storage.content.unreferenced(changed_before.before(PUSH_LASTS)) else {
            continue;
        };
        let mut searched = SearchedRegistry::new(name);
        list.registry();
        searched.problem = check.why_closed(name).await?;
        if searched.problem.is_some() {
            all.push(searched);
            continue;
        }
        while let Some(usage) = usages.next().await {
            match usage {
                Ok(usage) => {
                    searched.add(&usage);
                    if let Usage::Unreferenced(unreferenced) = &usage {
                        list.unreferenced(name, unreferenced);
                    }
                    list.advanced_to(searched.looked_at);
                }
                Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => {
                    searched.problem = Some(error.to_string());
                }
                Err(ListError::Skipped { path, reason } | ListError::Unlisted { folder: path, reason }) => {
                    searched.skipped += 1;
                    list.skip(name, &path, &reason);
                }
                Err(ListError::PassedOver { .. }) => {}
            }
        }
        list.searched(name, searched.looked_at);
        all.push(searched);
    }
    Ok(all)
}
