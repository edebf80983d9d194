//! A bounded number of reused buffers for reading.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::threads::lock;

/// The size of a buffer in bytes. It holds several small files, or a chunk of a large one.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// The buffers of a pool of readers.
///
/// There is at most one for each reader, and two for each hashing thread that are in flight through the hashing
/// pool. So readers run ahead of the hashing only as far as is needed to keep it busy: few of them at a time if the
/// data is cached, all of them on a slow storage.
#[derive(Debug)]
pub struct BufferPool {
    state: Mutex<State>,
    changed: Condvar,
    max_in_flight: usize,
    max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The one that was used last is taken first: its memory is still in the processor's cache.
    free: Vec<Box<[u8]>>,
    allocated: usize,
    in_flight: usize,
}

/// A buffer that returns to its pool when it is dropped. `AsRef` gives its filled part.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    in_flight: bool,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// For this many readers and hashing threads.
    pub(crate) fn new(readers: NonZeroUsize, hashing_threads: NonZeroUsize) -> Arc<Self> {
        let max_in_flight = hashing_threads.get() * 2;
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_in_flight,
            max: readers.get() + max_in_flight,
        })
    }

    /// Waits for an empty buffer if too many are in flight.
    pub fn take(self: &Arc<Self>) -> Buffer {
        let mut state = lock(&self.state);
        while state.in_flight >= self.max_in_flight || (state.free.is_empty() && state.allocated >= self.max)
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = state.free.pop().unwrap_or_else(|| {
            state.allocated += 1;
            Box::default()
        });
        drop(state);
        let bytes = if bytes.is_empty() { vec![0; BUFFER_BYTES].into_boxed_slice() } else { bytes };
        Buffer { bytes, filled: 0, in_flight: false, pool: Arc::clone(self) }
    }

    /// How many buffers have been allocated.
    pub fn allocated(&self) -> usize {
        lock(&self.state).allocated
    }
}

impl Buffer {
    /// The number of bytes filled so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// The part that has not been filled.
    pub fn unfilled(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Marks this many more bytes as filled.
    pub fn add_filled(&mut self, count: usize) {
        self.filled = self.bytes.len().min(self.filled + count);
    }

    /// Discards everything behind the first `filled` bytes.
    pub fn truncate(&mut self, filled: usize) {
        self.filled = self.filled.min(filled);
    }

    /// Marks the buffer as in flight through the hashing pool.
    #[must_use]
    pub fn into_in_flight(mut self) -> Self {
        if !self.in_flight {
            self.in_flight = true;
            lock(&self.pool.state).in_flight += 1;
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
        let mut state = lock(&self.pool.state);
        state.free.push(std::mem::take(&mut self.bytes));
        if self.in_flight {
            state.in_flight -= 1;
        }
        drop(state);
        self.pool.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_and_those_in_flight_are_bounded() {
        let buffers = BufferPool::new(NonZeroUsize::new(3).unwrap(), NonZeroUsize::MIN);
        let mut first = buffers.take();
        first.unfilled()[..2].copy_from_slice(b"ab");
        first.add_filled(2);
        assert_eq!(first.unfilled().len(), BUFFER_BYTES - 2);
        assert_eq!(first.as_ref(), b"ab");
        let waiting = [first.into_in_flight(), buffers.take().into_in_flight()];
        std::thread::scope(|scope| {
            // Waits until one of the two is hashed.
            let third = scope.spawn(|| buffers.take().filled());
            drop(waiting);
            assert_eq!(third.join().unwrap(), 0);
        });
        assert_eq!(buffers.allocated(), 2);
    }
}
