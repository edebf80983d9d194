//! Entry points for the fuzz targets, each with what must hold for any input.
#![expect(clippy::missing_panics_doc, reason = "to panic is how a fuzz target fails")]

use crate::dialect::Dialect;
use crate::list::page;
use crate::s3::profile;

/// A page of a listing, of each service.
pub fn list(input: &[u8]) {
    for dialect in [Dialect::S3, Dialect::Google, Dialect::Azure] {
        let page = page::parse(dialect, input);
        let has_empty = page.is_ok_and(|page| page.next.is_some_and(|next| next.is_empty()));
        assert!(!has_empty, "an empty token requests the first page again");
    }
}

/// The credentials file that Amazon's tools share.
pub fn profile(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for name in ["default", "other"] {
        let values = profile::section(&text, name).unwrap_or_default();
        assert!(values.iter().all(|(key, value)| !key.contains('\n') && !value.contains('\n')), "{values:?}");
    }
}
