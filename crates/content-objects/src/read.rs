//! Reads a whole object, and resumes where a connection broke.

use std::time::Instant;

use futures_util::StreamExt as _;
use stocktake_content::HashStream;
use stocktake_content::num::{narrow, widen};
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{ContentError, Observation};
use tokio::sync::oneshot;

use crate::access::{Access, changed, unless_cancelled};
use crate::error::ObjectError;
use crate::retry::RetryState;
use crate::version::{Part, Version};
use crate::wire::{Answer, Target};

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

impl Progress {
    fn new() -> Self {
        Self { version: None, offset: 0, piece: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.size == Some(self.offset))
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
                    self.retry_or_fail(short, &mut retry, key, watch).await?;
                }
                Err(ObjectError::Changed) => return Ok(Ended::Changed),
                Err(error) => self.retry_or_fail(error, &mut retry, key, watch).await?,
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
        let first = progress.offset;
        let if_match = progress.version.as_ref().and_then(Version::if_match);
        let answer = match self.get(Target::From { key, first }, key, if_match, retry, watch).await? {
            Ok(answer) => answer,
            // An empty object has no range; its metadata show whether it is empty.
            Err(ObjectError::NothingThere) if progress.version.is_none() => {
                return self.receive_nothing(key, progress, retry, watch).await;
            }
            Err(ObjectError::NothingThere) => return Ok(Err(ObjectError::Changed)),
            Err(error) => return Ok(Err(error)),
        };
        let Some(part) = Part::of(&answer, first) else {
            let host = &self.remote.place.endpoint;
            return Ok(Err(ObjectError::Mismatch(format!("{host} sent another range than was asked for"))));
        };
        if progress.version.get_or_insert_with(|| part.version.clone()) != &part.version {
            return Ok(Err(ObjectError::Changed));
        }
        self.take_in(answer, part.known, progress, stream, retry, watch).await
    }

    /// Finds out whether an object of which no byte can be had is empty.
    async fn receive_nothing(
        &self,
        key: &str,
        progress: &mut Progress,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let said = self.get(Target::Metadata { key }, key, None, retry, watch).await?;
        Ok(said.and_then(|said| {
            let version = Version::of_metadata(&said.headers);
            let empty = version.size == Some(0);
            progress.version = empty.then_some(version);
            if empty { Ok(()) } else { Err(ObjectError::NothingThere) }
        }))
    }

    /// Receives the bytes of one response, of which the first `known` ones were received before.
    async fn take_in(
        &self,
        answer: Answer,
        mut known: u64,
        progress: &mut Progress,
        stream: &HashStream,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let place = &self.remote.place;
        let size = progress.version.as_ref().and_then(|version| version.size);
        let mut chunks = answer.body.bytes_stream();
        while let Some(chunk) = unless_cancelled(watch, chunks.next()).await? {
            let mut chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Ok(Err(place.connection_error(&error))),
            };
            retry.heard(Instant::now());
            let skipped = known.min(widen(chunk.len()));
            known -= skipped;
            let chunk = chunk.split_off(narrow(skipped));
            let count = widen(chunk.len());
            let offset = progress.offset.saturating_add(count);
            if size.is_some_and(|size| offset > size) {
                let reason = format!("{} sent more bytes than the object has", place.endpoint);
                return Ok(Err(ObjectError::Mismatch(reason)));
            }
            progress.offset = offset;
            watch.add_bytes(count);
            hand_over(&chunk, &mut progress.piece, stream, watch).await?;
            if let Some(limiter) = &self.limiter {
                unless_cancelled(watch, limiter.pay(count)).await?;
            }
        }
        if let Some(version) = progress.version.as_mut().filter(|version| version.size.is_none()) {
            // The end of the response is that of the object.
            version.size = Some(progress.offset);
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
