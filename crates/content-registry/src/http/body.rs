//! Bodies of responses: small ones as a whole, and the error messages of a registry.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use stocktake_net::pace::Pace;

use super::transport::unreachable;
use crate::source::RegistryError;

/// The most bytes of an error that are read, and the most characters of it that are shown.
const MAX_ERROR: usize = 64 * 1024;
const SHOWN: usize = 80;

/// A stretch of waiting within which enough of a body has to come, lest it never ends.
pub(super) const SLOW: Duration = Duration::from_secs(60);

/// How long to wait for the text of an error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    code: String,
    #[serde(default)]
    message: String,
}

/// Why the whole body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The connection broke: retry.
    Broken(RegistryError),
    /// It is larger than this number of bytes.
    TooLarge(usize),
}

/// How many bytes a piece of a body has.
pub(super) fn length(piece: &reqwest::Result<Option<Bytes>>) -> usize {
    piece.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len)
}

/// All bytes of a body with at most this number of bytes.
pub(super) async fn read(mut response: Response, most: usize) -> Result<Bytes, BodyError> {
    let (mut bytes, mut pace) = (BytesMut::new(), Pace::new(SLOW));
    let origin = response.url().origin().ascii_serialization();
    loop {
        let piece = pace.next(response.chunk(), length).await;
        let piece =
            piece.map_err(|slow| BodyError::Broken(RegistryError::storage(format!("{origin}: {slow}"))))?;
        let Some(piece) = piece.map_err(|error| BodyError::Broken(unreachable(&error)))? else { break };
        if bytes.len() + piece.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// The message of an error response for a failure text: its status, and the registry's own message.
pub(super) async fn error_response(response: Response) -> ErrorResponse {
    let (status, origin) = (response.status(), response.url().origin().ascii_serialization());
    let azure_code = response.headers().get("x-ms-error-code").is_some_and(|code| code == "BlobNotFound");
    let body = tokio::time::timeout(ERROR_TIMEOUT, read(response, MAX_ERROR)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let first =
        serde_json::from_slice::<Errors>(&body).ok().and_then(|errors| errors.errors.into_iter().next());
    let is_no_object = azure_code || contains(&body, b"<Code>NoSuchKey</Code>");
    let text = match &first {
        Some(error) => {
            let message: String = error.message.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            let code: String = error.code.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            format!("the registry answers {status} ({code}: {message})")
        }
        None => format!("the registry answers {status}"),
    };
    ErrorResponse { status, origin, code: first.map(|error| error.code), is_no_object, text }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

/// An error response.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: StatusCode,
    /// Scheme, host and port of the server that answered.
    origin: String,
    /// The registry's code, for example `NAME_UNKNOWN`.
    pub(super) code: Option<String>,
    /// Whether an object storage says so of an object that is not there.
    is_no_object: bool,
    /// For a failure text.
    pub(super) text: String,
}

impl ErrorResponse {
    /// Why a manifest or a blob is not returned, or a list.
    ///
    /// That something is not there counts only by the registry's own word for it, or that of the object storage that it
    /// redirects to.
    pub(super) fn into_error(self) -> RegistryError {
        let Self { status, origin, code, is_no_object, text } = self;
        match (status, code.as_deref()) {
            // The last code is not in the specification, but is used.
            (
                StatusCode::NOT_FOUND,
                Some(
                    "NAME_UNKNOWN"
                    | "MANIFEST_UNKNOWN"
                    | "MANIFEST_BLOB_UNKNOWN"
                    | "BLOB_UNKNOWN"
                    | "NOT_FOUND",
                ),
            ) => RegistryError::Absent,
            (StatusCode::NOT_FOUND, None) if is_no_object => RegistryError::Absent,
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => {
                RegistryError::Unclear { reason: format!("access denied: {text}"), origin }
            }
            // Nobody is answered any more.
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
                RegistryError::storage(text)
            }
            (status, _) if status.is_server_error() => RegistryError::Unclear { reason: text, origin },
            (_, Some(_)) => RegistryError::Unreadable(text),
            (_, None) => RegistryError::storage(format!(
                "{origin} answers {status} and no code of a registry: another server, or another address of it"
            )),
        }
    }
}
