//! A bounded number of reused buffers for what is read.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::limiter::LARGEST_STEP;
use crate::sync::lock;

/// The size of a buffer in bytes: a batch of small files, or a piece of a large one.
pub(super) const BUFFER_BYTES: usize = LARGEST_STEP;

/// The buffers of one store.
///
/// There are never more than one for each reader and those on their way through the hashing pool, of which
/// there are at most two for each hashing thread. So readers run ahead of the hashing only as far as it needs
/// to be kept busy: on data in memory few of them work at a time, on a slow storage all of them.
#[derive(Debug)]
pub(super) struct Buffers {
    state: Mutex<State>,
    changed: Condvar,
    max_handed_over: usize,
    max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The one used last is taken first: its memory is still in the processor's cache.
    free: Vec<Box<[u8]>>,
    made: usize,
    handed_over: usize,
}

/// A buffer that goes back when it is dropped. As bytes it is what it was filled with.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    handed_over: bool,
    home: Arc<Buffers>,
}

impl Buffers {
    pub(super) fn new(readers: NonZeroUsize, hashing_threads: NonZeroUsize) -> Arc<Self> {
        let max_handed_over = hashing_threads.get() * 2;
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_handed_over,
            max: readers.get() + max_handed_over,
        })
    }

    /// An empty buffer, as soon as the hashing is not too far behind.
    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let mut state = lock(&self.state);
        while state.handed_over >= self.max_handed_over || (state.free.is_empty() && state.made >= self.max) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = state.free.pop().unwrap_or_else(|| {
            state.made += 1;
            Box::default()
        });
        drop(state);
        let bytes = if bytes.is_empty() { vec![0; BUFFER_BYTES].into_boxed_slice() } else { bytes };
        Buffer { bytes, filled: 0, handed_over: false, home: Arc::clone(self) }
    }

    /// How many buffers there are.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        lock(&self.state).made
    }
}

impl Buffer {
    /// The bytes filled so far.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// The part that is not filled yet.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Marks this many more bytes as filled.
    pub(super) fn add_filled(&mut self, count: usize) {
        self.filled = self.bytes.len().min(self.filled + count);
    }

    /// Forgets what was filled behind this.
    pub(super) fn truncate(&mut self, filled: usize) {
        self.filled = self.filled.min(filled);
    }

    /// Marks the buffer as on its way through the hashing pool.
    pub(super) fn hand_over(mut self) -> Self {
        if !self.handed_over {
            self.handed_over = true;
            lock(&self.home.state).handed_over += 1;
        }
        self
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut state = lock(&self.home.state);
        state.free.push(std::mem::take(&mut self.bytes));
        if self.handed_over {
            state.handed_over -= 1;
        }
        drop(state);
        self.home.changed.notify_one();
    }
}
