//! One large content, hashed chunk by chunk in order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use stocktake_domain::Observation;
use tokio::sync::Notify;

use crate::hasher::Hasher;
use crate::pool::threads::{HashThreads, PIECE_BYTES, Pieces};
use crate::threads::lock;

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
    threads: Arc<HashThreads>,
    state: Mutex<State>,
    hashed: Notify,
}

struct State {
    /// The hashing threads have it as long as there is something to hash. There is one, which keeps the order.
    hasher: Option<Hasher>,
    waiting: VecDeque<Chunk>,
    done: Option<Done>,
}

impl HashStream {
    pub(super) fn new(threads: Arc<HashThreads>, hasher: Hasher) -> Self {
        let state = State { hasher: Some(hasher), waiting: VecDeque::new(), done: None };
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
    /// Has the hashing threads go on with the stream, unless they are at it.
    fn activate(self: &Arc<Self>) {
        let hasher = lock(&self.state).hasher.take();
        if let Some(hasher) = hasher {
            self.hash(hasher);
        }
    }

    fn hash(self: &Arc<Self>, hasher: Hasher) {
        self.threads.hash_pieces(Box::new(Waiting {
            stream: Arc::clone(self),
            hasher,
            chunk: None,
            position: 0,
        }));
    }
}

/// The chunks of a stream that wait to be hashed.
struct Waiting {
    stream: Arc<Inner>,
    hasher: Hasher,
    /// The one of which pieces are hashed, up to this position.
    chunk: Option<Chunk>,
    position: usize,
}

impl Pieces for Waiting {
    fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    fn next<'a>(&'a mut self, _room: &'a mut [u8]) -> Option<(&'a mut Hasher, &'a [u8])> {
        if self.chunk.as_ref().is_some_and(|chunk| (**chunk).as_ref().len() <= self.position) {
            self.chunk = None;
            self.stream.hashed.notify_one();
        }
        if self.chunk.is_none() {
            (self.chunk, self.position) = (lock(&self.stream.state).waiting.pop_front(), 0);
        }
        let rest = (**self.chunk.as_ref()?).as_ref().get(self.position..).unwrap_or_default();
        let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
        self.position += piece.len();
        Some((&mut self.hasher, piece))
    }

    fn end(self: Box<Self>) {
        let Self { stream, hasher, .. } = *self;
        let mut state = lock(&stream.state);
        if !state.waiting.is_empty() {
            drop(state);
            stream.hash(hasher);
        } else if let Some(done) = state.done.take() {
            drop(state);
            done(hasher.finish());
        } else {
            state.hasher = Some(hasher);
        }
    }
}
