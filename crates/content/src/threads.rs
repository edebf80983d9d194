//! Named threads with small stacks, and locks that outlive a panic.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Nothing recurses deeply, and there may be many readers.
const STACK_BYTES: usize = 512 * 1024;

/// Locks a mutex even if a thread panicked while it held the lock. For locks under which nothing is called that
/// could panic halfway through a change.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a detached thread.
pub fn try_spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(work).map(drop)
}
