//! A page of a listing.

use percent_encoding::percent_decode_str;
use stocktake_domain::Timestamp;

use crate::dialect::Dialect;

mod azure;
mod google;
mod s3;
pub(crate) mod xml;

/// The reason given for a response that is not well-formed XML.
const NO_XML: &str = "it is no XML";

/// An object of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) size: Option<u64>,
    pub(crate) modified_at: Option<Timestamp>,
    /// Its MD5, or with S3 what looks like one.
    pub(crate) md5: Option<[u8; 16]>,
    /// Whether the store keeps a SHA-256 of the whole object, which only its metadata tell.
    pub(crate) has_sha256: bool,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// The folders, if only these were asked for: their whole prefixes, with the slash at their end.
    pub(crate) folders: Vec<String>,
    /// The token that requests the next page; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// Reads a page. If it is not a page, or incomplete, the error says why, without quoting the page.
pub(crate) fn parse(dialect: Dialect, body: &[u8]) -> Result<Page, &'static str> {
    match dialect {
        Dialect::S3 => s3::parse(body),
        Dialect::Google => google::parse(body),
        Dialect::Azure => azure::parse(body),
    }
}

fn unescape(key: &str) -> Result<String, &'static str> {
    let key = percent_decode_str(key).decode_utf8().map_err(|_| "it has a key that is not UTF-8")?;
    Ok(key.into_owned())
}
