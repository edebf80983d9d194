//! What the parser cannot hold or answers with silence, found while requests are still coming in: a URL or the name of
//! a field that is too long makes it fail without a reason, or panic; a chunk that is none passes for a client that is gone.

use super::chunks::ChunkScanner;
use crate::error::ApiError;

/// The longest URL, in bytes.
const MAX_URL: usize = 65_534;

/// The longest name of a field.
const MAX_NAME: usize = 65_535;

/// The field that announces a body of a known length.
const SIZED: &[u8] = b"content-length";

/// The field that announces a body in chunks; the parser takes no other coding.
const CHUNKED: &[u8] = b"transfer-encoding";

/// More bytes of a name than these are not compared.
const MAX_COMPARED: usize = 17;

/// What is wrong in bytes that have come.
#[derive(Debug)]
pub(super) enum Fault {
    /// A head is refused for this reason.
    Head(ApiError),
    /// A body is not in chunks, though its head says so, behind this many of the bytes.
    Chunk(usize),
}

/// Follows the heads of requests, of which those without a body come one behind the other.
#[derive(Debug)]
pub(super) struct HeadScanner {
    place: Place,
    /// Of the URL or the name that is coming in.
    length: usize,
    name: [u8; MAX_COMPARED],
    /// Where the head that is coming in ends.
    then: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The method, or empty lines before it.
    Method,
    Url,
    /// What follows the URL.
    Version,
    /// The name of a field, or the empty line at the end.
    Name,
    Value,
    /// A body, whose end is not known here.
    Body,
    /// A body in chunks.
    Chunks(ChunkScanner),
}

impl HeadScanner {
    /// At the beginning of a head.
    pub(super) const fn new() -> Self {
        Self { place: Place::Method, length: 0, name: [0; MAX_COMPARED], then: Place::Method }
    }

    /// A body has ended.
    pub(super) fn end_body(&mut self) {
        if matches!(self.place, Place::Body | Place::Chunks(_)) {
            *self = Self::new();
        }
    }

    /// Goes on through these bytes, until something is wrong.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for (at, byte) in bytes.iter().enumerate() {
            match (self.place, *byte) {
                (Place::Body, _) => break,
                (Place::Chunks(mut chunks), _) => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let scanned = chunks.scan(rest);
                    self.place = Place::Chunks(chunks);
                    return scanned.map_err(|good| Fault::Chunk(at + good));
                }
                (Place::Method, b' ') => self.enter(Place::Url),
                (Place::Url, b' ') => self.enter(Place::Version),
                (Place::Name, b'\n') if self.length == 0 => self.end(),
                (Place::Url | Place::Version | Place::Name | Place::Value, b'\n') => self.enter(Place::Name),
                (Place::Name, b':') => {
                    match self.name.get(..self.length) {
                        Some(CHUNKED) => self.then = Place::Chunks(ChunkScanner::new()),
                        Some(SIZED) if self.then == Place::Method => self.then = Place::Body,
                        _ => (),
                    }
                    self.enter(Place::Value);
                }
                (Place::Url | Place::Name, b'\r') | (Place::Method | Place::Version | Place::Value, _) => (),
                (Place::Url | Place::Name, byte) => self.lengthen(byte).map_err(Fault::Head)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, place: Place) {
        (self.place, self.length) = (place, 0);
    }

    fn end(&mut self) {
        *self = Self { place: self.then, ..Self::new() };
    }

    fn lengthen(&mut self, byte: u8) -> Result<(), ApiError> {
        if let Some(known) = self.name.get_mut(self.length) {
            *known = byte.to_ascii_lowercase();
        }
        self.length += 1;
        match self.place {
            Place::Url if self.length > MAX_URL => Err(ApiError::UrlTooLong),
            Place::Name if self.length > MAX_NAME => Err(ApiError::HeadTooLarge),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong, if these bytes come in parts of this size.
    fn scanned(text: &str, size: usize) -> Option<&'static str> {
        let mut scanner = HeadScanner::new();
        match text.as_bytes().chunks(size).try_for_each(|part| scanner.scan(part)) {
            Ok(()) => None,
            Err(Fault::Head(ApiError::UrlTooLong)) => Some("URL"),
            Err(Fault::Head(_)) => Some("name"),
            Err(Fault::Chunk(_)) => Some("chunk"),
        }
    }

    #[test]
    fn urls_and_names_are_measured_in_one_head_after_another() {
        let (url, name) = ("u".repeat(MAX_URL), "n".repeat(MAX_NAME));
        let long = "x".repeat(2 * MAX_NAME);
        let get = "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for (text, wanted) in [
            (format!("{get}GET {url} HTTP/1.1\r\n{name}: {long}\r\n\r\n{get}"), None),
            (format!("{get}{get}GET {url}u"), Some("URL")),
            (format!("{long} / {long}\r\n"), None),
            (format!("GET /\nA: b\n{name}n"), Some("name")),
            (format!("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n{long} {long} {long}"), None),
            (format!("GET / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\n\r\n\n{long}"), Some("chunk")),
            (
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n{long}"),
                None,
            ),
            (format!("GET / HTTP/1.1\r\ntransfer-encoding-: chunked\r\n\r\nGET {long}"), Some("URL")),
        ] {
            for size in [1, 7, 8_192, text.len()] {
                assert_eq!(scanned(&text, size), wanted, "{}", &text[..40]);
            }
        }
    }

    #[test]
    fn behind_a_body_a_head_begins() {
        let mut scanner = HeadScanner::new();
        scanner.scan(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\na b").unwrap();
        scanner.end_body();
        let long = format!("GET {}", "u".repeat(MAX_URL + 1));
        assert!(scanner.scan(long.as_bytes()).is_err());
    }
}
