//! What the parser cannot hold or answers with silence, found while requests are still coming in: a URL or the name of
//! a field that is too long makes it fail without a reason, or panic; a chunk that is none passes for a client that is gone.

use super::chunks::ChunkScanner;
use crate::error::ApiError;

/// The longest URL, in bytes.
pub(crate) const MAX_URL: usize = 65_534;

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
    /// Whether the value that is coming in is the length of a body.
    is_length: bool,
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
    /// A body, of which so many bytes have not come.
    Body(u64),
    /// A body in chunks.
    Chunks(ChunkScanner),
}

impl HeadScanner {
    /// At the beginning of a head.
    pub(super) const fn new() -> Self {
        let (place, then) = (Place::Method, Place::Method);
        Self { place, length: 0, name: [0; MAX_COMPARED], is_length: false, then }
    }

    /// Goes on through these bytes, until something is wrong.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += self.take(bytes, at, *byte)?;
        }
        Ok(())
    }

    /// Takes this byte, or all from there on that are of a body. Returns how many that were.
    fn take(&mut self, bytes: &[u8], at: usize, byte: u8) -> Result<usize, Fault> {
        match self.place {
            Place::Body(left) => {
                let come = bytes.len() - at;
                let taken = usize::try_from(left).map_or(come, |left| left.min(come));
                let left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                self.go_on(Place::Body(left), left == 0);
                Ok(taken)
            }
            Place::Chunks(mut chunks) => {
                let scanned = chunks.scan(bytes.get(at..).unwrap_or_default());
                let taken = scanned.map_err(|good| Fault::Chunk(at + good))?;
                self.go_on(Place::Chunks(chunks), chunks.has_ended());
                Ok(taken)
            }
            place => {
                self.take_of_head(place, byte).map_err(Fault::Head)?;
                Ok(1)
            }
        }
    }

    /// Stays in a body; behind its end another head begins.
    fn go_on(&mut self, body: Place, has_ended: bool) {
        if has_ended {
            *self = Self::new();
        } else {
            self.place = body;
        }
    }

    fn take_of_head(&mut self, place: Place, byte: u8) -> Result<(), ApiError> {
        match (place, byte) {
            (Place::Method, b' ') => self.enter(Place::Url),
            (Place::Url, b' ') => self.enter(Place::Version),
            (Place::Name, b'\n') if self.length == 0 => self.end(),
            (Place::Url | Place::Version | Place::Name | Place::Value, b'\n') => self.enter(Place::Name),
            (Place::Name, b':') => {
                let name = self.name.get(..self.length);
                if name == Some(CHUNKED) {
                    self.then = Place::Chunks(ChunkScanner::new());
                }
                // Of both, the parser follows the chunks.
                let is_length = name == Some(SIZED) && self.then == Place::Method;
                self.enter(Place::Value);
                if is_length {
                    (self.is_length, self.then) = (true, Place::Body(0));
                }
            }
            (Place::Value, byte) if self.is_length => self.count(byte),
            (Place::Url | Place::Name, b'\r')
            | (Place::Method | Place::Version | Place::Value | Place::Body(_) | Place::Chunks(_), _) => (),
            (Place::Url | Place::Name, byte) => self.lengthen(byte)?,
        }
        Ok(())
    }

    /// Takes a byte of the length of a body. The parser refuses what is no number.
    fn count(&mut self, byte: u8) {
        let Place::Body(length) = &mut self.then else { return };
        if let Some(digit) = char::from(byte).to_digit(10) {
            *length = length.saturating_mul(10).saturating_add(digit.into());
        }
    }

    fn enter(&mut self, place: Place) {
        (self.place, self.length, self.is_length) = (place, 0, false);
    }

    fn end(&mut self) {
        let place = if self.then == Place::Body(0) { Place::Method } else { self.then };
        *self = Self { place, ..Self::new() };
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
            (format!("GET / HTTP/1.1\r\nContent-Length: 131070\r\n\r\n{long}{get}"), None),
            (format!("GET / HTTP/1.1\r\nContent-length: 1 \r\n\r\n GET {long}"), Some("URL")),
            (format!("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET {long}"), Some("URL")),
            (format!("GET / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\n\r\n\n{long}"), Some("chunk")),
            (
                format!(
                    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n{get}GET /\n{long}"
                ),
                Some("name"),
            ),
            (format!("GET / HTTP/1.1\r\ntransfer-encoding-: chunked\r\n\r\nGET {long}"), Some("URL")),
        ] {
            for size in [1, 7, 8_192, text.len()] {
                assert_eq!(scanned(&text, size), wanted, "{}", &text[..40]);
            }
        }
    }
}
