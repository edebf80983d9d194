//! MD5 (RFC 1321) of sixteen messages at once.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled without the instructions of its level"
)]

use fearless_simd::{Simd, prelude::*};

use crate::algorithm::{Algorithm, Compression};
use crate::level::{Instructions, with_instructions};
use crate::vectors::{Streams, Words, blocks_at, little_endian, rotate_left, transpose};
use crate::{BLOCK_BYTES, LANES, Level};

/// The algorithm MD5, whose digests have 16 bytes. It tells accidental changes only: collisions are made in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5;

impl Algorithm for Md5 {}

impl Compression for Md5 {
    type Digest = [u8; 16];
    type State = [u32; 4];
    type States = [[u32; LANES]; 4];

    const INITIAL: Self::State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    const ZEROED: Self::States = [[0; LANES]; 4];

    fn recommended(highest: Level) -> Level {
        match highest {
            Level::Avx512 | Level::Avx2 => highest,
            _ => Level::Serial,
        }
    }

    fn break_even(level: Level) -> usize {
        match level {
            Level::Avx2 => 3,
            Level::Avx512 => 5,
            _ => LANES,
        }
    }

    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK_BYTES]]) {
        md5::block_api::compress(state, blocks);
    }

    fn compress_lanes(
        instructions: Instructions,
        states: &mut Self::States,
        streams: &Streams<'_>,
        blocks: usize,
    ) {
        with_instructions!(instructions, simd => compress_vectors(simd, states, streams, blocks));
    }

    fn encode_length(bits: u64) -> [u8; 8] {
        bits.to_le_bytes()
    }

    fn digest(state: &Self::State) -> Self::Digest {
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }
}

/// One step of a round. The caller names the variables in rotated order instead of moving their values.
macro_rules! round {
    ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $constant:literal, $bits:literal) => {
        $a = $b + rotate_left::<S, $bits>($function($a + ($word + $constant), $b, $c, $d));
    };
}

