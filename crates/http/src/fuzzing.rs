//! Entry points for the fuzz targets, each with what must hold for any input.
#![expect(clippy::missing_panics_doc, reason = "to panic is how a fuzz target fails")]

use futures_util::FutureExt as _;
use stocktake_domain::RecordKey;

use crate::body::{self, BodyFormat};
use crate::cursor::Cursor;
use crate::parameters::Parameters;
use crate::validation::Checker;

/// A cursor names the page that it was decoded to.
pub fn cursor(input: &[u8]) {
    if let Some(cursor) = Cursor::decode(&String::from_utf8_lossy(input)) {
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
}

/// An identifier names one record, however it is written.
pub fn identifiers(input: &[u8]) {
    for text in String::from_utf8_lossy(input).lines() {
        if let Ok(key) = text.parse::<RecordKey>() {
            assert_eq!(key.to_string().parse().as_ref(), Ok(&key), "{text:?}");
        }
    }
}

/// A query string.
pub fn query(input: &[u8]) {
    check(&Parameters::from_urlencoded(input).unwrap_or_default());
}

/// A body whose type is not given: a form, or JSON.
pub fn form(input: &[u8]) {
    parse(&BodyFormat::Unspecified, input);
}

/// A form as `multipart/form-data`.
pub fn multipart(input: &[u8]) {
    parse(&BodyFormat::Multipart { boundary: "x".to_owned() }, input);
}

fn parse(format: &BodyFormat, input: &[u8]) {
    let parsed = body::parse(format, input.to_owned()).now_or_never();
    assert!(parsed.is_some(), "a body that was received is parsed without waiting");
    check(&parsed.and_then(Result::ok).unwrap_or_default());
}

/// Looks at the parameters as the endpoints do.
fn check(parameters: &Parameters) {
    let mut checker = Checker::new(parameters);
    let identifiers = checker.identifiers();
    assert!(identifiers.iter().all(|text| !text.trim().is_empty()), "{identifiers:?}");
}
