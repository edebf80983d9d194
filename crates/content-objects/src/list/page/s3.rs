//! Pages of S3.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use stocktake_domain::Timestamp;

use super::{Object, Page, unescape, xml};
use crate::kept::md5_like;

/// Reads a page. If it is not a page, or incomplete, the error says why, without quoting the page.
pub(super) fn parse(body: &[u8]) -> Result<Page, &'static str> {
    let (mut page, mut object) = (Page::default(), Object::default());
    let mut is_composite = false;
    let (mut escaped, mut truncated, mut whole) = (false, false, false);
    xml::walk(body, |element| {
        let text = element.text;
        match element.path {
            [b"ListBucketResult"] => whole = true,
            [_, b"EncodingType"] => escaped = text == "url",
            [_, b"IsTruncated"] => truncated = text == "true",
            [_, b"NextContinuationToken"] => page.next = Some(text).filter(|token| !token.is_empty()),
            [_, b"Contents"] => {
                object.has_sha256 &= !std::mem::take(&mut is_composite);
                page.objects.push(std::mem::take(&mut object));
            }
            [_, b"CommonPrefixes", b"Prefix"] => page.folders.push(text),
            [_, b"Contents", b"Key"] => object.key = text,
            [_, b"Contents", b"Size"] => object.size = text.parse().ok(),
            [_, b"Contents", b"ETag"] => object.md5 = md5_like(&text),
            [_, b"Contents", b"ChecksumAlgorithm"] => object.has_sha256 |= text == "SHA256",
            [_, b"Contents", b"ChecksumType"] => is_composite = text == "COMPOSITE",
            [_, b"Contents", b"LastModified"] => object.modified_at = Timestamp::parse_rfc3339(&text),
            _ => {}
        }
        Ok(())
    })?;
    if !whole {
        return Err("it is no listing, or not whole");
    }
    if !truncated {
        page.next = None;
    } else if page.next.is_none() {
        return Err("there is more, and no token to ask for it");
    }
    // Stands once in the page, before or after the keys.
    if escaped {
        for key in page.objects.iter_mut().map(|object| &mut object.key).chain(&mut page.folders) {
            // As in a form, with a plus sign for a space.
            *key = unescape(&key.replace('+', " "))?;
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(inside: &str) -> Result<Page, &'static str> {
        parse(
            format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{inside}</ListBucketResult>")
                .as_bytes(),
        )
    }

    #[test]
    fn objects_and_token_are_read() {
        let read = page(
            "<Name>b</Name><Contents><Key>a&amp;b&#x20;c</Key><Size>12</Size>\
             <LastModified>2026-01-02T03:04:05.678Z</LastModified>\
             <ETag>&quot;abababababababababababababababab&quot;</ETag><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>\
             <ChecksumType>FULL_OBJECT</ChecksumType><Owner><Key>x</Key></Owner></Contents>\
             <Contents><Key>d</Key></Contents><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>more</NextContinuationToken>",
        )
        .unwrap();
        assert_eq!(read.next.as_deref(), Some("more"));
        let first = Object {
            key: "a&b c".to_owned(),
            size: Some(12),
            modified_at: Timestamp::parse_rfc3339("2026-01-02T03:04:05.678Z"),
            md5: Some([0xab; 16]),
            has_sha256: true,
        };
        assert_eq!(read.objects, [first, Object { key: "d".to_owned(), ..Object::default() }]);
    }

    #[test]
    fn a_digest_of_parts_is_none_of_the_object() {
        let read = page(
            "<Contents><Key>a</Key><ETag>\"abababababababababababababababab-2\"</ETag>\
             <ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></Contents>\
             <Contents><Key>b</Key><ChecksumAlgorithm>SHA256</ChecksumAlgorithm></Contents>",
        )
        .unwrap();
        let kept: Vec<_> = read.objects.iter().map(|object| (object.md5, object.has_sha256)).collect();
        assert_eq!(kept, [(None, false), (None, true)]);
    }

    #[test]
    fn keys_are_unescaped_if_they_are_escaped() {
        let keys = |encoding: &str| {
            let inside = "<Contents><Key>a+%2B%0A</Key></Contents><CommonPrefixes><Prefix>b%2B/</Prefix></CommonPrefixes>";
            let page = page(&format!("{inside}{encoding}")).unwrap();
            (page.objects[0].key.clone(), page.folders[0].clone())
        };
        let pair = |key: &str, folder: &str| (key.to_owned(), folder.to_owned());
        assert_eq!(keys(""), pair("a+%2B%0A", "b%2B/"));
        assert_eq!(keys("<EncodingType>url</EncodingType>"), pair("a +\n", "b+/"));
    }

    #[test]
    fn what_is_no_whole_listing_is_refused() {
        assert!(parse(b"<html>").is_err());
        assert!(parse(b"").is_err());
        assert!(parse(b"<ListBucketResult><Contents><Key>a</Key>").is_err());
        assert!(page("<IsTruncated>true</IsTruncated>").unwrap_err().contains("no token"));
        assert!(page("&unknown;").is_err());
    }
}
