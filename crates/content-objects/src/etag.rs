//! Which `ETag`s of a storage were seen to be MD5s.

use std::sync::atomic::{AtomicU8, Ordering};

use http::HeaderMap;

/// `ETag`s of which either all are MD5s with a service, or none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EtagKind {
    is_of_parts: bool,
    /// Whether the service says that it encrypts the object. Amazon's `ETag` is an MD5 all the same, that of others may be none.
    is_encrypted: bool,
}

/// The kinds of `ETag` of which one was seen to be an MD5.
#[derive(Debug, Default)]
pub(crate) struct EtagsSeen(AtomicU8);

impl EtagsSeen {
    pub(crate) fn agreed(&self, kind: EtagKind) {
        self.0.fetch_or(kind.bit(), Ordering::Relaxed);
    }

    pub(crate) fn are_md5s(&self, kind: EtagKind) -> bool {
        self.0.load(Ordering::Relaxed) & kind.bit() != 0
    }
}

impl EtagKind {
    pub(crate) fn of(headers: &HeaderMap, is_of_parts: bool) -> Self {
        Self { is_of_parts, is_encrypted: headers.contains_key("x-amz-server-side-encryption") }
    }

    fn bit(self) -> u8 {
        match (self.is_of_parts, self.is_encrypted) {
            (false, false) => 1,
            (false, true) => 2,
            (true, false) => 4,
            (true, true) => 8,
        }
    }
}
