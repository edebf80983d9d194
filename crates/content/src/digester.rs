//! Size and digests of bytes that come chunk by chunk.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use stocktake_domain::{Algorithms, Digests, Measure};

use crate::num::widen;

/// Calculates the requested digests, and no others.
pub(crate) struct Digester {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    size: u64,
}

impl Digester {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self {
            sha256: algorithms.sha256.then(Sha256::new),
            md5: algorithms.md5.then(Md5::new),
            sha1: algorithms.sha1.then(Sha1::new),
            size: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        self.size += widen(bytes.len());
    }

    pub(crate) fn finish(self) -> Measure {
        let digests = Digests {
            sha256: self.sha256.map(|hash| hash.finalize().into()),
            md5: self.md5.map(|hash| hash.finalize().into()),
            sha1: self.sha1.map(|hash| hash.finalize().into()),
            gitaly: None,
        };
        Measure { size: Some(self.size), digests }
    }
}
