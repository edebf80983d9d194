//! Entry points for the fuzz targets, each with what must hold for any input.
#![expect(clippy::missing_panics_doc, reason = "to panic is how a fuzz target fails")]

use crate::http::challenge;
use crate::manifest;

/// The header `WWW-Authenticate`.
pub fn challenge(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _: Option<_> = challenge::choose(text.lines());
}

/// A manifest.
pub fn manifest(input: &[u8]) {
    let parsed = manifest::parse(input);
    let is_schema_1 = manifest::is_schema_1(input);
    assert!(
        !(is_schema_1 && parsed.is_ok_and(|descriptors| descriptors.is_empty())),
        "a manifest of no layers"
    );
}
