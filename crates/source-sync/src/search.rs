//! The search of all storages for what is not needed: content that no row of the source claims, and what container registries
//! keep though nothing in them refers to it. Commands and the walks that are asked for in the console do the same search.

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_domain::ports::{Catalogue, ContentStore, Source, StorageCheck};
use stocktake_domain::{SearchedRegistry, StorageOutcome, Timestamp};

use crate::orphans::{OrphanError, OrphanParts, OrphanReport, OrphanSettings, orphans};
use crate::registries::{search_registry, unreferenced};
use crate::search_watcher::SearchWatcher;

/// What a search is made of.
#[derive(Clone)]
pub struct SearchParts {
    /// Who may claim what no record does. Without it, only registries are searched.
    pub source: Option<Arc<dyn Source>>,
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The configured storages, by name.
    pub storages: BTreeMap<String, Arc<dyn ContentStore>>,
    /// Whether they are what they were.
    pub check: Arc<dyn StorageCheck>,
}

impl SearchParts {
    /// Whether there is anything to search.
    pub fn can_search(&self) -> bool {
        self.source.is_some() || has_registries(self.storages.values().map(|store| &**store))
    }
}

/// Whether one of the storages can say what in it is not referred to.
pub fn has_registries<'a>(storages: impl IntoIterator<Item = &'a dyn ContentStore>) -> bool {
    storages.into_iter().any(|store| unreferenced(store, Timestamp::from_millis(0)).is_some())
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct SearchSettings {
    /// What nothing claims.
    pub orphans: OrphanSettings,
    /// What was changed in registries at this time or later is not judged, nor what may have been pushed at it.
    pub registries_before: Timestamp,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchReport {
    /// What nothing claims; empty without a source.
    pub orphans: OrphanReport,
    /// What nothing refers to, in each registry, in the order of the names.
    pub registries: Vec<SearchedRegistry>,
}

/// Looks at the storages of the source for what nobody claims, and then at registries for what nothing refers to; at those not
/// that the source does not use.
pub async fn search(
    parts: SearchParts,
    settings: SearchSettings,
    watcher: &mut dyn SearchWatcher,
) -> Result<SearchReport, OrphanError> {
    let SearchParts { source, catalogue, storages, check } = parts;
    let mut report = SearchReport::default();
    if let Some(source) = source {
        let parts = OrphanParts { source, catalogue, storages: storages.clone(), check: Arc::clone(&check) };
        report.orphans = orphans(parts, settings.orphans, &mut *watcher).await?;
    }
    for (name, store) in storages {
        if report.orphans.is_unused(&name) {
            continue;
        }
        if let Some(usages) = unreferenced(&*store, settings.registries_before) {
            report.registries.push(search_registry(&name, usages, &*check, watcher).await?);
        }
    }
    Ok(report)
}

impl OrphanReport {
    fn is_unused(&self, storage: &str) -> bool {
        let found = self.storages.iter().find(|found| found.storage == storage);
        found.is_some_and(|found| matches!(found.outcome, StorageOutcome::Unused(_)))
    }
}
