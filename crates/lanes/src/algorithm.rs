//! What the scheduler needs of a digest algorithm.

use std::fmt;

use crate::level::Instructions;
use crate::vectors::Streams;
use crate::{BLOCK_BYTES, LANES, Level};

/// A digest algorithm: [`Sha256`](crate::Sha256), whose `Digest` is `[u8; 32]`, or [`Md5`](crate::Md5), whose `Digest` is
/// `[u8; 16]`.
pub trait Algorithm: Compression {}

/// The compression function of an algorithm over blocks of 64 bytes whose state is made of words of 32 bits.
///
/// Nobody outside can name it, so that nobody outside implements it.
pub trait Compression: Sized {
    /// The digest, in its usual order of bytes.
    type Digest: AsRef<[u8]> + Copy + Eq + fmt::Debug;
    /// The words of one message.
    type State: AsRef<[u32]> + AsMut<[u32]> + Copy;
    /// For each word, that of each lane.
    type States: AsRef<[[u32; LANES]]> + AsMut<[[u32; LANES]]>;

    /// The state of a message of which nothing has been hashed.
    const INITIAL: Self::State;
    /// The states of lanes that no message has had yet.
    const ZEROED: Self::States;

    /// The level at which it is fastest on a machine whose highest level is this.
    fn recommended(highest: Level) -> Level;

    /// From how many filled lanes on a step of all lanes costs less than these messages one after another.
    fn break_even(level: Level) -> usize;

    /// Hashes blocks of one message.
    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK_BYTES]]);

    /// Hashes this many blocks of each lane. No stream may be shorter.
    fn compress_lanes(
        instructions: Instructions,
        states: &mut Self::States,
        streams: &Streams<'_>,
        blocks: usize,
    );

    /// The length of a message, as the padding has it.
    fn encode_length(bits: u64) -> [u8; 8];

    /// The digest of a message whose last block has been hashed.
    fn digest(state: &Self::State) -> Self::Digest;
}

impl Level {
    /// The level at which this algorithm is fastest on this machine, by what was measured: AVX2 by the
    /// benchmark of this crate, AVX-512 by a trial before it was written (ADR 18).
    pub fn recommended<A: Algorithm>() -> Self {
        A::recommended(Self::highest())
    }
}
