//! Content of the storages that nothing claims.
//!
//! Each storage's listing and the paths of its records are compared in one pass, both in the byte order of the
//! paths. What no record claims, the source is asked about. Nothing is ever deleted.
//!
//! Storages may lie in one another: types of objects that share a bucket, with or without a prefix each. What lies in several of
//! them is judged by the claims on all of its paths, and once: by the first storage whose search comes to its end, of which the
//! innermost is searched first.
//!
//! What comes to a storage between the reading of a row and the listing looks unclaimed: the caller syncs
//! the catalogue first, and leaves out what was changed since ([`OrphanSettings::changed_before`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_domain::ports::{
    Catalogue, ContentStore, ModelCheck, Source, SourceError, StorageCheck, StoreError,
};
use stocktake_domain::{Model, Orphan, OrphanTotals, StorageOutcome, Timestamp};

mod overlaps;
mod records;
mod walk;
mod walk_error;

use overlaps::{Addresses, Overlaps};
use walk::Walk;

/// What a search for orphans is made of.
#[derive(Clone)]
pub struct OrphanParts {
    /// Who may claim what no record does.
    pub source: Arc<dyn Source>,
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The configured storages, by name.
    pub storages: BTreeMap<String, Arc<dyn ContentStore>>,
    /// Whether they are what they were.
    pub check: Arc<dyn StorageCheck>,
}

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct OrphanSettings {
    /// What was changed at this time or later is not judged.
    pub changed_before: Option<Timestamp>,
    /// The models of which not all rows were read. No storage is searched in which their content may lie.
    pub unread: Vec<Model>,
}

/// What was found in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageOrphans {
    /// Its name in the configuration.
    pub storage: String,
    /// How the search ended.
    pub outcome: StorageOutcome,
    /// The counts.
    pub totals: OrphanTotals,
    /// How much lies in each folder that is not understood. In the names, `*` stands for a number or digits of a hash.
    pub not_understood: BTreeMap<String, u64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrphanReport {
    /// Each storage in which the source may have content, in the order of the search.
    pub storages: Vec<StorageOrphans>,
    /// The counts of all storages together.
    pub totals: OrphanTotals,
}

/// Why a search ended early.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// The source does not say what it claims.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The catalogue cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Is notified of what a search finds.
pub trait OrphanWatcher: Send {
    /// This storage is searched now.
    fn storage(&mut self, name: &str);
    /// How far the search of the storage is.
    fn advanced(&mut self, totals: &OrphanTotals);
    /// This could not be looked at.
    fn skipped(&mut self, storage: &str, path: &str, reason: &str);
    /// Nothing claims this.
    fn orphan(&mut self, orphan: &Orphan);
    /// The search of a storage has ended.
    fn done(&mut self, storage: &StorageOrphans);
}

/// Looks at all storages of the source for what nobody claims, in the order of their names, but for those in which others lie:
/// these come after the others.
pub async fn orphans(
    parts: OrphanParts,
    settings: OrphanSettings,
    watcher: &mut dyn OrphanWatcher,
) -> Result<OrphanReport, OrphanError> {
    let mut report = OrphanReport::default();
    let addresses = Addresses::of(&parts.storages).await;
    let unread = unread(&*parts.source, &settings.unread).await?;
    let mut searched = Vec::new();
    for storage in addresses.in_order(parts.source.storages()) {
        watcher.storage(&storage);
        let overlaps = Overlaps::new(&storage, &addresses, &searched);
        let found = match store_of(&parts, &storage, &overlaps, &unread).await? {
            Ok(store) => {
                let place = (storage.as_str(), store);
                Walk::new(&parts, settings.changed_before, place, &overlaps, watcher).run().await?
            }
            Err(outcome) => StorageOrphans {
                storage: storage.clone(),
                outcome,
                totals: OrphanTotals::default(),
                not_understood: BTreeMap::new(),
            },
        };
        if found.outcome == StorageOutcome::Searched {
            searched.push(storage);
        }
        report.totals.add(&found.totals);
        watcher.done(&found);
        report.storages.push(found);
    }
    Ok(report)
}

/// Where content of these models may lie.
async fn unread(source: &dyn Source, models: &[Model]) -> Result<Vec<ModelCheck>, SourceError> {
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let all = source.check().await?.models;
    Ok(all.into_iter().filter(|of| models.contains(&of.model)).collect())
}

/// The storage of this name, or why it is not searched.
async fn store_of<'p>(
    parts: &'p OrphanParts,
    storage: &str,
    overlaps: &Overlaps<'_>,
    unread: &[ModelCheck],
) -> Result<Result<&'p dyn ContentStore, StorageOutcome>, StoreError> {
    let Some(store) = parts.storages.get(storage) else { return Ok(Err(StorageOutcome::NotConfigured)) };
    if let Some(reason) = parts.check.why_closed(storage).await? {
        return Ok(Err(StorageOutcome::Failed(reason)));
    }
    Ok(match unread.iter().find(|of| overlaps.include_any(&of.storages)) {
        None => Ok(&**store),
        Some(ModelCheck { model, .. }) => Err(StorageOutcome::Failed(format!(
            "not all rows of {model} were read, so that content of these would be listed"
        ))),
    })
}
