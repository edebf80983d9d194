//! Bodies of responses: small ones as a whole, and the error messages of a registry.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::Deserialize;

use super::transport::unreachable;
use crate::source::RegistryError;

/// The most bytes of an error that are read, and the most characters of it that are shown.
const MAX_ERROR: usize = 64 * 1024;
const SHOWN: usize = 80;

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

/// All bytes of a body with at most this number of bytes.
pub(super) async fn read(mut response: Response, most: usize) -> Result<Bytes, BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| BodyError::Broken(unreachable(&error)))? {
        if bytes.len() + piece.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// The message of an error response for a failure text: its status, and the registry's own message.
pub(super) async fn error_response(response: Response) -> ErrorResponse {
    let status = response.status();
    let body = tokio::time::timeout(ERROR_TIMEOUT, read(response, MAX_ERROR)).await;
    let errors = body.ok().and_then(Result::ok).and_then(|body| serde_json::from_slice::<Errors>(&body).ok());
    let first = errors.and_then(|errors| errors.errors.into_iter().next());
    let text = match &first {
        Some(error) => {
            let message: String = error.message.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            let code: String = error.code.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            format!("the registry answers {status} ({code}: {message})")
        }
        None => format!("the registry answers {status}"),
    };
    ErrorResponse { code: first.map(|error| error.code), text }
}

/// An error response.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    /// The registry's code, for example `NAME_UNKNOWN`.
    pub(super) code: Option<String>,
    /// For a failure text.
    pub(super) text: String,
}
