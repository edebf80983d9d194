//! The hashing threads: tasks in their order, and contents that several threads hash piece by piece, many at a time.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use stocktake_lanes::LANES;

use crate::hasher::Hasher;
use crate::threads::{lock, try_spawn};

/// The bytes of a piece at most: little enough that those of all lanes are still in the processor's cache when they are hashed.
pub const PIECE_BYTES: usize = 32 * 1024;

/// A content that comes in pieces. The hashing threads ask for one after the other, beside those of other contents; if it
/// panics, it is dropped.
pub trait Pieces: Send {
    /// What is to be hashed with it.
    fn hasher(&self) -> &Hasher;

    /// The hasher, and the next piece of at most [`PIECE_BYTES`], which may lie in `room`. `None` if there is none, for the
    /// moment or for good.
    fn next<'a>(&'a mut self, room: &'a mut [u8]) -> Option<(&'a mut Hasher, &'a [u8])>;

    /// Called when there is none.
    fn end(self: Box<Self>);
}

/// What is run by a hashing thread.
pub(super) type Task = Box<dyn FnOnce() + Send>;

/// Threads that run what is queued. When this is dropped, they run what is still queued and end.
pub(super) struct HashThreads {
    queue: Arc<Queue>,
    count: NonZeroUsize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    contents: VecDeque<Content>,
    /// Whether a task was the last to be taken: tasks and contents take turns.
    task_was_last: bool,
    idle: usize,
    closed: bool,
}

struct Content {
    pieces: Box<dyn Pieces>,
    gains_from_lanes: bool,
}

/// What a thread takes from the queue.
enum Work {
    Task(Task),
    /// At least one, and not more than there are lanes.
    Contents(Vec<Content>),
}

/// What is to be done with a content of which a piece was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    GoOn,
    End,
    Forget,
}

impl HashThreads {
    /// Starts up to `wanted` threads: as many as the system lets it. Fails if that is none.
    pub(super) fn start(wanted: NonZeroUsize) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let mut count = 0;
        let refused = (0..wanted.get()).find_map(|number| {
            let queue = Arc::clone(&queue);
            let started = try_spawn(format!("hash-{number}"), move || queue.work());
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
    pub(super) fn count(&self) -> NonZeroUsize {
        self.count
    }

    /// Puts a task at the end of the queue. Does not block.
    pub(super) fn run(&self, task: Task) {
        lock(&self.queue.state).tasks.push_back(task);
        self.queue.ready.notify_one();
    }

    /// Puts a content at the end of the queue, from where its pieces are hashed until it ends. Does not block.
    pub(super) fn hash_pieces(&self, pieces: Box<dyn Pieces>) {
        let gains_from_lanes = pieces.hasher().gains_from_lanes();
        lock(&self.queue.state).contents.push_back(Content { pieces, gains_from_lanes });
        self.queue.ready.notify_one();
    }
}

impl Drop for HashThreads {
    fn drop(&mut self) {
        lock(&self.queue.state).closed = true;
        self.queue.ready.notify_all();
    }
}

impl fmt::Debug for HashThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashThreads").field("count", &self.count).finish_non_exhaustive()
    }
}

impl State {
    fn take(&mut self) -> Option<Work> {
        let is_tasks_turn = !self.task_was_last || self.contents.is_empty();
        let task = if is_tasks_turn { self.tasks.pop_front() } else { None };
        self.task_was_last = task.is_some();
        task.map(Work::Task).or_else(|| self.take_contents())
    }

    /// The first, and those behind it that lanes hash beside it: a fair part of them for each thread that has nothing to do.
    fn take_contents(&mut self) -> Option<Work> {
        let first = self.contents.pop_front()?;
        let behind = if first.gains_from_lanes {
            self.contents.iter().take_while(|content| content.gains_from_lanes).count()
        } else {
            0
        };
        let part = (1 + behind).div_ceil(1 + self.idle).min(LANES);
        Some(Work::Contents([first].into_iter().chain(self.contents.drain(..part - 1)).collect()))
    }
}

impl Queue {
    /// Runs what is queued until the queue is closed and empty.
    fn work(&self) {
        let mut room = Vec::new();
        while let Some(work) = self.next() {
            match work {
                Work::Task(task) => drop(caught(task)),
                Work::Contents(contents) => self.hash(contents, &mut room),
            }
        }
    }

    fn next(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.take() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Hashes the next piece of each content, and puts those that go on at the end of the queue.
    fn hash(&self, mut contents: Vec<Content>, room: &mut Vec<u8>) {
        room.resize(room.len().max(contents.len() * PIECE_BYTES), 0);
        let mut after = Vec::with_capacity(contents.len());
        let pieces =
            contents.iter_mut().zip(room.chunks_exact_mut(PIECE_BYTES)).filter_map(|(content, room)| {
                let next = caught(|| content.pieces.next(room));
                after.push(match &next {
                    Some(Some(_)) => After::GoOn,
                    Some(None) => After::End,
                    None => After::Forget,
                });
                next.flatten()
            });
        let pieces = pieces.collect();
        if caught(|| Hasher::update_all(pieces)).is_none() {
            return;
        }
        let mut going_on = Vec::with_capacity(contents.len());
        for (content, after) in contents.into_iter().zip(after) {
            match after {
                After::GoOn => going_on.push(content),
                After::End => drop(caught(|| content.pieces.end())),
                After::Forget => {}
            }
        }
        if !going_on.is_empty() {
            let mut state = lock(&self.state);
            state.contents.extend(going_on);
            if state.idle > 0 && state.contents.len() > 1 {
                self.ready.notify_one();
            }
        }
    }
}

/// What this gives; `None` if it panicked, which must not cost a thread.
fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    if outcome.is_err() {
        tracing::error!("a hashing task panicked; its content is reported as cancelled");
    }
    outcome.ok()
}
