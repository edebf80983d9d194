//! What a reading thread works with: the store's settings and hashing threads, the batch, and reusable buffers.

use std::cell::RefCell;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use stocktake_content::{Batch, HashPool};
use stocktake_net::rate_limit::{LARGEST_STEP, RateLimiter};

use crate::memory::Memory;
use crate::pools::Pools;

/// The size of a buffer in bytes.
pub(crate) const BUFFER_BYTES: usize = LARGEST_STEP;

/// How the repositories of a folder are read.
#[derive(Debug, Clone)]
pub struct GitSettings {
    /// The folder. Nothing outside it is ever opened, whatever links and alternates say.
    pub root: PathBuf,
    /// How many repositories are read at the same time.
    pub readers: NonZeroUsize,
    /// The most bytes read per second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// How much of a repository is read.
    pub integrity: Integrity,
    /// In each how many verifications of a repository every object is compared with its id.
    pub deep_every: NonZeroUsize,
    /// The bytes of memory that the tables of objects may take, of all repositories together that are read at once. What
    /// goes beyond is read from the files in several passes.
    pub memory: u64,
}

impl GitSettings {
    /// The usual value of [`GitSettings::deep_every`].
    pub const DEEP_EVERY: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    /// The usual value of [`GitSettings::memory`]: with it the process stays below 500 MiB for ten million objects.
    pub const MEMORY: u64 = 400 * 1024 * 1024;
}

/// How much of a repository is read. Each level includes those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Integrity {
    /// Refs alone.
    Refs,
    /// Refs and objects: each file that contains objects, or an index of them, is read as a whole and compared with
    /// the checksum in it or in its name, and the object of each ref is looked up.
    Objects,
    /// Besides, every object that can be reached exists and is of the expected type.
    #[default]
    Connected,
}

/// What the store shares with its reading threads.
pub(crate) struct StoreContext {
    pub(crate) settings: GitSettings,
    pub(crate) pool: Arc<HashPool>,
    pub(crate) limiter: Option<RateLimiter>,
    /// What was found of the objects of alternates.
    pub(crate) pools: Pools,
    pub(crate) memory: Memory,
}

/// What one reading thread works with.
pub(crate) struct ReaderContext<'store> {
    pub(crate) store: &'store StoreContext,
    pub(crate) batch: &'store Batch,
    buffers: RefCell<Vec<Buffer>>,
}

impl<'store> ReaderContext<'store> {
    pub(crate) fn new(store: &'store StoreContext, batch: &'store Batch) -> Self {
        Self { store, batch, buffers: RefCell::default() }
    }

    /// An empty buffer.
    pub(crate) fn take_buffer(&self) -> Buffer {
        let kept = self.buffers.borrow_mut().pop();
        kept.unwrap_or_else(|| Buffer { bytes: vec![0; BUFFER_BYTES].into_boxed_slice(), filled: 0 })
    }

    /// Keeps a buffer for the next caller of [`ReaderContext::take_buffer`].
    pub(crate) fn keep_buffer(&self, mut buffer: Buffer) {
        buffer.filled = 0;
        self.buffers.borrow_mut().push(buffer);
    }
}

/// Holds a chunk of a file, or several small files.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The number of bytes that can still be added.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// The next `count` bytes that have not been filled, or as many as there are.
    pub(crate) fn unfilled(&mut self, count: usize) -> &mut [u8] {
        let end = self.filled + count.min(self.remaining());
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Marks this many more bytes as filled.
    pub(crate) fn add_filled(&mut self, count: usize) {
        self.filled += count.min(self.remaining());
    }

    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }
}
