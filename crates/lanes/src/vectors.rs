//! Sixteen blocks as vectors: word by word instead of message by message.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled without the instructions of its level"
)]

use fearless_simd::prelude::*;
use fearless_simd::{u8x64, u32x16};

use crate::{BLOCK_BYTES, LANES};

/// A word of each of the messages.
pub(crate) type Words<S> = u32x16<S>;

/// For each lane, the blocks that are its message's next ones.
pub(crate) type Streams<'a> = [&'a [[u8; BLOCK_BYTES]]; LANES];

/// Where each byte of a vector comes from that swaps the bytes of each of its words.
const SWAPPED: [u8; BLOCK_BYTES] = {
    let mut from = [0; BLOCK_BYTES];
    let mut word = 0_u8;
    let mut rest: &mut [u8] = &mut from;
    while let [a, b, c, d, behind @ ..] = rest {
        // Within 16 bytes, which is how far a byte is moved.
        [*a, *b, *c, *d] = [word + 3, word + 2, word + 1, word];
        word = (word + 4) % 16;
        rest = behind;
    }
    from
};

/// The words of a block, little-endian.
#[inline(always)]
pub(crate) fn little_endian<S: Simd>(simd: S, block: &[u8; BLOCK_BYTES]) -> Words<S> {
    u8x64::simd_from(simd, *block).bitcast()
}

/// The words of a block, big-endian.
#[inline(always)]
pub(crate) fn big_endian<S: Simd>(simd: S, block: &[u8; BLOCK_BYTES]) -> Words<S> {
    let swapped = u8x64::simd_from(simd, SWAPPED);
    u8x64::simd_from(simd, *block).swizzle_dyn_within_blocks(swapped).bitcast()
}

/// Transposes sixteen vectors of sixteen words.
///
/// An interleave of the vectors `i` and `i + 8` into `2 i` and `2 i + 1` rotates the eight bits of a word's address,
/// which are those of its vector and those of its place in it, by one. Four times exchange vector and place.
#[inline(always)]
pub(crate) fn transpose<S: Simd>(rows: [Words<S>; LANES]) -> [Words<S>; LANES] {
    interleave(interleave(interleave(interleave(rows))))
}

#[inline(always)]
fn interleave<S: Simd>(rows: [Words<S>; LANES]) -> [Words<S>; LANES] {
    let (r0, r1) = rows[0].interleave(rows[8]);
    let (r2, r3) = rows[1].interleave(rows[9]);
    let (r4, r5) = rows[2].interleave(rows[10]);
    let (r6, r7) = rows[3].interleave(rows[11]);
    let (r8, r9) = rows[4].interleave(rows[12]);
    let (r10, r11) = rows[5].interleave(rows[13]);
    let (r12, r13) = rows[6].interleave(rows[14]);
    let (r14, r15) = rows[7].interleave(rows[15]);
    [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15]
}

/// Rotates each word to the left. `BITS` is more than 0 and less than 32.
#[inline(always)]
pub(crate) fn rotate_left<S: Simd, const BITS: u32>(word: Words<S>) -> Words<S> {
    (word << BITS) | (word >> (32 - BITS))
}

/// The block of each stream at this index, or `None` if one has ended.
#[inline(always)]
pub(crate) fn blocks_at<'a>(streams: &Streams<'a>, index: usize) -> Option<[&'a [u8; BLOCK_BYTES]; LANES]> {
    const NONE: &[u8; BLOCK_BYTES] = &[0; BLOCK_BYTES];
    let mut blocks = [NONE; LANES];
    for (block, stream) in blocks.iter_mut().zip(streams) {
        *block = stream.get(index)?;
    }
    Some(blocks)
}
