//! All digests of one content, calculated in one pass.

use std::fmt;

use stocktake_domain::{Evidence, Measure, Observation};

use crate::digester::Digester;
use crate::hash_plan::HashPlan;
use crate::recorded::RecordedHasher;

/// Calculates what a plan asks for.
pub struct Hasher {
    stored: Digester,
    recorded: RecordedHasher,
}

impl Hasher {
    /// A hasher that has seen no bytes.
    pub fn new(plan: &HashPlan) -> Self {
        Self {
            stored: Digester::new(plan.algorithms),
            recorded: RecordedHasher::new(&plan.recorded, plan.algorithms),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.stored.update(bytes);
        self.recorded.update(bytes);
    }

    /// Adds the next bytes of each of these contents, in lanes side by side where that is faster.
    pub(crate) fn update_all(mut contents: Vec<(&mut Self, &[u8])>) {
        for (hasher, bytes) in &mut contents {
            hasher.recorded.update(bytes);
        }
        let stored = contents.into_iter().map(|(hasher, bytes)| (&mut hasher.stored, bytes));
        Digester::update_all(&mut stored.collect::<Vec<_>>());
    }

    /// Whether this content is hashed faster beside others.
    pub(crate) fn gains_from_lanes(&self) -> bool {
        self.stored.gains_from_lanes()
    }

    /// The observation of all bytes.
    pub fn finish(self) -> Observation {
        observation(self.stored.finish(), self.recorded)
    }

    /// The observation of content that is in memory as a whole.
    pub fn observe(bytes: &[u8], plan: &HashPlan) -> Observation {
        let mut hasher = Self::new(plan);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The observations of contents that are in memory as a whole, in their order.
    pub(crate) fn observe_all(contents: &[(&HashPlan, &[u8])]) -> Vec<Observation> {
        let stored: Vec<_> = contents.iter().map(|(plan, bytes)| (plan.algorithms, *bytes)).collect();
        let observed =
            Digester::measure_all(&stored).into_iter().zip(contents).map(|(stored, (plan, bytes))| {
                let mut recorded = RecordedHasher::new(&plan.recorded, plan.algorithms);
                recorded.update(bytes);
                observation(stored, recorded)
            });
        observed.collect()
    }
}

fn observation(stored: Measure, recorded: RecordedHasher) -> Observation {
    Observation {
        evidence: Evidence::Content,
        bytes_read: stored.size.unwrap_or_default(),
        stored,
        recorded: recorded.finish().map(Box::new),
        emptied: None,
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use stocktake_domain::{Algorithms, Digests};

    use super::*;

    const ALL: Algorithms = Algorithms { sha256: true, md5: true, sha1: true, gitaly: false };

    #[test]
    fn known_answers_and_only_the_requested_digests() {
        let observe = |algorithms| Hasher::observe(b"abc", &HashPlan::stored(algorithms));
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
    fn chunks_give_the_same_as_the_whole() {
        let plan = HashPlan::stored(ALL);
        let mut hasher = Hasher::new(&plan);
        for chunk in [&b"a"[..], b"", b"bc"] {
            hasher.update(chunk);
        }
        assert_eq!(hasher.finish(), Hasher::observe(b"abc", &plan));
    }
}
