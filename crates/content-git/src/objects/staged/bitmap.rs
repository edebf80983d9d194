//! Compressed bitmaps, in which runs of equal bits are counted (git's `Documentation/gitformat-bitmap`, Appendix A).

use super::content::{CUT_SHORT, Content};
use crate::error::ReadError;

/// The bits of a word that are the length of a run, and those that are the number of words that follow as they are.
const RUN_BITS: u32 = 32;
const LITERAL_BITS: u32 = 31;

/// A bitmap as it is stored. It is as long as it is in the file, however many bits it has.
pub(super) struct Bitmap(Vec<u64>);

/// The bits of a bitmap, one after the other.
pub(super) struct Bits<'a> {
    words: std::slice::Iter<'a, u64>,
    /// The bit of the run, and how many words of it are left.
    run: (bool, u64),
    /// How many words are left that follow as they are.
    literals: u64,
    /// The current word, and how many of its bits are left.
    word: (u64, u32),
}

impl Bitmap {
    /// Reads the next bitmap, which has to end before this many bytes are left.
    pub(super) fn read(content: &mut Content<'_>, end: u64) -> Result<Self, ReadError> {
        let _bits = content.number()?;
        let words = u64::from(content.number()?);
        if words * 8 > content.left().saturating_sub(end) {
            return Err(content.damaged(CUT_SHORT));
        }
        let mut bitmap = Vec::new();
        for _ in 0..words {
            let (high, low) = (content.number()?, content.number()?);
            bitmap.push(u64::from(high) << 32 | u64::from(low));
        }
        let _last_run = content.number()?;
        Ok(Self(bitmap))
    }

    pub(super) fn bits(&self) -> Bits<'_> {
        Bits { words: self.0.iter(), run: (false, 0), literals: 0, word: (0, 0) }
    }
}

impl Bits<'_> {
    /// The next bit; behind the last one none is set.
    pub(super) fn next_bit(&mut self) -> bool {
        if self.word.1 == 0 {
            self.word = (self.next_word(), u64::BITS);
        }
        let (word, left) = self.word;
        self.word = (word >> 1, left - 1);
        word & 1 == 1
    }

    fn next_word(&mut self) -> u64 {
        loop {
            let (bit, left) = self.run;
            if left > 0 {
                self.run = (bit, left - 1);
                return if bit { u64::MAX } else { 0 };
            }
            let Some(word) = self.words.next() else { return 0 };
            if self.literals > 0 {
                self.literals -= 1;
                return *word;
            }
            self.run = (word & 1 == 1, word >> 1 & ((1 << RUN_BITS) - 1));
            self.literals = word >> (1 + RUN_BITS) & ((1 << LITERAL_BITS) - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_words_are_read() {
        // Two words of ones, then two words as they are; a word of zeros, then one as it is.
        let words = vec![1 | 2 << 1 | 2 << 33, 0b101, 1 << 63, 1 << 1 | 1 << 33, 0b10];
        let bitmap = Bitmap(words);
        let mut bits = bitmap.bits();
        let places: Vec<_> = (0..1_000).filter(|_| bits.next_bit()).collect();
        assert_eq!(places.get(..128), Some((0..128).collect::<Vec<_>>().as_slice()));
        assert_eq!(places.get(128..), Some([128, 130, 255, 321].as_slice()));
    }
}
