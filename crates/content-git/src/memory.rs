//! How much memory the tables of objects may take, of all repositories together that a store reads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of it, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<AtomicU64>);

/// Memory that is in use until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    /// How many bytes may be used.
    pub(crate) bytes: u64,
    /// How many of them were taken from what was left.
    taken: u64,
}

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// This many bytes; `None` if so many are not left.
    pub(crate) fn hold(&self, bytes: u64) -> Option<Held> {
        let taken = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).ok()?;
        Some(Held { memory: self.clone(), bytes, taken: bytes })
    }

    /// As many of the bytes that are wanted as are left, but no fewer than `least`: those every repository may take that
    /// is read, however little is left.
    pub(crate) fn hold_up_to(&self, wanted: u64, least: u64) -> Held {
        let mut bytes = wanted;
        while bytes > least {
            if let Some(held) = self.hold(bytes) {
                return held;
            }
            bytes /= 2;
        }
        Held { memory: self.clone(), bytes: least.min(wanted), taken: 0 }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_all_is_given_back() {
        let memory = Memory::new(100);
        let first = memory.hold(60).unwrap();
        assert!(memory.hold(41).is_none());
        let second = memory.hold_up_to(70, 1);
        assert_eq!(second.bytes, 35);
        let third = memory.hold_up_to(1_000, 20);
        assert_eq!((third.bytes, third.taken), (20, 0));
        assert_eq!(memory.hold_up_to(3, 20).bytes, 3);
        drop((first, second, third));
        assert_eq!(memory.hold(100).unwrap().bytes, 100);
    }
}
