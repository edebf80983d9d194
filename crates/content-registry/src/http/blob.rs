//! Blobs. If a connection breaks, or a response ends too early, the read resumes where it stopped.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use stocktake_content::num::{narrow, widen};
use stocktake_net::pace::Pace;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{SLOW, length};
use super::client::{Client, Request};
use super::known::Origin;
use super::refusal;
use super::transport::{PAUSES, TRIES, unreachable};
use crate::digest::Digest;
use crate::source::{BlobReader, RegistryError};

/// After how many responses in a row without more bytes a blob counts as shorter than it should be.
const EMPTY: u32 = 3;

/// A blob that is being read.
pub(super) struct HttpBlob {
    client: Arc<Client>,
    repository: String,
    digest: Digest,
    /// How many bytes it should have.
    size: u64,
    /// `None` while the connection is broken.
    response: Option<Response>,
    pace: Pace,
    /// How many bytes were received.
    position: u64,
    /// How many bytes to skip because they were received before, if a server does not begin at the requested offset.
    again: u64,
    /// The number of attempts without a new byte.
    tried: u32,
    /// How many responses ended too early although the connection did not break.
    ended: u32,
    /// How many of them in a row at the same offset.
    empty: u32,
    _slot: OwnedSemaphorePermit,
}

/// Starts to read a blob that should have `size` bytes.
pub(super) async fn begin(
    client: Arc<Client>,
    repository: String,
    digest: Digest,
    size: u64,
    slot: OwnedSemaphorePermit,
) -> Result<HttpBlob, RegistryError> {
    let mut pieces = HttpBlob {
        client,
        repository,
        digest,
        size,
        response: None,
        pace: Pace::new(SLOW),
        position: 0,
        again: 0,
        tried: 0,
        ended: 0,
        empty: 0,
        _slot: slot,
    };
    pieces.connect().await?;
    Ok(pieces)
}

#[async_trait]
impl BlobReader for HttpBlob {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let has_ended = match &mut self.response {
                None => !self.connect().await?,
                Some(response) => match self.pace.next(response.chunk(), length).await {
                    Err(slow) => {
                        let origin = response.url().origin().ascii_serialization();
                        return Err(RegistryError::storage(format!("{origin}: {slow}")));
                    }
                    Ok(Ok(None)) => true,
                    Ok(Ok(Some(piece))) => {
                        if let Some(piece) = self.take(piece) {
                            return Ok(Some(piece));
                        }
                        false
                    }
                    Ok(Err(error)) => {
                        self.response = None;
                        self.tried += 1;
                        if self.tried >= TRIES {
                            let request = self.request();
                            return Err(self.client.settle(&request, unreachable(&error)).await);
                        }
                        tokio::time::sleep(PAUSES.delay(self.tried)).await;
                        false
                    }
                },
            };
            if has_ended && self.is_at_end().await? {
                return Ok(None);
            }
        }
    }
}

impl HttpBlob {
    /// The new bytes in this piece.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let skipped = self.again.min(widen(piece.len()));
        self.again -= skipped;
        let piece = piece.split_off(narrow(skipped));
        if piece.is_empty() {
            return None;
        }
        self.position += widen(piece.len());
        self.tried = 0;
        self.empty = 0;
        Some(piece)
    }

    /// Whether the end of a response is the end of the blob. A wrong `Content-Length`, or a connection that is closed
    /// without one, looks the same, so the rest is requested.
    async fn is_at_end(&mut self) -> Result<bool, RegistryError> {
        if self.position >= self.size {
            if let Some(response) = self.response.take() {
                self.client.remember(&self.request(), Origin::of(&response));
            }
            return Ok(true);
        }
        self.response = None;
        self.ended += 1;
        self.empty += 1;
        if self.empty >= EMPTY {
            return Ok(true);
        }
        if self.ended >= TRIES {
            let (position, size) = (self.position, self.size);
            let reason =
                format!("the registry's answers end too early, at last behind {position} of {size} bytes");
            return Err(RegistryError::Unreadable(reason));
        }
        tokio::time::sleep(PAUSES.delay(self.ended)).await;
        Ok(false)
    }

    /// Requests the rest; false if the registry says that there is none.
    async fn connect(&mut self) -> Result<bool, RegistryError> {
        let request = self.request();
        let response = match self.client.send(&request).await {
            Ok(response) => response,
            Err(error) => return Err(self.client.settle(&request, error).await),
        };
        match response.status() {
            StatusCode::RANGE_NOT_SATISFIABLE if self.position > 0 => return Ok(false),
            StatusCode::PARTIAL_CONTENT => {
                let begin = begin_of(&response).filter(|begin| *begin <= self.position);
                let begin = begin.ok_or_else(|| {
                    RegistryError::Unreadable(
                        "the registry answers with another range than was asked for".to_owned(),
                    )
                })?;
                self.again = self.position - begin;
            }
            StatusCode::OK => self.again = self.position,
            _ => return Err(self.client.settle(&request, refusal(response).await).await),
        }
        (self.response, self.pace) = (Some(response), Pace::new(SLOW));
        Ok(true)
    }

    /// A request for the rest.
    fn request(&self) -> Request<'_> {
        let target = format!("/v2/{}/blobs/{}", self.repository, self.digest);
        Request { from: self.position, ..Request::get(&self.repository, target) }
    }
}

/// The offset of a partial response: 5 for `Content-Range: bytes 5-9/10`.
fn begin_of(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
