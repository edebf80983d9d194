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
