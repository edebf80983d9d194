//! The digests that a store keeps of an object, as its headers say them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use stocktake_domain::Digests;

use crate::dialect::Dialect;
use crate::version::text;

/// The digests that a verdict can be founded on.
pub(crate) fn digests(dialect: Dialect, headers: &HeaderMap) -> Digests {
    match dialect {
        Dialect::S3 => of_s3(headers),
        Dialect::Google => of_google(headers),
        Dialect::Azure => of_azure(headers),
    }
}

/// Whether the object is encrypted with a key of AWS KMS or of the customer: then its `ETag` is no MD5.
pub(crate) fn has_own_key(headers: &HeaderMap) -> bool {
    text(headers, "x-amz-server-side-encryption").is_some_and(|kind| kind.starts_with("aws:kms"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
}

/// The MD5 that an `ETag` looks like.
pub(crate) fn md5_like(etag: &str) -> Option<[u8; 16]> {
    let digits = etag.strip_prefix('"')?.strip_suffix('"')?;
    hex::decode(digits).ok()?.try_into().ok()
}

/// The bytes of a digest, as headers write them.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// The bytes of a digest of this length.
pub(crate) fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

/// The `ETag` is the MD5 of an object that was uploaded in one part, unless it is encrypted with a key of its own; the
/// checksum of an upload in several parts ends in their number.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
fn of_s3(headers: &HeaderMap) -> Digests {
    let etag = text(headers, "etag").filter(|_| !has_own_key(headers));
    let composite = text(headers, "x-amz-checksum-type") == Some("COMPOSITE");
    Digests {
        md5: etag.and_then(md5_like),
        sha256: text(headers, "x-amz-checksum-sha256").filter(|_| !composite).and_then(base64),
        sha1: None,
        gitaly: None,
    }
}

/// <https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash>
fn of_google(headers: &HeaderMap) -> Digests {
    let values = headers.get_all("x-goog-hash").into_iter().filter_map(|value| value.to_str().ok());
    let mut parts = values.flat_map(|value| value.split(','));
    let md5 = parts.find_map(|part| base64(part.trim().strip_prefix("md5=")?));
    Digests { md5, ..Digests::default() }
}

/// <https://learn.microsoft.com/en-us/rest/api/storageservices/get-blob-properties>
fn of_azure(headers: &HeaderMap) -> Digests {
    Digests { md5: text(headers, "content-md5").and_then(base64), ..Digests::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: [u8; 16] = [0xab; 16];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_etag_counts_only_where_it_is_an_md5() {
        let md5 = |pairs: &[(&'static str, &str)]| of_s3(&headers(pairs)).md5;
        let etag = format!("\"{}\"", "ab".repeat(16));
        let plain = ("etag", etag.as_str());
        assert_eq!(md5(&[plain]), Some(MD5));
        assert_eq!(md5(&[plain, ("x-amz-server-side-encryption", "AES256")]), Some(MD5));
        assert_eq!(md5(&[plain, ("x-amz-server-side-encryption", "aws:kms")]), None);
        assert_eq!(md5(&[plain, ("x-amz-server-side-encryption", "aws:kms:dsse")]), None);
        assert_eq!(md5(&[plain, ("x-amz-server-side-encryption-customer-algorithm", "AES256")]), None);
        for other in [format!("\"{}-2\"", "ab".repeat(16)), format!("W/{etag}"), "\"abab\"".to_owned()] {
            assert_eq!(md5(&[("etag", other.as_str())]), None, "{other}");
        }
    }

    #[test]
    fn a_checksum_of_parts_is_none_of_the_object() {
        let whole = BASE64_STANDARD.encode([7; 32]);
        let sha256 = |pairs: &[(&'static str, &str)]| of_s3(&headers(pairs)).sha256;
        assert_eq!(sha256(&[("x-amz-checksum-sha256", &whole)]), Some([7; 32]));
        assert_eq!(sha256(&[("x-amz-checksum-sha256", &format!("{whole}-3"))]), None);
        let composite = ("x-amz-checksum-type", "COMPOSITE");
        assert_eq!(sha256(&[("x-amz-checksum-sha256", &whole), composite]), None);
    }

    #[test]
    fn google_and_azure_tell_an_md5_in_headers_of_their_own() {
        let md5 = BASE64_STANDARD.encode(MD5);
        let google = headers(&[("x-goog-hash", &format!("crc32c=AAAAAA==, md5={md5}"))]);
        assert_eq!(of_google(&google).md5, Some(MD5));
        assert_eq!(of_azure(&headers(&[("content-md5", &md5)])).md5, Some(MD5));
    }
}
