//! How long the URL and the names of fields are, while heads of requests are still coming in: longer ones than the
//! parser can hold make it fail without a reason, or panic.

use crate::error::ApiError;

/// The longest URL, in bytes.
const MAX_URL: usize = 65_534;

/// The longest name of a field.
const MAX_NAME: usize = 65_535;

/// The fields that announce a body.
const OF_BODY: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];

/// More bytes of a name than these are not compared.
const MAX_COMPARED: usize = 17;

/// Follows the heads of requests, of which those without a body come one behind the other.
#[derive(Debug)]
pub(super) struct HeadScanner {
    place: Place,
    /// Of the URL or the name that is coming in.
    length: usize,
    name: [u8; MAX_COMPARED],
    announces_body: bool,
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
}

impl HeadScanner {
    /// At the beginning of a head.
    pub(super) const fn new() -> Self {
        Self { place: Place::Method, length: 0, name: [0; MAX_COMPARED], announces_body: false }
    }

    /// A body has ended.
    pub(super) fn end_body(&mut self) {
        if self.place == Place::Body {
            *self = Self::new();
        }
    }

    /// Goes on through these bytes, until something is too long.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        for byte in bytes {
            match (self.place, *byte) {
                (Place::Body, _) => break,
                (Place::Method, b' ') => self.enter(Place::Url),
                (Place::Url, b' ') => self.enter(Place::Version),
                (Place::Name, b'\n') if self.length == 0 => self.end(),
                (Place::Url | Place::Version | Place::Name | Place::Value, b'\n') => self.enter(Place::Name),
                (Place::Name, b':') => {
                    self.announces_body |=
                        OF_BODY.iter().any(|name| self.name.get(..self.length) == Some(*name));
                    self.enter(Place::Value);
                }
                (Place::Url | Place::Name, b'\r') | (Place::Method | Place::Version | Place::Value, _) => (),
                (Place::Url | Place::Name, byte) => self.lengthen(byte)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, place: Place) {
        (self.place, self.length) = (place, 0);
    }

    fn end(&mut self) {
        let place = if self.announces_body { Place::Body } else { Place::Method };
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
            Err(ApiError::UrlTooLong) => Some("URL"),
            Err(_) => Some("name"),
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
            (format!("GET / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\n\r\n\n{long}"), None),
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
