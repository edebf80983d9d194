//! The hashing threads, which all storages share.
//!
//! Small things come in batches ([`HashPool::batch`]), large ones as an ordered stream of pieces
//! ([`HashPool::stream`]). The pool never reads from a storage, so that a storage that hangs takes no hashing
//! thread with it. Its queue has no bound of its own: whoever hands in data bounds the buffers it has out.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};

use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Observation};

use crate::hasher::Hasher;
use crate::recipe::{Recipe, Secrets};
use crate::sync::{lock, spawn};

mod stream;

pub use stream::HashStream;

/// Work of a hashing thread.
pub type Task = Box<dyn FnOnce() + Send>;

/// One of the small things in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where its bytes lie in the batch's data.
    pub range: Range<usize>,
    /// What to calculate.
    pub recipe: Recipe,
}

/// Threads that calculate digests, shared by all storages. They end when the pool is dropped.
pub struct HashPool {
    tasks: Arc<Tasks>,
    threads: NonZeroUsize,
    secrets: Secrets,
}

#[derive(Default)]
struct Tasks {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    closed: bool,
}

impl HashPool {
    /// Starts this many hashing threads: one for each core is right. `secrets` are what keys of encrypted
    /// content follow from.
    ///
    /// # Panics
    /// When the system gives no thread.
    pub fn new(threads: NonZeroUsize, secrets: Secrets) -> Arc<Self> {
        let tasks = Arc::new(Tasks::default());
        for number in 0..threads.get() {
            let tasks = Arc::clone(&tasks);
            spawn(format!("hash-{number}"), move || tasks.work());
        }
        Arc::new(Self { tasks, threads, secrets })
    }

    /// The number of hashing threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// What is to be calculated over this piece. Fails as unreadable if its key is not to be had.
    pub fn recipe(&self, inspection: &Inspection) -> Result<Recipe, ContentError> {
        self.secrets.recipe(inspection)
    }

    /// Hashes many small things that lie in the same data and tells what was seen of them, in the order of
    /// `parts`. Does not block. The data is dropped before `done` is called, and `done` unused if a part lies
    /// outside of the data.
    pub fn batch<D, F>(&self, data: D, parts: Vec<Part>, done: F)
    where
        D: AsRef<[u8]> + Send + 'static,
        F: FnOnce(Vec<Observation>) + Send + 'static,
    {
        self.run(Box::new(move || {
            let bytes = data.as_ref();
            let observe = |part: Part| Some(Hasher::observe(bytes.get(part.range)?, &part.recipe));
            let seen: Option<Vec<_>> = parts.into_iter().map(observe).collect();
            drop(data);
            if let Some(seen) = seen {
                done(seen);
            }
        }));
    }

    /// Begins a stream of pieces that are hashed in the order in which they are pushed.
    pub fn stream(self: &Arc<Self>, recipe: &Recipe) -> HashStream {
        self.stream_on(Hasher::new(recipe))
    }

    /// Begins a stream whose beginning is hashed already.
    pub(crate) fn stream_on(self: &Arc<Self>, hasher: Hasher) -> HashStream {
        HashStream::new(Arc::clone(self), hasher)
    }

    /// Puts a task at the end of the queue, for whoever hashes in another way. It must not wait for a storage.
    pub fn run(&self, task: Task) {
        lock(&self.tasks.state).waiting.push_back(task);
        self.tasks.ready.notify_one();
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        lock(&self.tasks.state).closed = true;
        self.tasks.ready.notify_all();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Tasks {
    /// Works until the pool is closed and nothing waits any more.
    fn work(&self) {
        while let Some(task) = self.next() {
            // A panic in what is called back must not cost the pool a thread.
            if catch_unwind(AssertUnwindSafe(task)).is_err() {
                tracing::error!("a hashing task panicked; what it was working on is given up");
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
            state = self.ready.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
