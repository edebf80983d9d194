//! One large thing, hashed piece by piece in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use stocktake_domain::Observation;
use tokio::sync::Notify;

use super::HashPool;
use crate::hasher::Hasher;
use crate::sync::lock;

/// The most pieces that wait before [`HashStream::ready`] waits: one is hashed while the next is fetched.
const READY_BELOW: usize = 2;

type Piece = Box<dyn AsRef<[u8]> + Send>;
type Done = Box<dyn FnOnce(Observation) + Send>;

/// An ordered stream of pieces of one large thing.
///
/// Hashing runs beside the fetching of the next piece. Dropped without [`HashStream::finish`], nothing is
/// reported.
pub struct HashStream {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<HashPool>,
    state: Mutex<State>,
    hashed: Notify,
}

struct State {
    /// Taken out while a piece is hashed: the lock is never held during the work.
    hasher: Option<Hasher>,
    waiting: VecDeque<Piece>,
    /// Whether a task of this stream is queued or running; there is at most one, which keeps the order.
    active: bool,
    done: Option<Done>,
}

impl HashStream {
    pub(super) fn new(pool: Arc<HashPool>, hasher: Hasher) -> Self {
        let state = State { hasher: Some(hasher), waiting: VecDeque::new(), active: false, done: None };
        Self { inner: Arc::new(Inner { pool, state: Mutex::new(state), hashed: Notify::new() }) }
    }

    /// Adds the next piece, which is dropped as soon as it is hashed. Does not block: bound the memory by the
    /// number of buffers, or wait for [`HashStream::ready`] before fetching the next piece.
    pub fn push(&self, piece: impl AsRef<[u8]> + Send + 'static) {
        lock(&self.inner.state).waiting.push_back(Box::new(piece));
        self.inner.activate();
    }

    /// Waits until so few pieces wait that another may be pushed.
    pub async fn ready(&self) {
        while lock(&self.inner.state).waiting.len() >= READY_BELOW {
            self.inner.hashed.notified().await;
        }
    }

    /// Ends the stream: once all pieces are hashed, `done` is told on a hashing thread what was seen.
    pub fn finish(self, done: impl FnOnce(Observation) + Send + 'static) {
        lock(&self.inner.state).done = Some(Box::new(done));
        self.inner.activate();
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
        self.pool.run(Box::new(move || stream.advance()));
    }

    /// Hashes one piece, then goes to the end of the pool's queue, so that streams take turns.
    fn advance(self: Arc<Self>) {
        let mut state = lock(&self.state);
        let Some(piece) = state.waiting.pop_front() else {
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
            hasher.update((*piece).as_ref());
            drop(piece);
            lock(&self.state).hasher = Some(hasher);
        }
        self.hashed.notify_one();
        self.enqueue();
    }
}
