//! Small helpers for threads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Deep recursion happens nowhere, and there may be many readers.
const STACK_BYTES: usize = 256 * 1024;

/// Locks; what a panicking thread left behind is whole, as no lock is held over foreign code.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread that is left to itself.
#[expect(clippy::expect_used, reason = "like std::thread::spawn: without threads nothing goes on")]
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(work).expect("the system gives a thread");
}
