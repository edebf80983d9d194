//! One version of an object, from its first byte to its last: the reading resumes where a connection broke.

use std::ops::Deref;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::client::HttpError;
use stocktake_content::num::{narrow, widen};
use stocktake_domain::ContentError;
use stocktake_domain::ports::Watch;
use stocktake_net::pace::Pace;

use crate::access::{Access, unless_cancelled};
use crate::checksum::Kept;
use crate::error::ObjectError;
use crate::retry::RetryState;
use crate::version::{Part, Version};
use crate::wire::{Target, chunk_length};

/// Why a reading ends early.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The object is not the one that was read so far.
    Changed,
    /// This is to be reported of it.
    Failed(ContentError),
}

impl From<ContentError> for ReadError {
    fn from(error: ContentError) -> Self {
        Self::Failed(error)
    }
}

/// The reading of an object, by a reference of any kind to its storage.
pub(crate) struct ObjectReader<A> {
    access: A,
    key: String,
    /// Whether the whole object is asked for at first, and not its bytes from the first one on.
    whole: bool,
    /// Known from the first response on.
    version: Option<Version>,
    /// The checksum that the first response told, until it is taken.
    kept: Option<Kept>,
    /// How many bytes were received.
    offset: u64,
    body: Option<Body>,
    /// Whether a response was given up because it came too slowly.
    was_slow: bool,
    retry: RetryState,
}

/// The bytes of a response.
struct Body {
    chunks: BoxStream<'static, Result<Bytes, HttpError>>,
    /// How many of them were received before.
    known: u64,
    pace: Pace,
}

impl<A: Deref<Target = Access>> ObjectReader<A> {
    /// Begins a reading; no request is sent yet.
    pub(crate) fn new(access: A, key: &str, whole: bool) -> Self {
        Self {
            access,
            key: key.to_owned(),
            whole,
            version: None,
            kept: None,
            offset: 0,
            body: None,
            was_slow: false,
            retry: RetryState::new(),
        }
    }

    /// The version that is read; known from the first piece on.
    pub(crate) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The checksum that the store keeps of it; known from the first piece on, and given once.
    pub(crate) fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// The next bytes, never none of them; `None` at the end.
    pub(crate) async fn next(&mut self, watch: &Watch) -> Result<Option<Bytes>, ReadError> {
        loop {
            if self.is_complete() {
                self.end(watch).await?;
                return Ok(None);
            }
            let error = match self.receive(watch).await? {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => return Ok(Some(bytes)),
                Ok(None) if self.is_complete() => continue,
                Ok(None) => {
                    let (host, offset) = (&self.access.remote.place.endpoint, self.offset);
                    ObjectError::Mismatch(format!("{host} ended its answer early at byte {offset}"))
                }
                Err(ObjectError::Changed) => return Err(ReadError::Changed),
                Err(error) => error,
            };
            self.body = None;
            self.access.retry_or_fail(error, &mut self.retry, &self.key, watch).await?;
        }
    }

    fn is_complete(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.size == Some(self.offset))
    }

    /// Reads the end of the response, so that its connection can be used again. If all bytes have arrived, it does not
    /// matter how it ended.
    async fn end(&mut self, watch: &Watch) -> Result<(), ContentError> {
        if let Some(mut body) = self.body.take() {
            unless_cancelled(watch, body.chunks.next()).await?;
        }
        Ok(())
    }

    /// The next bytes of the response, which is asked for if there is none; `None` at its end.
    async fn receive(&mut self, watch: &Watch) -> Result<Result<Option<Bytes>, ObjectError>, ContentError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => match self.request(watch).await? {
                Ok(Some(body)) => body,
                Ok(None) => return Ok(Ok(None)),
                Err(error) => return Ok(Err(error)),
            },
        };
        let place = &self.access.remote.place;
        let next = body.pace.next(body.chunks.next(), |chunk| chunk_length(chunk.as_ref()));
        let chunk = match unless_cancelled(watch, next).await? {
            Ok(chunk) => chunk,
            Err(slow) => {
                let reason = format!("{}: {slow}", place.endpoint);
                // Another connection may be faster; else it is no fault of the object.
                return if std::mem::replace(&mut self.was_slow, true) {
                    Err(ContentError::storage(reason))
                } else {
                    Ok(Err(ObjectError::Broken(reason)))
                };
            }
        };
        let mut chunk = match chunk {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Ok(Err(place.connection_error(&error))),
            None => {
                if let Some(version) = self.version.as_mut().filter(|version| version.size.is_none()) {
                    // The end of the response is that of the object.
                    version.size = Some(self.offset);
                }
                return Ok(Ok(None));
            }
        };
        self.retry.heard(Instant::now());
        let skipped = body.known.min(widen(chunk.len()));
        body.known -= skipped;
        let chunk = chunk.split_off(narrow(skipped));
        let count = widen(chunk.len());
        let offset = self.offset.saturating_add(count);
        let size = self.version.as_ref().and_then(|version| version.size);
        if size.is_some_and(|size| offset > size) {
            let reason = format!("{} sent more bytes than the object has", place.endpoint);
            return Ok(Err(ObjectError::Mismatch(reason)));
        }
        if count > 0 {
            self.retry.progressed();
        }
        self.offset = offset;
        self.body = Some(body);
        watch.add_bytes(count);
        if let Some(limiter) = &self.access.limiter {
            unless_cancelled(watch, limiter.pay(count)).await?;
        }
        Ok(Ok(Some(chunk)))
    }

    /// Requests the rest of the object; `None` if it turns out to be empty.
    async fn request(&mut self, watch: &Watch) -> Result<Result<Option<Body>, ObjectError>, ContentError> {
        let (key, first) = (self.key.as_str(), self.offset);
        let if_match = self.version.as_ref().and_then(Version::if_match);
        let target =
            if self.whole && first == 0 { Target::Whole { key } } else { Target::From { key, first } };
        let answer = match self.access.get(target, key, if_match, &mut self.retry, watch).await? {
            Ok(answer) => answer,
            // An empty object has no range; its metadata show whether it is empty.
            Err(ObjectError::NothingThere) if self.version.is_none() => {
                return Ok(self.request_nothing(watch).await?.map(|()| None));
            }
            Err(ObjectError::NothingThere) => return Ok(Err(ObjectError::Changed)),
            Err(error) => return Ok(Err(error)),
        };
        let Some(part) = Part::of(&answer, first) else {
            let host = &self.access.remote.place.endpoint;
            return Ok(Err(ObjectError::Mismatch(format!("{host} sent another range than was asked for"))));
        };
        if self.version.is_none() {
            self.kept = Kept::of(self.access.remote.place.dialect, &answer.headers);
        }
        if self.version.get_or_insert_with(|| part.version.clone()) != &part.version {
            return Ok(Err(ObjectError::Changed));
        }
        let pace = Pace::new(self.access.patience.broken);
        Ok(Ok(Some(Body { chunks: answer.body.bytes_stream(), known: part.known, pace })))
    }

    /// Finds out whether an object of which no byte can be had is empty.
    async fn request_nothing(&mut self, watch: &Watch) -> Result<Result<(), ObjectError>, ContentError> {
        let key = self.key.as_str();
        let said = self.access.get(Target::Metadata { key }, key, None, &mut self.retry, watch).await?;
        Ok(said.and_then(|said| {
            let version = Version::of_metadata(&said.headers);
            let empty = version.size == Some(0);
            self.version = empty.then_some(version);
            if empty { Ok(()) } else { Err(ObjectError::NothingThere) }
        }))
    }
}
