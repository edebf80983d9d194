//! The reading threads, which all storages share whose reading blocks a thread.
//!
//! A storage has a [`ReaderShare`] and puts its tasks into it. Threads are started as they are needed, up to the
//! capacity of the pool, and shared out by a [`Schedule`], so that a storage that hangs or is slow never has all of
//! them. A thread that hangs in its storage is free again when the storage answers.

mod schedule;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stocktake_domain::ports::{Inspection, InspectionSink, Watch};
use tokio::sync::oneshot;

use self::schedule::{Schedule, ShareId};
use crate::batch::Batch;
use crate::buffers::BufferPool;
use crate::pool::HashPool;
use crate::threads::{lock, try_spawn};

/// How long no thread is started after the system refused one.
const PAUSE: Duration = Duration::from_secs(10);

/// Something to read. Several threads may read it at once.
pub trait ReadTask: Send + Sync {
    /// Whether there may be something left to do. Must not block.
    fn has_more(&self) -> bool;

    /// Does some of it. Returns after a while even if there is more, so that other tasks get their turn.
    fn read(&self);
}

/// Threads that read from storages, their buffers, and the hashing threads for what they read. They end when the pool
/// and all its shares are dropped.
pub struct ReaderPool {
    inner: Arc<Inner>,
    hashes: Arc<HashPool>,
    buffers: Arc<BufferPool>,
}

struct Inner {
    capacity: NonZeroUsize,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    threads: usize,
    idle: usize,
    refused_at: Option<Instant>,
    closed: bool,
}

/// The part of a pool that one storage has: its tasks, and the most threads at work on them at once. Tasks that are left
/// when it is dropped are forgotten.
pub struct ReaderShare {
    pool: Arc<ReaderPool>,
    id: ShareId,
    limit: NonZeroUsize,
}

impl ReaderPool {
    /// A pool of at most this many threads, which hand what they read to `hashes`. Starts one of them, and fails if the
    /// system does not let it.
    pub fn start(capacity: NonZeroUsize, hashes: Arc<HashPool>) -> io::Result<Arc<Self>> {
        let inner = Arc::new(Inner { capacity, state: Mutex::default(), ready: Condvar::new() });
        lock(&inner.state).threads = 1;
        inner.start_thread(1)?;
        let buffers = BufferPool::new(capacity, hashes.threads());
        Ok(Arc::new(Self { inner, hashes, buffers }))
    }

    /// The part of a storage, with at most this many threads at once.
    pub fn share(self: &Arc<Self>, limit: NonZeroUsize) -> ReaderShare {
        let id = lock(&self.inner.state).schedule.add(limit);
        ReaderShare { pool: Arc::clone(self), id, limit }
    }

    /// The hashing threads.
    pub fn hashes(&self) -> &Arc<HashPool> {
        &self.hashes
    }

    /// The buffers.
    pub fn buffers(&self) -> &Arc<BufferPool> {
        &self.buffers
    }
}

impl Drop for ReaderPool {
    fn drop(&mut self) {
        lock(&self.inner.state).closed = true;
        self.inner.ready.notify_all();
    }
}

impl fmt::Debug for ReaderPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderPool").field("capacity", &self.inner.capacity).finish_non_exhaustive()
    }
}

impl ReaderShare {
    /// Adds a task, which is read until it has nothing left to do. Does not block.
    pub fn push(&self, task: Arc<dyn ReadTask>) {
        let inner = &self.pool.inner;
        lock(&inner.state).schedule.push(self.id, task);
        inner.call_another();
    }

