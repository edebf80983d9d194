//! Named threads with small stacks, and tasks for them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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

/// What a thread of [`TaskThreads`] runs.
pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// Threads that run tasks in the order in which they were queued. When this is dropped, they run what is still
/// queued and end.
pub(crate) struct TaskThreads {
    queue: Arc<TaskQueue>,
    count: NonZeroUsize,
}

#[derive(Default)]
struct TaskQueue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    closed: bool,
}

impl TaskThreads {
    /// Starts up to `wanted` threads, named `<name>-<number>`: as many as the system lets it. Fails if that is none.
    pub(crate) fn start(name: &str, wanted: NonZeroUsize) -> io::Result<Self> {
        let queue = Arc::new(TaskQueue::default());
        let mut count = 0;
        let refused = (0..wanted.get()).find_map(|number| {
            let queue = Arc::clone(&queue);
            let started = try_spawn(format!("{name}-{number}"), move || queue.work());
            count += usize::from(started.is_ok());
            started.err()
        });
        match (NonZeroUsize::new(count), refused) {
            (Some(count), None) => Ok(Self { queue, count }),
            (Some(count), Some(error)) => {
                tracing::warn!(
                    threads.count = count,
                    threads.wanted = wanted,
                    error.cause = %error,
                    "the system starts {count} of {wanted} threads for hashing"
                );
                Ok(Self { queue, count })
            }
            (None, error) => Err(error.unwrap_or_else(|| io::ErrorKind::WouldBlock.into())),
        }
    }

    /// The number of threads.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.count
    }

    /// Puts a task at the end of the queue. Does not block.
    pub(crate) fn run(&self, task: Task) {
        lock(&self.queue.state).waiting.push_back(task);
        self.queue.ready.notify_one();
    }
}

impl Drop for TaskThreads {
    fn drop(&mut self) {
        lock(&self.queue.state).closed = true;
        self.queue.ready.notify_all();
    }
}

impl fmt::Debug for TaskThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskThreads").field("count", &self.count).finish_non_exhaustive()
    }
}

impl TaskQueue {
    /// Runs tasks until the queue is closed and empty.
    fn work(&self) {
        while let Some(task) = self.next() {
            // A panic in a callback must not cost a thread.
            if catch_unwind(AssertUnwindSafe(task)).is_err() {
                tracing::error!("a hashing task panicked; its content is reported as cancelled");
            }
        }
    }

    fn next(&self) -> Option<Task> {
        let mut state = lock(&self.state);
        loop {
            if let Some(task) = state.waiting.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
