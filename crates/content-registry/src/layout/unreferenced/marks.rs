//! What is known of each digest.

use std::collections::HashMap;

use super::super::repository::Manifest;
use crate::digest::Digest;

/// The beginning of a digest, which is enough to tell digests apart.
type Key = [u8; 16];

/// Bits of a mark.
const NAMED: u8 = 1;
const NEEDED: u8 = 2;
const MANIFEST: u8 = 4;
const BYTES_TOLD: u8 = 8;

/// The marks.
#[derive(Default)]
pub(super) struct Marks(HashMap<Key, u8>);

impl Marks {
    /// This manifest and all that it names are needed.
    pub(super) fn needed(&mut self, manifest: &Manifest) {
        self.add(manifest, NAMED | NEEDED);
    }

    /// This manifest is there and names these; no tag reaches it.
    pub(super) fn named(&mut self, manifest: &Manifest) {
        self.add(manifest, NAMED);
    }

    /// A repository has lately been linked to this blob.
    pub(super) fn linked(&mut self, digest: &Digest) {
        self.mark(digest, NAMED | NEEDED);
    }

    fn add(&mut self, manifest: &Manifest, bits: u8) {
        self.mark(&manifest.digest, bits | MANIFEST);
        for digest in &manifest.names {
            self.mark(digest, bits);
        }
    }

    fn mark(&mut self, digest: &Digest, bits: u8) {
        *self.0.entry(key(digest)).or_default() |= bits;
    }

    fn has(&self, digest: &Digest, bit: u8) -> bool {
        self.0.get(&key(digest)).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether a manifest names it, or it is one.
    pub(super) fn is_named(&self, digest: &Digest) -> bool {
        self.has(digest, NAMED)
    }

    /// Whether a tag reaches it.
    pub(super) fn is_needed(&self, digest: &Digest) -> bool {
        self.has(digest, NEEDED)
    }

    /// Whether it is a repository's manifest, which was read.
    pub(super) fn is_manifest(&self, digest: &Digest) -> bool {
        self.has(digest, MANIFEST)
    }

    /// Whether the bytes of this manifest, which no tag reaches in one repository, are needed in none, and not counted yet.
    pub(super) fn take_bytes(&mut self, digest: &Digest) -> bool {
        let is_first = !self.has(digest, NEEDED | BYTES_TOLD);
        self.mark(digest, BYTES_TOLD);
        is_first
    }

    /// Whether no manifest was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|bits| bits & MANIFEST == 0)
    }
}

fn key(digest: &Digest) -> Key {
    let mut key = Key::default();
    let bytes: &[u8] = match digest {
        Digest::Sha256(bytes) => bytes,
        Digest::Sha512(bytes) => bytes,
    };
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    key
}
