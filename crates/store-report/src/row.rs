//! What a row says, from the texts of its fields.

use std::borrow::Cow;

use stocktake_domain::{Digests, Reported};

use crate::checksum;
use crate::columns::{Columns, ColumnsOf};

/// The fields of a row, by the numbers of their columns.
pub(crate) trait Fields {
    /// The text of a field; `None` if it is empty. An error says what is wrong with it.
    fn text(&self, column: usize) -> Result<Option<&str>, String>;

    /// The field as a number.
    fn number(&self, column: usize) -> Result<Option<u64>, String> {
        let text = self.text(column)?;
        text.map(|text| text.parse().map_err(|_| format!("{text:?} is no number of bytes"))).transpose()
    }

    /// The field as a truth value.
    fn truth(&self, column: usize) -> Result<Option<bool>, String> {
        let text = self.text(column)?;
        text.map(|text| match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })
        .transpose()
    }
}

/// What the row says of its object; `None` of an object that is not the current version, or is a delete marker.
pub(crate) fn said(fields: &impl Fields, columns: &Columns) -> Result<Option<Reported>, String> {
    match &columns.kind {
        ColumnsOf::Inventory { is_latest, is_delete_marker, size, etag, is_multipart, encryption } => {
            let truth = |column: &Option<usize>| column.map_or(Ok(None), |column| fields.truth(column));
            if truth(is_latest)? == Some(false) || truth(is_delete_marker)? == Some(true) {
                return Ok(None);
            }
            let size = size.map_or(Ok(None), |column| fields.number(column))?;
            let said = Reported { size, ..Reported::default() };
            let Some(etag) = etag.map_or(Ok(None), |column| fields.text(column))? else {
                return Ok(Some(said));
            };
            let encryption = encryption.map_or(Ok(None), |column| fields.text(column))?;
            Ok(Some(with_etag(said, etag, truth(is_multipart)?, encryption)))
        }
        ColumnsOf::Checksums { task_status, message } => {
            let status = fields.text(*task_status)?.unwrap_or_default();
            match status {
                _ if status.eq_ignore_ascii_case("succeeded") => {
                    let message =
                        fields.text(*message)?.ok_or("the task succeeded, and its result is empty")?;
                    checksum::said(message).map(Some)
                }
                _ if status.eq_ignore_ascii_case("failed") => {
                    Ok(Some(Reported { refused: true, ..Reported::default() }))
                }
                _ => Err(format!("the task's status is {status:?}, neither succeeded nor failed")),
            }
        }
    }
}

/// The same with the `ETag`, which is the MD5 of an object that was put in one piece and is not encrypted with a key of AWS
/// KMS or of the customer. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
fn with_etag(said: Reported, etag: &str, is_multipart: Option<bool>, encryption: Option<&str>) -> Reported {
    let digits = etag.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(etag);
    let mut bytes = [0; 16];
    if is_multipart == Some(true) || hex::decode_to_slice(digits, &mut bytes).is_err() {
        return said;
    }
    let md5 = Digests { md5: Some(bytes), ..Digests::default() };
    match encryption {
        Some("SSE-S3" | "NOT-SSE") => Reported { digests: md5, ..said },
        Some(_) => said,
        None => Reported { uncertain: md5, ..said },
    }
}

/// The key that is written URL-encoded, as forms are: a plus sign is a blank.
pub(crate) fn decoded(key: &str) -> Result<Cow<'_, str>, String> {
    if !key.contains(['%', '+']) {
        return Ok(Cow::Borrowed(key));
    }
    let blanks = key.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&blanks).collect::<Vec<u8>>();
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| format!("the key {key:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: [u8; 16] = [0xab; 16];

    fn etag(
        text: &str,
        is_multipart: Option<bool>,
        encryption: Option<&str>,
    ) -> (Option<[u8; 16]>, Option<[u8; 16]>) {
        let said = with_etag(Reported::default(), text, is_multipart, encryption);
        (said.digests.md5, said.uncertain.md5)
    }

    #[test]
    fn an_etag_is_an_md5_only_where_it_is_known_to_be_one() {
        let digits = "ab".repeat(16);
        let quoted = format!("\"{digits}\"");
        assert_eq!(etag(&digits, Some(false), Some("SSE-S3")), (Some(MD5), None));
        assert_eq!(etag(&quoted, None, Some("NOT-SSE")), (Some(MD5), None));
        assert_eq!(etag(&digits, Some(false), None), (None, Some(MD5)));
        for encryption in ["SSE-KMS", "DSSE-KMS", "SSE-C"] {
            assert_eq!(etag(&digits, Some(false), Some(encryption)), (None, None), "{encryption}");
        }
        assert_eq!(etag(&digits, Some(true), Some("SSE-S3")), (None, None));
        assert_eq!(etag(&format!("{digits}-3"), None, Some("SSE-S3")), (None, None));
    }

    #[test]
    fn keys_are_decoded_as_forms_are() {
        assert_eq!(decoded("a/b.bin").unwrap(), "a/b.bin");
        assert_eq!(decoded("a+b%2Bc%25/%C3%A4").unwrap(), "a b+c%/ä");
        assert!(decoded("%FF").is_err());
    }
}