#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "the names of RFC 1321")]
#[expect(clippy::too_many_lines, reason = "a line for each step")]
fn compress_vectors<S: Simd>(simd: S, states: &mut [[u32; LANES]; 4], streams: &Streams<'_>, blocks: usize) {
    let mut state = states.map(|words| Words::simd_from(simd, words));
    for index in 0..blocks {
        let Some(rows) = blocks_at(streams, index) else { break };
        let w = transpose(rows.map(|block| little_endian(simd, block)));
        let [mut a, mut b, mut c, mut d] = state;
        round!(first, a, b, c, d, w[0], 0xd76a_a478, 7);
        round!(first, d, a, b, c, w[1], 0xe8c7_b756, 12);
        round!(first, c, d, a, b, w[2], 0x2420_70db, 17);
        round!(first, b, c, d, a, w[3], 0xc1bd_ceee, 22);
        round!(first, a, b, c, d, w[4], 0xf57c_0faf, 7);
        round!(first, d, a, b, c, w[5], 0x4787_c62a, 12);
        round!(first, c, d, a, b, w[6], 0xa830_4613, 17);
        round!(first, b, c, d, a, w[7], 0xfd46_9501, 22);
        round!(first, a, b, c, d, w[8], 0x6980_98d8, 7);
        round!(first, d, a, b, c, w[9], 0x8b44_f7af, 12);
        round!(first, c, d, a, b, w[10], 0xffff_5bb1, 17);
        round!(first, b, c, d, a, w[11], 0x895c_d7be, 22);
        round!(first, a, b, c, d, w[12], 0x6b90_1122, 7);
        round!(first, d, a, b, c, w[13], 0xfd98_7193, 12);
        round!(first, c, d, a, b, w[14], 0xa679_438e, 17);
        round!(first, b, c, d, a, w[15], 0x49b4_0821, 22);
        round!(second, a, b, c, d, w[1], 0xf61e_2562, 5);
        round!(second, d, a, b, c, w[6], 0xc040_b340, 9);
        round!(second, c, d, a, b, w[11], 0x265e_5a51, 14);
        round!(second, b, c, d, a, w[0], 0xe9b6_c7aa, 20);
        round!(second, a, b, c, d, w[5], 0xd62f_105d, 5);
        round!(second, d, a, b, c, w[10], 0x0244_1453, 9);
        round!(second, c, d, a, b, w[15], 0xd8a1_e681, 14);
        round!(second, b, c, d, a, w[4], 0xe7d3_fbc8, 20);
        round!(second, a, b, c, d, w[9], 0x21e1_cde6, 5);
        round!(second, d, a, b, c, w[14], 0xc337_07d6, 9);
        round!(second, c, d, a, b, w[3], 0xf4d5_0d87, 14);
        round!(second, b, c, d, a, w[8], 0x455a_14ed, 20);
        round!(second, a, b, c, d, w[13], 0xa9e3_e905, 5);
        round!(second, d, a, b, c, w[2], 0xfcef_a3f8, 9);
        round!(second, c, d, a, b, w[7], 0x676f_02d9, 14);
        round!(second, b, c, d, a, w[12], 0x8d2a_4c8a, 20);
        round!(third, a, b, c, d, w[5], 0xfffa_3942, 4);
        round!(third, d, a, b, c, w[8], 0x8771_f681, 11);
        round!(third, c, d, a, b, w[11], 0x6d9d_6122, 16);
        round!(third, b, c, d, a, w[14], 0xfde5_380c, 23);
        round!(third, a, b, c, d, w[1], 0xa4be_ea44, 4);
        round!(third, d, a, b, c, w[4], 0x4bde_cfa9, 11);
        round!(third, c, d, a, b, w[7], 0xf6bb_4b60, 16);
        round!(third, b, c, d, a, w[10], 0xbebf_bc70, 23);
        round!(third, a, b, c, d, w[13], 0x289b_7ec6, 4);
        round!(third, d, a, b, c, w[0], 0xeaa1_27fa, 11);
        round!(third, c, d, a, b, w[3], 0xd4ef_3085, 16);
        round!(third, b, c, d, a, w[6], 0x0488_1d05, 23);
        round!(third, a, b, c, d, w[9], 0xd9d4_d039, 4);
        round!(third, d, a, b, c, w[12], 0xe6db_99e5, 11);
        round!(third, c, d, a, b, w[15], 0x1fa2_7cf8, 16);
        round!(third, b, c, d, a, w[2], 0xc4ac_5665, 23);
        round!(fourth, a, b, c, d, w[0], 0xf429_2244, 6);
        round!(fourth, d, a, b, c, w[7], 0x432a_ff97, 10);
        round!(fourth, c, d, a, b, w[14], 0xab94_23a7, 15);
        round!(fourth, b, c, d, a, w[5], 0xfc93_a039, 21);
        round!(fourth, a, b, c, d, w[12], 0x655b_59c3, 6);
        round!(fourth, d, a, b, c, w[3], 0x8f0c_cc92, 10);
        round!(fourth, c, d, a, b, w[10], 0xffef_f47d, 15);
        round!(fourth, b, c, d, a, w[1], 0x8584_5dd1, 21);
        round!(fourth, a, b, c, d, w[8], 0x6fa8_7e4f, 6);
        round!(fourth, d, a, b, c, w[15], 0xfe2c_e6e0, 10);
        round!(fourth, c, d, a, b, w[6], 0xa301_4314, 15);
        round!(fourth, b, c, d, a, w[13], 0x4e08_11a1, 21);
        round!(fourth, a, b, c, d, w[4], 0xf753_7e82, 6);
        round!(fourth, d, a, b, c, w[11], 0xbd3a_f235, 10);
        round!(fourth, c, d, a, b, w[2], 0x2ad7_d2bb, 15);
        round!(fourth, b, c, d, a, w[9], 0xeb86_d391, 21);
        let [a0, b0, c0, d0] = state;
        state = [a + a0, b + b0, c + c0, d + d0];
    }
    *states = state.map(Into::into);
}

// Each adds its round's function of `b`, `c` and `d` to `a`, with `b`, which the step before has just calculated, last.

#[inline(always)]
fn first<S: Simd>(a: Words<S>, b: Words<S>, c: Words<S>, d: Words<S>) -> Words<S> {
    a + (d ^ (b & (c ^ d)))
}

#[inline(always)]
fn second<S: Simd>(a: Words<S>, b: Words<S>, c: Words<S>, d: Words<S>) -> Words<S> {
    (a + (c & !d)) + (b & d)
}

#[inline(always)]
fn third<S: Simd>(a: Words<S>, b: Words<S>, c: Words<S>, d: Words<S>) -> Words<S> {
    a + (b ^ (c ^ d))
}

#[inline(always)]
fn fourth<S: Simd>(a: Words<S>, b: Words<S>, c: Words<S>, d: Words<S>) -> Words<S> {
    a + (c ^ (b | !d))
}
