//! One large content, hashed chunk by chunk in order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use stocktake_domain::Observation;
use tokio::sync::Notify;

use crate::hasher::Hasher;
use crate::threads::{TaskThreads, lock};

/// From this many waiting chunks on, [`HashStream::ready`] waits: one is hashed while the next is fetched.
const READY_BELOW: usize = 2;

type Chunk = Box<dyn AsRef<[u8]> + Send>;
type Done = Box<dyn FnOnce(Observation) + Send>;

/// An ordered stream of the chunks of one large content.
///
/// Hashing runs in parallel with fetching the next chunk. A stream that is dropped without
/// [`HashStream::finish`] reports nothing.
pub struct HashStream {
    inner: Arc<Inner>,
}

struct Inner {
    threads: Arc<TaskThreads>,
    state: Mutex<State>,
    hashed: Notify,
}

struct State {
    /// Taken out while a chunk is hashed, so that the lock is not held meanwhile.
    hasher: Option<Hasher>,
    waiting: VecDeque<Chunk>,
    /// Whether a task of this stream is queued or running. There is at most one, which keeps the order.
    active: bool,
    done: Option<Done>,
}

impl HashStream {
    pub(super) fn new(threads: Arc<TaskThreads>, hasher: Hasher) -> Self {
        let state = State { hasher: Some(hasher), waiting: VecDeque::new(), active: false, done: None };
        Self { inner: Arc::new(Inner { threads, state: Mutex::new(state), hashed: Notify::new() }) }
    }

    /// Adds the next chunk, which is dropped as soon as it is hashed. Does not block: bound the memory by the
    /// number of buffers, or wait for [`HashStream::ready`] before fetching the next chunk.
    pub fn push(&self, chunk: impl AsRef<[u8]> + Send + 'static) {
        lock(&self.inner.state).waiting.push_back(Box::new(chunk));
        self.inner.activate();
    }

    /// Waits until few enough chunks wait that another may be pushed.
    pub async fn ready(&self) {
        while lock(&self.inner.state).waiting.len() >= READY_BELOW {
            self.inner.hashed.notified().await;
        }
    }

    /// Ends the stream: once all chunks are hashed, `done` is called on a hashing thread.
    pub fn finish(self, done: impl FnOnce(Observation) + Send + 'static) {
        lock(&self.inner.state).done = Some(Box::new(done));
        self.inner.activate();
    }
}

impl fmt::Debug for HashStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashStream").finish_non_exhaustive()
    }
}

impl Inner {
    fn activate(self: &Arc<Self>) {
        let was_active = std::mem::replace(&mut lock(&self.state).active, true);
        if !was_active {
            self.enqueue();
        }
    }

    fn enqueue(self: &Arc<Self>) {
        let stream = Arc::clone(self);
        self.threads.run(Box::new(move || stream.advance()));
    }

    /// Hashes one chunk, then goes to the end of the queue, so that streams take turns.
    fn advance(self: Arc<Self>) {
        let mut state = lock(&self.state);
        let Some(chunk) = state.waiting.pop_front() else {
            state.active = false;
            let ended = state.done.take().and_then(|done| Some((done, state.hasher.take()?)));
            drop(state);
            if let Some((done, hasher)) = ended {
                done(hasher.finish());
            }
            return;
        };
        let hasher = state.hasher.take();
        drop(state);
        if let Some(mut hasher) = hasher {
            hasher.update((*chunk).as_ref());
            drop(chunk);
            lock(&self.state).hasher = Some(hasher);
        }
        self.hashed.notify_one();
        self.enqueue();
    }
}
