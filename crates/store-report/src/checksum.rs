//! The result of a task that computed a checksum, as its report has it:
//! `{"checksum_base64":"…","etag":"…","checksumAlgorithm":"SHA256","checksumType":"FULL_OBJECT","checksum_hex":"…"}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use stocktake_domain::{Digests, Reported};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "checksumAlgorithm", borrow)]
    algorithm: std::borrow::Cow<'a, str>,
    #[serde(rename = "checksumType", borrow)]
    of: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "checksum_base64", borrow)]
    base64: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "checksum_hex", borrow)]
    hex: Option<std::borrow::Cow<'a, str>>,
}

/// What the result says of the object. Of a checksum of the parts of an upload, and of one of an algorithm that nothing is
/// recorded with, that is nothing.
pub(crate) fn said(message: &str) -> Result<Reported, String> {
    let message: Message<'_> = serde_json::from_str(message)
        .map_err(|error| format!("the task's result is not understood: {error}"))?;
    let mut said = Reported { at_rest: true, ..Reported::default() };
    if message.of.as_deref().is_some_and(|of| of != "FULL_OBJECT") {
        return Ok(said);
    }
    let bytes = match (&message.hex, &message.base64) {
        (Some(text), _) => hex::decode(text.as_ref()).ok(),
        (None, Some(text)) => BASE64_STANDARD.decode(text.as_ref()).ok(),
        (None, None) => None,
    };
    let bytes = bytes.ok_or("the task's result has no checksum that can be read")?;
    let digests = match message.algorithm.as_ref() {
        "SHA256" => bytes.try_into().ok().map(|bytes| Digests { sha256: Some(bytes), ..Digests::default() }),
        "SHA1" => bytes.try_into().ok().map(|bytes| Digests { sha1: Some(bytes), ..Digests::default() }),
        "MD5" => bytes.try_into().ok().map(|bytes| Digests { md5: Some(bytes), ..Digests::default() }),
        _ => Some(Digests::default()),
    };
    said.digests =
        digests.ok_or_else(|| format!("the checksum has another length than {} has", message.algorithm))?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(algorithm: &str, of: &str, hex: &str) -> String {
        let base64 = BASE64_STANDARD.encode(hex::decode(hex).unwrap());
        // A solidus and an equals sign may be escaped.
        let base64 = base64.replace('=', "\\u003d");
        format!(
            "{{\"checksum_base64\":\"{base64}\",\"etag\":\"3c3c\",\"checksumAlgorithm\":\"{algorithm}\",\
             \"checksumType\":\"{of}\",\"checksum_hex\":\"{hex}\"}}"
        )
    }

    #[test]
    fn a_checksum_of_the_whole_object_is_taken() {
        let sha256 = said(&message("SHA256", "FULL_OBJECT", &"AB".repeat(32))).unwrap();
        assert_eq!((sha256.digests.sha256, sha256.at_rest), (Some([0xab; 32]), true));
        let base64 =
            "{\"checksumAlgorithm\":\"MD5\",\"checksum_base64\":\"q6urq6urq6urq6urq6urqw\\u003d\\u003d\"}";
        assert_eq!(said(base64).unwrap().digests.md5, Some([0xab; 16]));
    }

    #[test]
    fn what_cannot_be_compared_says_nothing_and_what_is_wrong_is_refused() {
        for text in
            [message("SHA256", "COMPOSITE", &"ab".repeat(32)), message("CRC32", "FULL_OBJECT", "6D2F5339")]
        {
            assert_eq!(said(&text).unwrap(), Reported { at_rest: true, ..Reported::default() });
        }
        for text in ["", "Successful", "{}", "{\"checksumAlgorithm\":\"SHA256\"}"] {
            assert!(said(text).is_err(), "{text}");
        }
        assert!(said(&message("SHA256", "FULL_OBJECT", "abcd")).is_err());
    }
}
