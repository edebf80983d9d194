//! What was hashed of a message, apart from the scheduler that did it.

use std::fmt;

use crate::BLOCK_BYTES;
use crate::algorithm::Algorithm;
use crate::message::Message;

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
    pub(crate) state: A::State,
    /// The last bytes, which do not make a block.
    pub(crate) rest: [u8; BLOCK_BYTES],
    pub(crate) filled: usize,
    /// In bytes.
    pub(crate) length: u64,
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
