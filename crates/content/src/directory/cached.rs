//! Large files that lie in the page cache, read by the hashing threads themselves.
//!
//! Such reads ask the kernel not to wait for the disk (`RWF_NOWAIT`), so a storage that hangs cannot take a
//! hashing thread with it; and the bytes are hashed by the processor that copied them, which saves a seventh
//! of the time. Where the cache ends, the reading thread goes on as for any other file.

use std::cell::RefCell;
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::hasher::Hasher;
use crate::num::widen;
use crate::order::Order;
use crate::pool::HashPool;
use crate::recipe::Recipe;

/// How much is copied at a time: little enough to be still in the processor's cache when it is hashed.
const COPY_BYTES: usize = 64 * 1024;

/// How much is hashed before other tasks of the pool have their turn.
const TURN_BYTES: u64 = 16 * 1024 * 1024;

thread_local! {
    static COPY: RefCell<Box<[u8]>> = RefCell::new(vec![0; COPY_BYTES].into_boxed_slice());
}

/// A file hashed from its beginning to `position`.
pub(super) struct Hashed {
    pub(super) hasher: Hasher,
    pub(super) position: u64,
    /// Whether that is its end.
    pub(super) at_end: bool,
}

/// Hashes as much from the beginning of the file as is in the page cache; stops early when the order is
/// called off, or when the file is longer than `size`.
pub(super) fn hash_cached(
    pool: &HashPool,
    order: &Arc<Order>,
    file: &Arc<OwnedFd>,
    size: u64,
    recipe: &Recipe,
) -> Hashed {
    let mut hashed = Hashed { hasher: Hasher::new(recipe), position: 0, at_end: false };
    loop {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (order, file) = (Arc::clone(order), Arc::clone(file));
        pool.run(Box::new(move || {
            let more = hashed.advance(&order, &file, size);
            // The reading thread waits for it.
            let _received = sender.send((hashed, more));
        }));
        match receiver.recv() {
            Ok((next, true)) => hashed = next,
            Ok((next, false)) => return next,
            // The task panicked; let the reading thread begin anew.
            Err(mpsc::RecvError) => {
                return Hashed { hasher: Hasher::new(recipe), position: 0, at_end: false };
            }
        }
    }
}

impl Hashed {
    /// One turn; whether there may be more in the cache.
    fn advance(&mut self, order: &Order, file: &OwnedFd, size: u64) -> bool {
        let turn_end = self.position + TURN_BYTES;
        COPY.with_borrow_mut(|copy| {
            while self.position < turn_end {
                if order.is_called_off() || self.position > size {
                    return false;
                }
                let mut parts = [IoSliceMut::new(copy)];
                match preadv2(file, &mut parts, self.position, ReadWriteFlags::NOWAIT) {
                    Ok(0) => {
                        self.at_end = true;
                        return false;
                    }
                    Ok(count) => {
                        self.hasher.update(copy.get(..count).unwrap_or_default());
                        self.position += widen(count);
                        order.add_bytes(widen(count));
                    }
                    Err(Errno::INTR) => {}
                    // Not in the cache, or the file system cannot say; any fault shows when it is read again.
                    Err(_) => return false,
                }
            }
            true
        })
    }
}