    /// Has the pieces of one call of [`ContentStore::inspect`](stocktake_domain::ports::ContentStore::inspect) read by the
    /// task that is made of them, and returns when each was reported. If the caller drops this future, the readers stop as
    /// well.
    pub async fn inspect<T: ReadTask + 'static>(
        &self,
        pieces: Vec<Inspection>,
        watch: Arc<Watch>,
        sink: Arc<dyn InspectionSink>,
        reading: impl FnOnce(Arc<Batch>) -> T,
    ) {
        let batch = Batch::new(pieces, watch, sink);
        let _guard = batch.cancel_on_drop();
        self.push(Arc::new(reading(Arc::clone(&batch))));
        batch.wait().await;
    }

    /// What this gives, done on one of the threads; `None` if it panicked.
    pub async fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        let (sender, receiver) = oneshot::channel();
        self.push(Arc::new(Once(Mutex::new(Some((work, sender))))));
        receiver.await.ok()
    }

    /// The most threads at work on its tasks at once.
    pub fn limit(&self) -> NonZeroUsize {
        self.limit
    }

    /// The pool.
    pub fn pool(&self) -> &Arc<ReaderPool> {
        &self.pool
    }
}

impl Drop for ReaderShare {
    fn drop(&mut self) {
        lock(&self.pool.inner.state).schedule.remove(self.id);
    }
}

impl fmt::Debug for ReaderShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderShare").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Work that is done once, and to whom its outcome goes.
struct Once<W, R>(Mutex<Option<(W, oneshot::Sender<R>)>>);

impl<W: FnOnce() -> R + Send, R: Send> ReadTask for Once<W, R> {
    fn has_more(&self) -> bool {
        lock(&self.0).as_ref().is_some_and(|(_, outcome)| !outcome.is_closed())
    }

    fn read(&self) {
        let taken = lock(&self.0).take();
        if let Some((work, outcome)) = taken {
            // Nobody receives it if the caller has gone meanwhile.
            let _sent = outcome.send(work());
        }
    }
}

impl Inner {
    /// Has another thread look for a task, if there is one for it: one that is idle, or else a new one.
    fn call_another(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if !state.schedule.has_next(self.capacity_of(&state)) {
            return;
        }
        if state.idle > 0 {
            drop(state);
            self.ready.notify_one();
            return;
        }
        let has_paused = state.refused_at.is_none_or(|at| at.elapsed() >= PAUSE);
        if state.threads < self.capacity.get() && has_paused {
            state.threads += 1;
            let number = state.threads;
            drop(state);
            match self.start_thread(number) {
                Ok(()) => lock(&self.state).refused_at = None,
                Err(error) => self.go_on_with_fewer(&error),
            }
        }
    }

    /// Accounts for a thread that the system did not start.
    fn go_on_with_fewer(&self, error: &io::Error) {
        let mut state = lock(&self.state);
        state.threads -= 1;
        let threads = state.threads;
        let was_refused = state.refused_at.replace(Instant::now()).is_some();
        drop(state);
        if !was_refused {
            tracing::warn!(
                readers.count = threads,
                error.cause = %error,
                "the system starts no more threads: all storages together have {threads} for reading"
            );
        }
    }

    /// How many threads there are to share out: after the system refused one, those that there are.
    fn capacity_of(&self, state: &State) -> usize {
        if state.refused_at.is_some() { state.threads } else { self.capacity.get() }
    }

    fn start_thread(self: &Arc<Self>, number: usize) -> io::Result<()> {
        let inner = Arc::clone(self);
        try_spawn(format!("read-{number}"), move || inner.work())
    }

    /// Reads what is to be read until the pool is closed.
    fn work(self: &Arc<Self>) {
        while let Some((share, task)) = self.next() {
            self.call_another();
            // What the task has not reported it reports when it is dropped; the thread goes on with others.
            if catch_unwind(AssertUnwindSafe(|| task.read())).is_err() {
                tracing::error!("reading from a storage panicked");
            }
            drop(task);
            lock(&self.state).schedule.done(share);
        }
    }

    fn next(&self) -> Option<(ShareId, Arc<dyn ReadTask>)> {
        let mut state = lock(&self.state);
        loop {
            let capacity = self.capacity_of(&state);
            if let Some(next) = state.schedule.next(capacity) {
                return Some(next);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
