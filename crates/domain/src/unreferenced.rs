//! What a container registry keeps though nothing refers to it.

use crate::named::named;
use crate::time::Timestamp;

named! {
    /// Why a piece of a registry's data is unreferenced.
    pub enum UnreferencedKind {
        /// A layer, a config or a manifest that no manifest names, and that is no repository's manifest itself.
        Blob = "unreferenced_blob",
        /// A manifest that no tag reaches. A client may still pull it by its digest.
        Manifest = "untagged_manifest",
        /// A layer or a config that only such manifests name.
        BlobOfUntagged = "blob_of_untagged_manifest",
        /// An upload that was begun and never finished.
        Upload = "abandoned_upload",
    }
    /// The name in documents.
    fn name;
}

/// A piece of a registry's data to which nothing refers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreferenced {
    /// Why it is told.
    pub kind: UnreferencedKind,
    /// Its path within the storage; of a manifest `<repository>@<digest>`, as clients name it.
    pub path: String,
    /// The bytes that it takes; 0 for a manifest whose bytes are also those of one that is needed, or was told before.
    pub size: u64,
    /// When it was last changed, where the storage says so.
    pub modified_at: Option<Timestamp>,
}

/// A piece of a registry's data that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usage {
    /// Something refers to it.
    Needed,
    /// Nothing refers to it, and it was changed too lately to be judged: it may be part of something that is being pushed.
    Young,
    /// Nothing refers to it.
    Unreferenced(Unreferenced),
}

/// How many pieces, and the bytes that they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PieceTotals {
    /// How many.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl PieceTotals {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.pieces = self.pieces.saturating_add(other.pieces);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Counts of a search of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnreferencedTotals {
    /// Pieces looked at.
    pub looked_at: u64,
    /// Of them, those that were changed too lately to be judged.
    pub young: u64,
    /// What could not be looked at.
    pub skipped: u64,
    /// See [`UnreferencedKind::Blob`].
    pub blobs: PieceTotals,
    /// See [`UnreferencedKind::Manifest`].
    pub manifests: PieceTotals,
    /// See [`UnreferencedKind::BlobOfUntagged`].
    pub blobs_of_untagged: PieceTotals,
    /// See [`UnreferencedKind::Upload`].
    pub uploads: PieceTotals,
}

impl UnreferencedTotals {
    /// Counts a piece that was looked at.
    pub fn count(&mut self, usage: &Usage) {
        self.looked_at = self.looked_at.saturating_add(1);
        match usage {
            Usage::Needed => {}
            Usage::Young => self.young = self.young.saturating_add(1),
            Usage::Unreferenced(Unreferenced { kind, size, .. }) => {
                self.of_mut(*kind).add(PieceTotals { pieces: 1, bytes: *size });
            }
        }
    }

    /// The pieces of one kind.
    pub const fn of(&self, kind: UnreferencedKind) -> PieceTotals {
        match kind {
            UnreferencedKind::Blob => self.blobs,
            UnreferencedKind::Manifest => self.manifests,
            UnreferencedKind::BlobOfUntagged => self.blobs_of_untagged,
            UnreferencedKind::Upload => self.uploads,
        }
    }

    const fn of_mut(&mut self, kind: UnreferencedKind) -> &mut PieceTotals {
        match kind {
            UnreferencedKind::Blob => &mut self.blobs,
            UnreferencedKind::Manifest => &mut self.manifests,
            UnreferencedKind::BlobOfUntagged => &mut self.blobs_of_untagged,
            UnreferencedKind::Upload => &mut self.uploads,
        }
    }

    /// The pieces of all kinds to which nothing refers.
    pub fn unreferenced(&self) -> PieceTotals {
        let mut all = PieceTotals::default();
        for kind in UnreferencedKind::ALL {
            all.add(self.of(kind));
        }
        all
    }

    /// Adds the counts of another search.
    pub fn add(&mut self, other: &Self) {
        self.looked_at = self.looked_at.saturating_add(other.looked_at);
        self.young = self.young.saturating_add(other.young);
        self.skipped = self.skipped.saturating_add(other.skipped);
        for kind in UnreferencedKind::ALL {
            self.of_mut(kind).add(other.of(kind));
        }
    }
}

/// A piece to which nothing refers, and the registry that keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryPiece {
    /// The storage's name.
    pub storage: String,
    /// The piece.
    pub piece: Unreferenced,
}
