//! Who is told of what a search finds.

use stocktake_domain::{RegistryPiece, SearchedRegistry, UnreferencedTotals};

use crate::orphans::OrphanWatcher;

/// Is notified of what a search finds.
pub trait SearchWatcher: OrphanWatcher {
    /// This registry is searched now.
    fn registry(&mut self, name: &str);
    /// How far the search of the registry is.
    fn registry_advanced(&mut self, totals: &UnreferencedTotals);
    /// Nothing refers to this.
    fn unreferenced(&mut self, piece: &RegistryPiece);
    /// The search of a registry has ended.
    fn registry_done(&mut self, registry: &SearchedRegistry);
}
