//! Reads a whole object, and resumes where a connection broke.

use futures_util::StreamExt as _;
use object_store::{GetRange, GetResult, ObjectMeta};
use stocktake_content::HashStream;
use stocktake_content::num::widen;
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{ContentError, Observation};
use tokio::sync::oneshot;

use crate::access::{Access, changed, unless_cancelled};
use crate::error::ObjectError;
use crate::retry::RetryState;

/// Bytes passed to the hashing threads at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// How often reading starts again because the object changed meanwhile.
const READINGS: u32 = 3;

/// How one reading ended.
enum Ended {
    All(Observation),
    Changed,
}

/// How far a reading has come.
struct Progress {
    /// The object that is read; known from the first response on.
    version: Option<Version>,
    /// How many bytes were received, whether hashed already or still in `piece`.
    offset: u64,
    /// Bytes that were received but not yet passed to the hashing threads.
    piece: Vec<u8>,
}

/// What distinguishes one version of the object under a key from another.
#[derive(PartialEq, Eq)]
struct Version {
    size: u64,
    etag: Option<String>,
    modified_millis: i64,
}

impl Version {
    fn of(meta: &ObjectMeta) -> Self {
        Self {
            size: meta.size,
            etag: meta.e_tag.clone(),
            modified_millis: meta.last_modified.timestamp_millis(),
        }
    }

    /// The condition of a further request. A weak `ETag` never matches a condition, so it is compared afterwards.
    fn if_match(&self) -> Option<String> {
        self.etag.clone().filter(|etag| !etag.starts_with("W/"))
    }
}

impl Progress {
    fn new() -> Self {
        Self { version: None, offset: 0, piece: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.size == self.offset)
    }

    /// The range that is still missing.
    fn rest(&self) -> GetRange {
        match &self.version {
            Some(version) => GetRange::Bounded(self.offset..version.size),
            None => GetRange::Offset(0),
        }
    }
}

impl Access {
    /// Reads and hashes an object.
    pub(crate) async fn read(
        &self,
        inspection: &Inspection,
        key: &str,
        watch: &Watch,
    ) -> Result<Observation, ContentError> {
        for _ in 0..READINGS {
            if let Ended::All(seen) = self.read_once(inspection, key, watch).await? {
                return Ok(seen);
            }
        }
        Err(changed(&self.remote.place.at(key)))
    }

    async fn read_once(
        &self,
        inspection: &Inspection,
        key: &str,
        watch: &Watch,
    ) -> Result<Ended, ContentError> {
        let stream = self.pool.stream(&self.pool.plan(inspection)?);
        let mut progress = Progress::new();
        let mut retry = RetryState::new();
        while !progress.is_complete() {
            let before = progress.offset;
            let received = self.receive(key, &mut progress, &stream, &mut retry, watch).await?;
            if progress.offset > before {
                retry.progressed();
            }
            match received {
                // If all bytes have arrived, it does not matter how the connection ended.
                Err(_) | Ok(()) if progress.is_complete() => {}
                Ok(()) => {
                    let Progress { offset, .. } = progress;
                    let host = &self.remote.place.endpoint;
                    let short =
                        ObjectError::Mismatch(format!("{host} ended its answer early at byte {offset}"));
                    self.retry_or_fail(short, &mut retry, key)?;
                }
                Err(ObjectError::Changed) => return Ok(Ended::Changed),
                Err(error) => self.retry_or_fail(error, &mut retry, key)?,
            }
        }
        finish(stream, progress.piece).await.map(Ended::All)
    }

    /// Requests the rest of the object, and receives as much of it as arrives.
    async fn receive(
        &self,
        key: &str,
        progress: &mut Progress,
        stream: &HashStream,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let if_match = progress.version.as_ref().and_then(Version::if_match);
        let answer = self.get(key, Some(progress.rest()), if_match, retry, watch).await?;
        let result = match answer {
            Ok(result) => result,
            // An empty object has no range; its metadata show whether it is empty.
            Err(ObjectError::NothingThere) if progress.version.is_none() => {
                let said = self.get(key, None, None, retry, watch).await?;
                return Ok(said.and_then(|said| {
                    let version = Version::of(&said.meta);
                    let empty = version.size == 0;
                    progress.version = empty.then_some(version);
                    if empty { Ok(()) } else { Err(ObjectError::NothingThere) }
                }));
            }
            Err(ObjectError::NothingThere) => return Ok(Err(ObjectError::Changed)),
            Err(error) => return Ok(Err(error)),
        };
        let version = Version::of(&result.meta);
        if progress.version.get_or_insert_with(|| Version::of(&result.meta)) != &version {
            return Ok(Err(ObjectError::Changed));
        }
        self.take_in(key, result, progress, stream, watch).await
    }

    /// Receives the bytes of one response.
    async fn take_in(
        &self,
        key: &str,
        result: GetResult,
        progress: &mut Progress,
        stream: &HashStream,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let mut left = result.meta.size.saturating_sub(progress.offset);
        let mut chunks = result.into_stream();
        while let Some(chunk) = unless_cancelled(watch, chunks.next()).await? {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Ok(Err(self.remote.place.error_of(&error, key))),
            };
            let count = widen(chunk.len());
            if count > left {
                let host = &self.remote.place.endpoint;
                return Ok(Err(ObjectError::Mismatch(format!("{host} sent more bytes than the object has"))));
            }
            left = left.saturating_sub(count);
            progress.offset = progress.offset.saturating_add(count);
            watch.add_bytes(count);
            hand_over(&chunk, &mut progress.piece, stream, watch).await?;
            if let Some(limiter) = &self.limiter {
                unless_cancelled(watch, limiter.pay(count)).await?;
            }
        }
        Ok(Ok(()))
    }
}

/// Adds the bytes to the piece, and passes it to the hashing threads whenever it is full.
async fn hand_over(
    mut chunk: &[u8],
    piece: &mut Vec<u8>,
    stream: &HashStream,
    watch: &Watch,
) -> Result<(), ContentError> {
    while !chunk.is_empty() {
        let room = PIECE_BYTES.saturating_sub(piece.len()).min(chunk.len());
        let (fitting, rest) = chunk.split_at(room);
        piece.extend_from_slice(fitting);
        chunk = rest;
        if piece.len() >= PIECE_BYTES {
            stream.push(std::mem::replace(piece, Vec::with_capacity(PIECE_BYTES)));
            unless_cancelled(watch, stream.ready()).await?;
        }
    }
    Ok(())
}

/// Has the last bytes hashed, and waits for the observation.
async fn finish(stream: HashStream, piece: Vec<u8>) -> Result<Observation, ContentError> {
    if !piece.is_empty() {
        stream.push(piece);
    }
    let (tell, told) = oneshot::channel();
    stream.finish(move |seen| {
        // The receiver is gone if the read was cancelled.
        let _unheard = tell.send(seen);
    });
    // If there is no result, the hashing has panicked, which says nothing about the content.
    told.await.map_err(|_| ContentError::CANCELLED)
}
