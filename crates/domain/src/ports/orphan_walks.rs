//! Walks through the storages in search of content that nothing claims or refers to, kept as rows so that they survive a restart.

use std::time::Duration;

use async_trait::async_trait;

use super::{StoreError, WorkerId};
use crate::orphan::{Orphan, OrphanWalk, SearchedRegistry, WalkFindings, WalkId, WalkedStorage};
use crate::record::Location;
use crate::unreferenced::RegistryPiece;

/// Walks in search of orphans. At most one is open, and at most one process is at it.
#[async_trait]
pub trait OrphanWalks: Send + Sync {
    /// Asks for a walk. If one is open already, nothing is kept and that one is returned.
    async fn request(&self, requested_by: &str) -> Result<OrphanWalk, StoreError>;

    /// The newest walks, newest first, at most `limit`.
    async fn list(&self, limit: u32) -> Result<Vec<OrphanWalk>, StoreError>;

    /// Cancels a walk that is not over, and forgets what it found; one that is over stays as it is. Returns the walk as it
    /// then is; `None` if there is none.
    async fn cancel(&self, id: WalkId) -> Result<Option<OrphanWalk>, StoreError>;

    /// Takes the open walk for this runner until `lasts` from now: one that nobody took, or whose runner has given no sign of
    /// life for as long. Such a one begins anew, and what was found before is forgotten. `None` if there is nothing to take.
    async fn claim(&self, runner: &WorkerId, lasts: Duration) -> Result<Option<OrphanWalk>, StoreError>;

    /// Keeps how far the runner is in these storages and what it found there, and keeps the walk its own until `lasts` from
    /// now. What is kept already stays once. False, and nothing is kept, if the walk is not this runner's any more.
    async fn record(
        &self,
        id: WalkId,
        runner: &WorkerId,
        lasts: Duration,
        findings: &WalkFindings,
    ) -> Result<bool, StoreError>;

    /// Ends the runner's walk. With a problem it has failed, and what it found is forgotten; else what all walks before it
    /// found is. False, and nothing changes, if the walk is not this runner's any more.
    async fn finish(
        &self,
        id: WalkId,
        runner: &WorkerId,
        problem: Option<String>,
    ) -> Result<bool, StoreError>;

    /// How far a walk is in each storage of the source that it has come to, in the byte order of their names.
    async fn storages(&self, id: WalkId) -> Result<Vec<WalkedStorage>, StoreError>;

    /// The orphans that a walk found behind this place (`None`: from the first on), at most `limit`, in the byte order of
    /// storages and paths.
    async fn orphans(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<Orphan>, StoreError>;

    /// How far a walk is in each registry it has come to, in the byte order of their names.
    async fn registries(&self, id: WalkId) -> Result<Vec<SearchedRegistry>, StoreError>;

    /// What nothing refers to in registries, as a walk found it behind this place (`None`: from the first on), at most `limit`,
    /// in the byte order of storages and paths.
    async fn unreferenced(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<RegistryPiece>, StoreError>;
}
