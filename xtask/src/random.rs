//! Random numbers that can be repeated.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

/// A seed that is different each time.
pub(crate) fn new_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A generator whose numbers follow from its seed (xorshift).
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Starts a sequence.
    pub(crate) const fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next number in the range, which must not be empty.
    pub(crate) fn next_in(&mut self, range: Range<u64>) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        range.start + self.0 % (range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence() {
        let sequence = |seed| {
            let mut rng = Rng::new(seed);
            [(); 20].map(|()| rng.next_in(10..1_000))
        };
        assert_eq!(sequence(7), sequence(7));
        assert_ne!(sequence(7), sequence(8));
        assert!(sequence(0).iter().all(|number| (10..1_000).contains(number)));
        assert_ne!(sequence(0)[0], sequence(0)[1]);
        assert_ne!(new_seed(), new_seed());
    }
}
