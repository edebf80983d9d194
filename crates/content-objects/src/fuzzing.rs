//! Entry points for the fuzz targets, each with what must hold for any input.

use crate::list::page;
use crate::s3::profile;

/// A page of a listing of S3.
pub fn list(input: &[u8]) {
    let page = page::parse(input);
    let has_next = page.is_ok_and(|page| page.next.is_some_and(|next| next.is_empty()));
    assert!(!has_next, "an empty token requests the first page again");
}

/// The credentials file that Amazon's tools share.
pub fn profile(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for name in ["default", "other"] {
        let values = profile::section(&text, name).unwrap_or_default();
        assert!(values.iter().all(|(key, value)| !key.contains('\n') && !value.contains('\n')), "{values:?}");
    }
}
