//! SHA-256 (FIPS 180-4) of sixteen messages at once.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled without the instructions of its level"
)]

use fearless_simd::{Simd, prelude::*};

use crate::algorithm::{Algorithm, Compression};
use crate::level::{Instructions, with_instructions};
use crate::vectors::{Streams, Words, big_endian, blocks_at, rotate_left, transpose};
use crate::{BLOCK_BYTES, LANES, Level};

/// The algorithm SHA-256, whose digests have 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256;

/// The constants of the rounds, 16 for each pass over the message schedule.
const ROUND_CONSTANTS: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

impl Algorithm for Sha256 {}

impl Compression for Sha256 {
    type Digest = [u8; 32];
    type State = [u32; 8];
    type States = [[u32; LANES]; 8];

    const INITIAL: Self::State = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const ZEROED: Self::States = [[0; LANES]; 8];

    fn recommended(highest: Level) -> Level {
        match highest {
            Level::Avx512 => Level::Avx512,
            _ => Level::Serial,
        }
    }

    fn break_even(level: Level) -> usize {
        match level {
            Level::Avx512 => 9,
            _ => LANES,
        }
    }

    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK_BYTES]]) {
        sha2::block_api::compress256(state, blocks);
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
        bits.to_be_bytes()
    }

    fn digest(state: &Self::State) -> Self::Digest {
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// One round. The caller names the variables in rotated order instead of moving their values.
macro_rules! round {
    ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident, $word:expr, $constant:expr) => {
        let sum = $h + big_sigma1($e) + choose($e, $f, $g) + ($word + $constant);
        $d += sum;
        $h = sum + big_sigma0($a) + majority($a, $b, $c);
    };
}

#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]
fn compress_vectors<S: Simd>(simd: S, states: &mut [[u32; LANES]; 8], streams: &Streams<'_>, blocks: usize) {
    let mut state = states.map(|words| Words::simd_from(simd, words));
    for index in 0..blocks {
        let Some(rows) = blocks_at(streams, index) else { break };
        let mut w = transpose(rows.map(|block| big_endian(simd, block)));
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for (pass, k) in ROUND_CONSTANTS.iter().enumerate() {
            if pass > 0 {
                extend(&mut w);
            }
            round!(a, b, c, d, e, f, g, h, w[0], k[0]);
            round!(h, a, b, c, d, e, f, g, w[1], k[1]);
            round!(g, h, a, b, c, d, e, f, w[2], k[2]);
            round!(f, g, h, a, b, c, d, e, w[3], k[3]);
            round!(e, f, g, h, a, b, c, d, w[4], k[4]);
            round!(d, e, f, g, h, a, b, c, w[5], k[5]);
            round!(c, d, e, f, g, h, a, b, w[6], k[6]);
            round!(b, c, d, e, f, g, h, a, w[7], k[7]);
            round!(a, b, c, d, e, f, g, h, w[8], k[8]);
            round!(h, a, b, c, d, e, f, g, w[9], k[9]);
            round!(g, h, a, b, c, d, e, f, w[10], k[10]);
            round!(f, g, h, a, b, c, d, e, w[11], k[11]);
            round!(e, f, g, h, a, b, c, d, w[12], k[12]);
            round!(d, e, f, g, h, a, b, c, w[13], k[13]);
            round!(c, d, e, f, g, h, a, b, w[14], k[14]);
            round!(b, c, d, e, f, g, h, a, w[15], k[15]);
        }
        let [a0, b0, c0, d0, e0, f0, g0, h0] = state;
        state = [a + a0, b + b0, c + c0, d + d0, e + e0, f + f0, g + g0, h + h0];
    }
    *states = state.map(Into::into);
}

/// The next sixteen words of the message schedule, in place of the last sixteen.
#[inline(always)]
fn extend<S: Simd>(w: &mut [Words<S>; 16]) {
    w[0] += small_sigma0(w[1]) + w[9] + small_sigma1(w[14]);
    w[1] += small_sigma0(w[2]) + w[10] + small_sigma1(w[15]);
    w[2] += small_sigma0(w[3]) + w[11] + small_sigma1(w[0]);
    w[3] += small_sigma0(w[4]) + w[12] + small_sigma1(w[1]);
    w[4] += small_sigma0(w[5]) + w[13] + small_sigma1(w[2]);
    w[5] += small_sigma0(w[6]) + w[14] + small_sigma1(w[3]);
    w[6] += small_sigma0(w[7]) + w[15] + small_sigma1(w[4]);
    w[7] += small_sigma0(w[8]) + w[0] + small_sigma1(w[5]);
    w[8] += small_sigma0(w[9]) + w[1] + small_sigma1(w[6]);
    w[9] += small_sigma0(w[10]) + w[2] + small_sigma1(w[7]);
    w[10] += small_sigma0(w[11]) + w[3] + small_sigma1(w[8]);
    w[11] += small_sigma0(w[12]) + w[4] + small_sigma1(w[9]);
    w[12] += small_sigma0(w[13]) + w[5] + small_sigma1(w[10]);
    w[13] += small_sigma0(w[14]) + w[6] + small_sigma1(w[11]);
    w[14] += small_sigma0(w[15]) + w[7] + small_sigma1(w[12]);
    w[15] += small_sigma0(w[0]) + w[8] + small_sigma1(w[13]);
}

#[inline(always)]
fn small_sigma0<S: Simd>(x: Words<S>) -> Words<S> {
    rotate_left::<S, 25>(x) ^ rotate_left::<S, 14>(x) ^ (x >> 3)
}

#[inline(always)]
fn small_sigma1<S: Simd>(x: Words<S>) -> Words<S> {
    rotate_left::<S, 15>(x) ^ rotate_left::<S, 13>(x) ^ (x >> 10)
}

#[inline(always)]
fn big_sigma0<S: Simd>(x: Words<S>) -> Words<S> {
    rotate_left::<S, 30>(x) ^ rotate_left::<S, 19>(x) ^ rotate_left::<S, 10>(x)
}

#[inline(always)]
fn big_sigma1<S: Simd>(x: Words<S>) -> Words<S> {
    rotate_left::<S, 26>(x) ^ rotate_left::<S, 21>(x) ^ rotate_left::<S, 7>(x)
}

#[inline(always)]
fn choose<S: Simd>(x: Words<S>, y: Words<S>, z: Words<S>) -> Words<S> {
    z ^ (x & (y ^ z))
}

#[inline(always)]
fn majority<S: Simd>(x: Words<S>, y: Words<S>, z: Words<S>) -> Words<S> {
    (x & y) | (z & (x | y))
}
