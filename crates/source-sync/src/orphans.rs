//! Content of the storages that nothing claims.
//!
//! Each storage's listing and the paths of its records are compared in one pass, both in the byte order of the
//! paths. What no record claims, the source is asked about. Nothing is ever deleted.
//!
//! What comes to a storage between the reading of a row and the listing looks unclaimed: the caller syncs
//! the catalogue first, and leaves out what was changed since ([`OrphanSettings::changed_before`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_domain::ports::{Catalogue, ContentStore, Source, SourceError, StoreError};
use stocktake_domain::{Location, Timestamp};

mod walk;

use walk::Walk;

/// What a search for orphans is made of.
pub struct OrphanParts {
    /// Who may claim what no record does.
    pub source: Arc<dyn Source>,
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The configured storages, by name.
    pub storages: BTreeMap<String, Arc<dyn ContentStore>>,
}

/// What is searched for.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrphanSettings {
    /// What was changed at this time or later is not judged.
    pub changed_before: Option<Timestamp>,
}

/// Content that nothing claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it lies.
    pub location: Location,
    /// Its size in bytes, of a repository that of all its files; `None` where it is not known.
    pub size: Option<u64>,
    /// When it was last changed, where the storage says so.
    pub modified_at: Option<Timestamp>,
}

/// Counts of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrphanTotals {
    /// Files and repositories looked at.
    pub looked_at: u64,
    /// Of them, those that nobody claims.
    pub orphans: u64,
    /// The bytes that these take, as far as their sizes are known.
    pub bytes: u64,
    /// Orphans of unknown size.
    pub unmeasured: u64,
    /// What the source's own programs keep there.
    pub internal: u64,
    /// What no record claims and was changed too lately to be judged.
    pub young: u64,
    /// What no record claims, and of which the source does not know who could.
    pub not_understood: u64,
    /// What the listing could not look at.
    pub skipped: u64,
}

/// How the search of a storage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageOutcome {
    /// All of it was looked at, but for what was skipped.
    Searched,
    /// The source has content there, and no storage of this name is configured.
    NotConfigured,
    /// It cannot be listed, and no record lies in it either, so that it is one that is not used: one sentence.
    Unused(String),
    /// It could not be listed, or not to its end: one sentence. What was reported of it is incomplete.
    Failed(String),
    /// What it holds, or what the catalogue knows of it, did not come in the order of the paths, so that what was
    /// reported of it may be wrong: one sentence.
    Disordered(String),
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
    /// Each storage in which the source may have content, by name.
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

/// Looks at all storages of the source, in the order of their names, for what nobody claims.
pub async fn orphans(
    parts: OrphanParts,
    settings: OrphanSettings,
    watcher: &mut dyn OrphanWatcher,
) -> Result<OrphanReport, OrphanError> {
    let mut report = OrphanReport::default();
    for storage in parts.source.storages() {
        watcher.storage(&storage);
        let found = match parts.storages.get(&storage) {
            Some(store) => Walk::new(&parts, settings, &storage, &**store, watcher).run().await?,
            None => StorageOrphans {
                storage,
                outcome: StorageOutcome::NotConfigured,
                totals: OrphanTotals::default(),
                not_understood: BTreeMap::new(),
            },
        };
        report.totals.add(&found.totals);
        watcher.done(&found);
        report.storages.push(found);
    }
    Ok(report)
}

impl OrphanTotals {
    fn add(&mut self, other: &Self) {
        self.looked_at += other.looked_at;
        self.orphans += other.orphans;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unmeasured += other.unmeasured;
        self.internal += other.internal;
        self.young += other.young;
        self.not_understood += other.not_understood;
        self.skipped += other.skipped;
    }
}
