//! One message: its chunks as blocks, its padding, and what was hashed of it.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::Range;

use crate::BLOCK_BYTES;
use crate::algorithm::{Algorithm, Compression};

/// Where in the last block of the padding the length of the message begins.
const LENGTH_AT: usize = BLOCK_BYTES - size_of::<u64>();

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There was nothing to hash of it when it was last looked at.
    Waiting,
    /// In the queue for a lane.
    Queued,
    /// In this lane.
    Lane(usize),
}

/// What [`Message::advance`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// There are blocks to hash.
    Blocks,
    /// There are none until the next chunk comes.
    Waits,
    /// All have been hashed, those of the padding too.
    Ended,
}

/// A message, `B` its chunks.
pub(crate) struct Message<C: Compression, B> {
    /// What has been hashed, unless it is in a lane.
    pub(crate) state: C::State,
    pub(crate) place: Place,
    chunks: VecDeque<B>,
    /// How many bytes of the first chunk have been taken.
    position: usize,
    /// A block that lies in several chunks, or the padding with the end of the message before it.
    assembled: [[u8; BLOCK_BYTES]; 2],
    /// How much of its first block has been filled.
    filled: usize,
    /// The blocks of it that are complete and have not been hashed.
    complete: Range<usize>,
    /// In bytes.
    length: u64,
    is_finished: bool,
    is_padded: bool,
}

impl<C: Compression, B: AsRef<[u8]>> Message<C, B> {
    pub(crate) fn new() -> Self {
        Self {
            state: C::INITIAL,
            place: Place::Waiting,
            chunks: VecDeque::new(),
            position: 0,
            assembled: [[0; BLOCK_BYTES]; 2],
            filled: 0,
            complete: 0..0,
            length: 0,
            is_finished: false,
            is_padded: false,
        }
    }

    /// Makes it an empty message that keeps its memory.
    pub(crate) fn reset(&mut self) {
        let mut chunks = mem::take(&mut self.chunks);
        chunks.clear();
        *self = Self { chunks, ..Self::new() };
    }

    /// Hashes alone what was pushed and not hashed, as far as it makes blocks.
    fn hash(&mut self) {
        while self.advance() == Next::Blocks {
            let (mut state, blocks) = (self.state, self.blocks());
            C::compress(&mut state, blocks);
            let count = blocks.len();
            self.state = state;
            self.take(count);
        }
    }

