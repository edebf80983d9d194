//! The metadata of an object, without reading the object.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{ContentError, DigestRule, Digests, Evidence, Measure, Observation};

use crate::access::Access;
use crate::dialect::Dialect;
use crate::error::ObjectError;
use crate::retry::RetryState;
use crate::version::{Version, text};
use crate::wire::{Answer, Target};

impl Access {
    /// Requests the metadata of an object.
    pub(crate) async fn head(
        &self,
        inspection: &Inspection,
        key: &str,
        watch: &Watch,
    ) -> Result<Observation, ContentError> {
        let mut retry = RetryState::new();
        loop {
            let said = self.get(Target::Metadata { key }, key, None, &mut retry, watch).await?;
            let error = match said.and_then(|said| self.observation(&said, &inspection.rule)) {
                Ok(observation) => return Ok(observation),
                Err(error) => self.explained(error, key, &mut retry, watch).await?,
            };
            self.retry_or_fail(error, &mut retry, key, watch).await?;
        }
    }

    /// The full reason: the response to `HEAD` has no body, so it does not say whether the bucket or the key is missing,
    /// or why access is denied. To find out, the first byte is requested.
    async fn explained(
        &self,
        error: ObjectError,
        key: &str,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<ObjectError, ContentError> {
        let is_explained = matches!(
            error,
            ObjectError::Busy { .. }
                | ObjectError::Broken(_)
                | ObjectError::Mismatch(_)
                | ObjectError::Missing
        );
        if is_explained {
            return Ok(error);
        }
        let answer = self.get(Target::FirstByte { key }, key, None, retry, watch).await?;
        let is_temporary = |reason: &ObjectError| {
            matches!(reason, ObjectError::Busy { .. } | ObjectError::Broken(_) | ObjectError::NothingThere)
        };
        Ok(answer.err().filter(|reason| !is_temporary(reason)).unwrap_or(error))
    }

    fn observation(&self, said: &Answer, rule: &DigestRule) -> Result<Observation, ObjectError> {
        let Some(size) = Version::of_metadata(&said.headers).size else {
            let host = &self.remote.place.endpoint;
            return Err(ObjectError::Mismatch(format!("{host} does not say how many bytes the object has")));
        };
        let digests = match self.remote.place.dialect {
            Dialect::S3 => of_s3(&said.headers),
            Dialect::Google => of_google(&said.headers),
            Dialect::Azure => of_azure(&said.headers),
        };
        let recorded = match rule {
            DigestRule::Stored | DigestRule::Length(_) => None,
            // The recorded digest is not of the bytes of which the store has a digest.
            _ => Some(match rule.recorded_size(size) {
                Some(size) => Ok(Measure { size: Some(size), digests: Digests::default() }),
                None => Err("too short for encrypted content".to_owned()),
            }),
        };
        Ok(Observation {
            evidence: Evidence::Metadata,
            bytes_read: 0,
            stored: Measure { size: Some(size), digests },
            recorded: recorded.map(Box::new),
            emptied: false,
        })
    }
}

fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// The `ETag` is the MD5 of an object that was uploaded in one part, unless it is encrypted with a key of its own; the
/// checksum of an upload in several parts ends in their number.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
fn of_s3(headers: &HeaderMap) -> Digests {
    let own_key = text(headers, "x-amz-server-side-encryption")
        .is_some_and(|kind| kind.starts_with("aws:kms"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    let etag = text(headers, "etag").and_then(|etag| etag.strip_prefix('"')?.strip_suffix('"'));
    let composite = text(headers, "x-amz-checksum-type") == Some("COMPOSITE");
    Digests {
        md5: etag.filter(|_| !own_key).and_then(|etag| hex::decode(etag).ok()?.try_into().ok()),
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
