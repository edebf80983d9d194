//! Content that nothing claims, and the walks through the storages that look for it and for what nothing in registries refers to.

use crate::named::named;
use crate::record::Location;
use crate::time::Timestamp;
use crate::unreferenced::{RegistryPiece, UnreferencedTotals};

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

impl OrphanTotals {
    /// Adds the counts of another search.
    pub fn add(&mut self, other: &Self) {
        self.looked_at = self.looked_at.saturating_add(other.looked_at);
        self.orphans = self.orphans.saturating_add(other.orphans);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unmeasured = self.unmeasured.saturating_add(other.unmeasured);
        self.internal = self.internal.saturating_add(other.internal);
        self.young = self.young.saturating_add(other.young);
        self.not_understood = self.not_understood.saturating_add(other.not_understood);
        self.skipped = self.skipped.saturating_add(other.skipped);
    }
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

/// The number of a walk through the storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalkId(pub i64);

named! {
    /// How far a walk through the storages is.
    pub enum WalkState {
        /// Not begun.
        Queued = "queued",
        /// Under way, or interrupted and to be begun again.
        Running = "running",
        /// Every storage was come to.
        Finished = "finished",
        /// Cancelled; nothing of it is kept.
        Cancelled = "cancelled",
        /// It could not go on; nothing of it is kept.
        Failed = "failed",
    }
    /// The name in answers.
    fn name;
}

impl WalkState {
    /// Whether nothing more will happen to the walk.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Failed)
    }
}

/// A walk through all storages: those of the source, in search of orphans, and container registries, in search of what nothing
/// refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanWalk {
    /// The number.
    pub id: WalkId,
    /// Who asked for it.
    pub requested_by: String,
    /// How far it is.
    pub state: WalkState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was begun, for the last time if it was interrupted.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub problem: Option<String>,
}

/// How far a walk is in one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedStorage {
    /// The storage's name.
    pub storage: String,
    /// How the search of it ended; `None` while it goes on.
    pub outcome: Option<StorageOutcome>,
    /// The counts so far.
    pub totals: OrphanTotals,
}

/// How far the search of a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedRegistry {
    /// The storage's name.
    pub storage: String,
    /// How the search ended; `None` while it goes on.
    pub outcome: Option<StorageOutcome>,
    /// The counts so far.
    pub totals: UnreferencedTotals,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalkFindings {
    /// How far it is in each storage of the source.
    pub storages: Vec<WalkedStorage>,
    /// What nothing claims.
    pub orphans: Vec<Orphan>,
    /// How far it is in each registry.
    pub registries: Vec<SearchedRegistry>,
    /// What nothing in them refers to.
    pub pieces: Vec<RegistryPiece>,
}
