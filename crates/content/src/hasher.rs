//! The digests over one piece of content, calculated in one pass.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use stocktake_domain::{Algorithms, Digests, Evidence, Measure, Observation};

use crate::num::widen;
use crate::recipe::Recipe;
use crate::recorded::Recording;

/// Calculates what a recipe asks for.
pub(crate) struct Hasher {
    stored: Digester,
    recording: Recording,
}

impl Hasher {
    pub(crate) fn new(recipe: &Recipe) -> Self {
        Self {
            stored: Digester::new(recipe.algorithms),
            recording: Recording::new(&recipe.recorded, recipe.algorithms),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.stored.update(bytes);
        self.recording.update(bytes);
    }

    pub(crate) fn finish(self) -> Observation {
        let stored = self.stored.finish();
        Observation {
            evidence: Evidence::Content,
            bytes_read: stored.size.unwrap_or_default(),
            stored,
            recorded: self.recording.finish().map(Box::new),
        }
    }

    /// The observation of content that is here as a whole.
    pub(crate) fn observe(bytes: &[u8], recipe: &Recipe) -> Observation {
        let mut hasher = Self::new(recipe);
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Calculates the digests that were asked for, and no others.
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Algorithms = Algorithms { sha256: true, md5: true, sha1: true, gitaly: false };

    #[test]
    fn known_answers_and_only_what_was_asked_for() {
        let observe = |algorithms| Hasher::observe(b"abc", &Recipe::stored(algorithms));
        let all = observe(ALL).stored;
        assert_eq!(all.size, Some(3));
        assert_eq!(
            all.digests.sha256.map(hex::encode).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(all.digests.md5.map(hex::encode).unwrap(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(all.digests.sha1.map(hex::encode).unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let one = observe(Algorithms { md5: false, sha1: false, ..ALL }).stored;
        assert_eq!(one.digests, Digests { sha256: all.digests.sha256, ..Digests::default() });
        assert_eq!(observe(Algorithms::default()), Observation::of_content(3, Digests::default()));
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let recipe = Recipe::stored(ALL);
        let mut hasher = Hasher::new(&recipe);
        for piece in [&b"a"[..], b"", b"bc"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Hasher::observe(b"abc", &recipe));
    }
}
