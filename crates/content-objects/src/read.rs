//! Reads a whole object, going on from where a connection died.

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

/// Bytes handed to the hashing threads at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// How often an object is read that changes while it is.
const READINGS: u32 = 3;

/// How one reading ended.
enum Ended {
    All(Observation),
    Changed,
}

/// How far a reading has come.
struct Progress {
    /// The object that is read; known from the first answer on.
    version: Option<Version>,
    /// The bytes that were received, hashed or in `piece`.
    offset: u64,
    /// What was received and is not yet handed to the hashing threads.
    piece: Vec<u8>,
}

/// What tells one object from another under the same key.
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

    /// The condition for a further answer. Nothing matches a weak `ETag`; it is compared with afterwards.
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

    /// What is still to be asked for.
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
                // With all bytes there, it does not matter how the connection ended.
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

    /// Asks for the rest of the object and receives as much of it as comes.
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
            // There is no range of an empty object; what is said of it tells whether it is one.
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

    /// Takes in the bytes of one answer.
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

/// Adds the bytes to the piece, and hands it to the hashing threads each time it is full.
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

/// Has the last bytes hashed and waits for what was seen.
async fn finish(stream: HashStream, piece: Vec<u8>) -> Result<Observation, ContentError> {
    if !piece.is_empty() {
        stream.push(piece);
    }
    let (tell, told) = oneshot::channel();
    stream.finish(move |seen| {
        // Nobody waits if the reading was given up meanwhile.
        let _unheard = tell.send(seen);
    });
    // Without an answer the hashing has panicked: that is a fault of ours, and no finding.
    told.await.map_err(|_| ContentError::CANCELLED)
}
