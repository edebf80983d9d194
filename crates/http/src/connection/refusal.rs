//! Answers to what is no request: those of the HTTP parser, which consist of a head alone, are replaced by ours.

use std::net::IpAddr;

use actix_web::ResponseError as _;
use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;

use crate::answer::finish_refusal;
use crate::error::ApiError;

/// More than the parser's own answers ever have.
const MAX_BARE: usize = 512;

/// What every answer begins with, before the digit of the version.
const VERSION: &[u8] = b"HTTP/1.";

/// Where the status is in an answer.
const STATUS: std::ops::Range<usize> = 9..12;
const ID_FIELD: &[u8] = b"\r\nx-request-id:";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Where in these bytes the parser's own answer begins; it is the last one of a connection. All other answers have a
/// request id, and no body of ours has a line break of HTTP.
pub(super) fn bare_answer_in(bytes: &[u8]) -> Option<usize> {
    if !bytes.ends_with(END_OF_HEAD) {
        return None;
    }
    let last = bytes.len().saturating_sub(MAX_BARE);
    let window = bytes.get(last..)?;
    let at = window.windows(VERSION.len()).rposition(|part| part == VERSION)?;
    let head = window.get(at..)?;
    let is_whole = head.windows(END_OF_HEAD.len()).position(|part| part == END_OF_HEAD)?
        == head.len() - END_OF_HEAD.len();
    let has_id = head.to_ascii_lowercase().windows(ID_FIELD.len()).any(|part| part == ID_FIELD);
    (is_whole && !has_id && status_of(head).is_some_and(|status| status.is_client_error()))
        .then_some(last + at)
}

fn status_of(head: &[u8]) -> Option<StatusCode> {
    StatusCode::from_bytes(head.get(STATUS)?).ok()
}

/// An answer after which the connection is closed.
pub(super) struct Refusal(Bytes);

impl Refusal {
    /// None: the request that the client went on with has its answer already.
    pub(super) fn silent() -> Self {
        Self(Bytes::new())
    }

    /// The answer instead of the parser's own, which is logged and counted as every other.
    pub(super) fn instead_of(bare: &[u8], reason: Option<ApiError>, address: IpAddr) -> Self {
        let reason = reason.unwrap_or_else(|| match status_of(bare) {
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => ApiError::HeadTooLarge,
            _ => ApiError::BadRequest("the request is not valid HTTP".to_owned()),
        });
        let mut response = reason.error_response();
        finish_refusal(&mut response, address);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(date) = date_of(bare) {
            response.headers_mut().insert(header::DATE, date);
        }
        let status = response.status();
        let mut text = b"HTTP/1.1 ".to_vec();
        text.extend_from_slice(status.as_str().as_bytes());
        text.push(b' ');
        text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        for (name, value) in response.headers() {
            for part in [&b"\r\n"[..], name.as_str().as_bytes(), b": ", value.as_bytes()] {
                text.extend_from_slice(part);
            }
        }
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        text.extend_from_slice(format!("\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        text.extend_from_slice(&body);
        Self(text.into())
    }

    /// What is not yet written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.0
    }

    /// So much more is written.
    pub(super) fn advance(&mut self, written: usize) {
        self.0 = self.0.split_off(written.min(self.0.len()));
    }
}

fn date_of(bare: &[u8]) -> Option<HeaderValue> {
    let text = std::str::from_utf8(bare).ok()?;
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(": "));
    let (_, date) = fields.find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    HeaderValue::from_str(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";

    #[test]
    fn only_the_parsers_own_answers_are_found() {
        let full = "HTTP/1.1 404 Not Found\r\nX-Request-Id: a\r\ncontent-length: 2\r\n\r\n";
        for (bytes, at) in [
            (BARE.to_owned(), Some(0)),
            (format!("{full}{{}}{BARE}"), Some(full.len() + 2)),
            (full.to_owned(), None),
            (format!("{full}{{}}"), None),
            ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), None),
            ("5\r\n12345\r\n0\r\n\r\n".to_owned(), None),
            (BARE.trim_end().to_owned(), None),
            (format!("{}{BARE}", "x".repeat(10_000)), Some(10_000)),
            (BARE.replace("1.1", "1.0"), Some(0)),
            ("\r\n\r\n".to_owned(), None),
        ] {
            assert_eq!(bare_answer_in(bytes.as_bytes()), at, "{bytes}");
        }
    }

    #[test]
    fn an_answer_is_whole() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut answer = Refusal::instead_of(BARE.as_bytes(), None, address);
        let text = String::from_utf8(answer.rest().to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        for line in
            ["date: Thu, 01 Jan 1970 00:00:00 GMT", "connection: close", "content-type: application/json"]
        {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line} is not in {text}");
        }
        assert!(text.contains("\r\nx-request-id: "), "{text}");
        let body = r#"{"message":"400 Bad request - the request is not valid HTTP"}"#;
        assert!(text.ends_with(&format!("content-length: {}\r\n\r\n{body}", body.len())), "{text}");
        answer.advance(9);
        assert!(answer.rest().starts_with(b"400 "));
        let long = Refusal::instead_of(BARE.as_bytes(), Some(ApiError::UrlTooLong), address);
        assert!(long.rest().starts_with(b"HTTP/1.1 414 URI Too Long\r\n"));
    }
}
