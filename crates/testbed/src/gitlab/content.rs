//! What lies where a row says that its content lies.

use sha2::{Digest as _, Sha256};

/// What is laid out for a record.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Nothing at all.
    Nothing,
    /// A file or an object.
    Bytes(Vec<u8>),
    /// A bare git repository.
    Repository(Shape),
    /// A container repository.
    Images(Images),
}

/// What a git repository is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It is there, with nothing in it.
    Empty,
    /// A few loose objects.
    Loose,
    /// All in packs, with many kinds of refs.
    Packed,
    /// Packed, the most of it in a pool beside it; Gitaly's checksum of it begins with a zero byte, which is not shown.
    Pooled,
    /// With reftables, if the git on `PATH` knows them.
    Reftable,
    /// With SHA-256.
    Sha256,
    /// With a ref to an object that is not there.
    Broken,
}

/// What a container repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Images {
    /// Two tags.
    Plain,
    /// An index of images under one tag.
    Index,
    /// An image one of whose layers is not what its digest says.
    AlteredLayer,
}

/// The missing object that the ref of a broken repository points to.
pub(super) const MISSING_OBJECT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The SHA-256 of these bytes.
pub(super) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// So many bytes of a text, over and over.
pub(super) fn filled(text: &str, length: usize) -> String {
    text.chars().cycle().take(length).collect()
}

/// A size as GitLab shows the one of an object: with an even number of digits.
pub(super) fn shown_size(size: usize) -> String {
    let digits = size.to_string();
    if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") }
}
