//! Hashing of one manifest or blob on the pool's threads.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha512};
use stocktake_content::{HashPlan, HashPool, HashStream};
use stocktake_domain::{Algorithms, Digests};
use tokio::sync::oneshot;

use crate::digest::Digest;
use crate::source::RegistryError;

/// Calculates the digest of the bytes pushed to it, with the algorithm of the expected digest.
pub(crate) enum Hashing {
    /// Hashed while the next piece is fetched.
    Sha256(HashStream),
    /// Rare enough that fetching and hashing may alternate.
    Sha512(Arc<HashPool>, Box<Sha512>),
}

impl Hashing {
    pub(crate) fn new(pool: &Arc<HashPool>, expected: &Digest) -> Self {
        match expected {
            Digest::Sha256(_) => {
                let algorithms = Algorithms { sha256: true, ..Algorithms::default() };
                Self::Sha256(pool.stream(&HashPlan::stored(algorithms)))
            }
            Digest::Sha512(_) => Self::Sha512(Arc::clone(pool), Box::default()),
        }
    }

    /// Adds the next piece; waits while too many are queued.
    pub(crate) async fn push(self, piece: Bytes) -> Result<Self, RegistryError> {
        match self {
            Self::Sha256(stream) => {
                stream.ready().await;
                stream.push(piece);
                Ok(Self::Sha256(stream))
            }
            Self::Sha512(pool, mut hasher) => {
                let (sender, receiver) = oneshot::channel();
                pool.run(move || {
                    hasher.update(&piece);
                    // The receiver is gone if the inspection was cancelled.
                    let _sent = sender.send(hasher);
                });
                Ok(Self::Sha512(pool, receiver.await.map_err(|_| given_up())?))
            }
        }
    }

    /// The digest, once all is hashed.
    pub(crate) async fn finish(self) -> Result<Digest, RegistryError> {
        match self {
            Self::Sha256(stream) => {
                let digests = finish(stream).await?;
                digests.sha256.map(Digest::Sha256).ok_or_else(given_up)
            }
            Self::Sha512(_, hasher) => Ok(Digest::Sha512(hasher.finalize().into())),
        }
    }
}

/// The digests of a stream, once all is hashed.
pub(crate) async fn finish(stream: HashStream) -> Result<Digests, RegistryError> {
    let (sender, receiver) = oneshot::channel();
    stream.finish(move |seen| {
        // The receiver is gone if the inspection was cancelled.
        let _sent = sender.send(seen.stored.digests);
    });
    receiver.await.map_err(|_| given_up())
}

/// A hashing thread panicked, which the pool has logged.
fn given_up() -> RegistryError {
    RegistryError::Unavailable("hashing was aborted by an internal error; the log has the details".to_owned())
}
