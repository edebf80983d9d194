//! Bodies of answers: small ones as a whole, and what a registry says went wrong.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::Deserialize;

use super::transport::unreachable;
use crate::source::RegistryError;

/// The most bytes of an error that are looked at, and the most characters of it that are shown.
const MAX_ERROR: usize = 64 * 1024;
const SHOWN: usize = 80;

/// How long an error's text is waited for.
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

/// Why the whole body is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The connection broke: ask again.
    Broken(RegistryError),
    /// It is larger than so many bytes.
    TooLarge(usize),
}

/// All bytes of a body that has at most so many.
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

/// What an answer that is no success says, for a failure text: its status, and the registry's own words.
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

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    /// The registry's code, for example `NAME_UNKNOWN`.
    pub(super) code: Option<String>,
    /// For a failure text.
    pub(super) text: String,
}
