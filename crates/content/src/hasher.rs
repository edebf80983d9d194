//! The digests over one piece of content, calculated in one pass.

use md5::Md5;
use sha2::{Digest, Sha256};
use stocktake_domain::{Algorithms, Digests, Observation};

use crate::num::widen;

/// Calculates the digests that were asked for, and no others.
pub(crate) struct Hasher {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    size: u64,
}

impl Hasher {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self { sha256: algorithms.sha256.then(Sha256::new), md5: algorithms.md5.then(Md5::new), size: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.size += widen(bytes.len());
    }

    pub(crate) fn finish(self) -> Observation {
        Observation {
            size: self.size,
            digests: Digests {
                sha256: self.sha256.map(|hash| hash.finalize().into()),
                md5: self.md5.map(|hash| hash.finalize().into()),
            },
        }
    }

    /// The observation of content that is here as a whole.
    pub(crate) fn observe(bytes: &[u8], algorithms: Algorithms) -> Observation {
        let mut hasher = Self::new(algorithms);
        hasher.update(bytes);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_and_only_what_was_asked_for() {
        let both = Hasher::observe(b"abc", Algorithms { sha256: true, md5: true });
        assert_eq!(both.size, 3);
        assert_eq!(
            both.digests.sha256.map(hex::encode).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(both.digests.md5.map(hex::encode).unwrap(), "900150983cd24fb0d6963f7d28e17f72");
        let one = Hasher::observe(b"abc", Algorithms { sha256: true, md5: false });
        assert_eq!((one.digests.sha256, one.digests.md5), (both.digests.sha256, None));
        let none = Hasher::observe(b"abc", Algorithms::default());
        assert_eq!(none, Observation { size: 3, digests: Digests::default() });
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let algorithms = Algorithms { sha256: true, md5: true };
        let mut hasher = Hasher::new(algorithms);
        for piece in [&b"a"[..], b"", b"bc"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Hasher::observe(b"abc", algorithms));
    }
}