    pub(crate) fn push(&mut self, chunk: B) {
        let bytes = chunk.as_ref().len();
        if bytes > 0 {
            // A usize has no more bits than a u64 on any target of Rust.
            self.length = self.length.wrapping_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            self.chunks.push_back(chunk);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Whether there is a chunk of which not everything has been taken.
    pub(crate) fn has_chunk(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// The blocks to hash next, as far as they lie one behind the other.
    pub(crate) fn blocks(&self) -> &[[u8; BLOCK_BYTES]] {
        if !self.complete.is_empty() {
            return self.assembled.get(self.complete.clone()).unwrap_or_default();
        }
        if self.filled > 0 {
            return &[];
        }
        self.rest().as_chunks().0
    }

    /// Takes this many of [`Message::blocks`].
    pub(crate) fn take(&mut self, blocks: usize) {
        if self.complete.is_empty() {
            self.position += blocks * BLOCK_BYTES;
        } else {
            self.complete.start += blocks;
        }
    }

    /// Makes [`Message::blocks`] return something, if there is anything. Drops chunks of which everything has been taken.
    pub(crate) fn advance(&mut self) -> Next {
        loop {
            if !self.blocks().is_empty() {
                return Next::Blocks;
            }
            if self.has_chunk() {
                self.assemble();
            } else if !self.is_finished {
                return Next::Waits;
            } else if self.is_padded {
                return Next::Ended;
            } else {
                self.pad();
            }
        }
    }

    /// What has not been taken of the first chunk.
    fn rest(&self) -> &[u8] {
        self.chunks.front().and_then(|chunk| chunk.as_ref().get(self.position..)).unwrap_or_default()
    }

    /// Takes the bytes of the first chunk that do not make a block, and as many as complete one with those before.
    fn assemble(&mut self) {
        let Some(chunk) = self.chunks.front() else { return };
        let rest = chunk.as_ref().get(self.position..).unwrap_or_default();
        let [block, _] = &mut self.assembled;
        let free = block.get_mut(self.filled..).unwrap_or_default();
        let count = free.len().min(rest.len());
        for (to, from) in free.iter_mut().zip(rest) {
            *to = *from;
        }
        let chunk_ends = count == rest.len();
        self.position += count;
        self.filled += count;
        if chunk_ends {
            self.chunks.pop_front();
            self.position = 0;
        }
        if self.filled == BLOCK_BYTES {
            self.filled = 0;
            self.complete = 0..1;
        }
    }

    /// Appends the padding: a bit, zeros, and the length in bits.
    fn pad(&mut self) {
        let [first, second] = &mut self.assembled;
        *second = [0; BLOCK_BYTES];
        let (last, blocks) = if self.filled < LENGTH_AT { (&mut *first, 1) } else { (second, 2) };
        if let Some((_, length)) = last.split_last_chunk_mut() {
            *length = C::encode_length(self.length.wrapping_mul(8));
        }
        let zeros = if blocks == 1 { LENGTH_AT } else { BLOCK_BYTES };
        if let Some([bit, zeros @ ..]) = first.get_mut(self.filled..zeros) {
            *bit = 0x80;
            zeros.fill(0);
        }
        self.filled = 0;
        self.complete = 0..blocks;
        self.is_padded = true;
    }
}

impl<A: Algorithm, B: AsRef<[u8]>> Message<A, B> {
    /// Makes an empty message go on behind what was hashed of another.
    pub(crate) fn go_on(&mut self, progress: &Progress<A>) {
        let [rest, _] = &mut self.assembled;
        *rest = progress.rest;
        (self.state, self.filled, self.length) = (progress.state, progress.filled, progress.length);
    }

    /// What was hashed of it, with what was pushed.
    pub(crate) fn into_progress(mut self) -> Progress<A> {
        self.hash();
        let Self { state, assembled: [rest, _], filled, length, .. } = self;
        Progress { state, rest, filled, length }
    }
}

/// What was hashed of a message so far. The message goes on with it in any scheduler ([`Lanes::resume`](crate::Lanes::resume)),
/// on any thread, or alone.
///
/// ```
/// use stocktake_lanes::{Progress, Sha256};
///
/// let mut alone = Progress::<Sha256>::new();
/// alone.update(b"ab");
/// alone.update(b"c");
/// assert_eq!(alone.finish()[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
#[derive(Clone)]
pub struct Progress<A: Algorithm> {
    state: A::State,
    /// The last bytes, which do not make a block.
    rest: [u8; BLOCK_BYTES],
    filled: usize,
    /// In bytes.
    length: u64,
}

impl<A: Algorithm> Progress<A> {
    /// Of a message of which nothing has been hashed.
    pub fn new() -> Self {
        Self { state: A::INITIAL, rest: [0; BLOCK_BYTES], filled: 0, length: 0 }
    }

    /// Hashes the next bytes, as `sha2` and `md-5` do.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut message = Message::<A, &[u8]>::new();
        message.go_on(self);
        message.push(bytes);
        *self = message.into_progress();
    }

    /// The digest.
    pub fn finish(self) -> A::Digest {
        let mut message = Message::<A, &[u8]>::new();
        message.go_on(&self);
        message.finish();
        A::digest(&message.into_progress().state)
    }
}

impl<A: Algorithm> Default for Progress<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Algorithm> fmt::Debug for Progress<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("length", &self.length).finish_non_exhaustive()
    }
}
