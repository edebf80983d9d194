//! What the headers of a response say of an object: its version, and which bytes of it follow.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::wire::Answer;

/// What distinguishes one version of the object under a key from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// `None` if the response does not say it, and ends where the object ends.
    pub(crate) size: Option<u64>,
    etag: Option<String>,
    /// As the service writes it.
    modified_at: Option<String>,
}

/// A response with bytes of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) version: Version,
    /// How many of its bytes are not new, since it begins before the byte that was asked for.
    pub(crate) known: u64,
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH.as_str())?.parse().ok()
}

impl Version {
    fn new(headers: &HeaderMap, size: Option<u64>) -> Self {
        let text = |name| text(headers, name).map(str::to_owned);
        Self { size, etag: text(ETAG.as_str()), modified_at: text(LAST_MODIFIED.as_str()) }
    }

    /// The version that the response to a request for metadata tells.
    pub(crate) fn of_metadata(headers: &HeaderMap) -> Self {
        // The length of what Google would send differs from what it has stored, for objects that it decompresses.
        let stored = text(headers, "x-goog-stored-content-length").and_then(|length| length.parse().ok());
        Self::new(headers, stored.or_else(|| length(headers)))
    }

    /// The `ETag` without quotation marks.
    pub(crate) fn bare_etag(&self) -> Option<&str> {
        self.etag.as_deref().map(|etag| etag.trim_matches('"'))
    }

    /// The condition of a further request. A weak `ETag` never matches a condition, so it is compared afterwards.
    pub(crate) fn if_match(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }
}

impl Part {
    /// The part that this response to a request for the bytes from `first` on brings; `None` if it is another one.
    pub(crate) fn of(answer: &Answer, first: u64) -> Option<Self> {
        let headers = &answer.headers;
        if answer.status != StatusCode::PARTIAL_CONTENT {
            // A server that takes no notice of ranges sends the whole object.
            return Some(Self { version: Version::new(headers, length(headers)), known: first });
        }
        let range = text(headers, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?;
        let (bytes, size) = range.split_once('/')?;
        let size = size.trim().parse().ok()?;
        let version = Version::new(headers, Some(size));
        // Some write `bytes 0--1/0` for an object of no bytes.
        if size == 0 {
            return Some(Self { version, known: 0 });
        }
        let begin: u64 = bytes.split_once('-')?.0.trim().parse().ok()?;
        Some(Self { version, known: first.checked_sub(begin)? })
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpResponseBody;

    use super::*;

    fn part(status: u16, pairs: &[(&'static str, &str)], first: u64) -> Option<(Option<u64>, u64)> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        let body = HttpResponseBody::from(String::new());
        let part = Part::of(&Answer { status, headers: headers.collect(), body }, first)?;
        Some((part.version.size, part.known))
    }

    #[test]
    fn a_range_says_size_and_place() {
        let range = |range, first| part(206, &[("content-range", range)], first);
        assert_eq!(range("bytes 0-6/7", 0), Some((Some(7), 0)));
        assert_eq!(range("bytes 3-6/7", 3), Some((Some(7), 0)));
        assert_eq!(range("bytes 2-6/7", 3), Some((Some(7), 1)));
        assert_eq!(range("bytes 0--1/0", 0), Some((Some(0), 0)));
        for wrong in ["bytes 4-6/7", "bytes 0-6/*", "items 0-6/7", "bytes"] {
            assert_eq!(range(wrong, 3), None, "{wrong}");
        }
        assert_eq!(part(206, &[], 0), None);
    }

    #[test]
    fn a_whole_object_may_come_instead_and_without_a_length() {
        assert_eq!(part(200, &[("content-length", "7")], 3), Some((Some(7), 3)));
        assert_eq!(part(200, &[("transfer-encoding", "chunked")], 0), Some((None, 0)));
    }

    #[test]
    fn the_stored_length_is_that_of_the_object() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let stored = headers(&[("content-length", "99"), ("x-goog-stored-content-length", "7")]);
        assert_eq!(Version::of_metadata(&stored).size, Some(7));
        let version = Version::of_metadata(&headers(&[("etag", "W/\"a\"")]));
        assert_eq!((version.size, version.if_match()), (None, None));
        assert_eq!(Version::of_metadata(&headers(&[("etag", "\"a\"")])).if_match(), Some("\"a\""));
    }
}
