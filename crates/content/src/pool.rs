//! The hashing threads, which all storages share.
//!
//! Small content is hashed several at a time ([`HashPool::hash_parts`]), large content in pieces ([`Pieces`]), of which those
//! of an ordered stream of chunks are one kind ([`HashPool::stream`]). Both ways several contents are hashed side by side in the
//! lanes of the processor's vectors, where it has some that are faster. The pool never waits for a storage, so that one that
//! hangs does not block a hashing thread. Its queue is unbounded: callers bound the number of buffers that they have in flight.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Observation};

use crate::hash_plan::{HashPlan, Secrets};
use crate::hasher::Hasher;

mod stream;
mod threads;

pub use stream::HashStream;
use threads::HashThreads;
pub use threads::{PIECE_BYTES, Pieces};

/// One of several small contents that lie in the same data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where its bytes lie in the data.
    pub range: Range<usize>,
    /// What to calculate.
    pub plan: HashPlan,
}

/// Threads that calculate digests, shared by all storages. They end when the pool and all its streams are
/// dropped.
#[derive(Debug)]
pub struct HashPool {
    threads: Arc<HashThreads>,
    secrets: Secrets,
}

impl HashPool {
    /// Starts this many hashing threads, best one for each core, or as many as the system lets it; fails if it lets it
    /// start none. The keys of encrypted content are derived from `secrets`.
    pub fn start(threads: NonZeroUsize, secrets: Secrets) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { threads: Arc::new(HashThreads::start(threads)?), secrets }))
    }

    /// The number of hashing threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.count()
    }

    /// What to calculate for this inspection. Fails with [`ContentError::Unreadable`] if the key is not
    /// available, and with [`ContentError::Invalid`] if the record has no location.
    pub fn plan(&self, inspection: &Inspection) -> Result<HashPlan, ContentError> {
        self.secrets.plan(inspection)
    }

    /// Hashes several small contents that lie in the same data, and calls `done` on a hashing thread with their
    /// observations in the order of `parts`. Does not block. The data is dropped before `done` is called;
    /// `done` is dropped without a call if a part lies outside the data.
    pub fn hash_parts<D, F>(&self, data: D, parts: Vec<Part>, done: F)
    where
        D: AsRef<[u8]> + Send + 'static,
        F: FnOnce(Vec<Observation>) + Send + 'static,
    {
        self.run(move || {
            let bytes = data.as_ref();
            let of_part = |part: &Part| bytes.get(part.range.clone());
            let contents = parts.iter().map(|part| Some((&part.plan, of_part(part)?)));
            let seen = contents.collect::<Option<Vec<_>>>().map(|contents| Hasher::observe_all(&contents));
            drop(data);
            if let Some(seen) = seen {
                done(seen);
            }
        });
    }

    /// Starts a stream of chunks, which are hashed in the order in which they are pushed.
    pub fn stream(&self, plan: &HashPlan) -> HashStream {
        self.stream_from(Hasher::new(plan))
    }

    /// Starts a stream behind what `hasher` has already hashed.
    pub fn stream_from(&self, hasher: Hasher) -> HashStream {
        HashStream::new(Arc::clone(&self.threads), hasher)
    }

    /// Hashes a content piece by piece, from where its hasher is. Does not block.
    pub fn hash_pieces(&self, pieces: impl Pieces + 'static) {
        self.threads.hash_pieces(Box::new(pieces));
    }

    /// Queues another kind of calculation for a hashing thread. It must not read from a storage.
    pub fn run(&self, task: impl FnOnce() + Send + 'static) {
        self.threads.run(Box::new(task));
    }
}

#[cfg(test)]
mod tests;
