//! Pages of Azure Blob Storage.
//!
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs>

use chrono::DateTime;
use stocktake_domain::Timestamp;

use super::{Object, Page, unescape, xml};
use crate::kept::base64;

/// Reads a page. If it is not a page, or incomplete, the error says why, without quoting the page.
pub(super) fn parse(body: &[u8]) -> Result<Page, &'static str> {
    let (mut page, mut object) = (Page::default(), Object::default());
    let mut whole = false;
    xml::walk(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body), |element| {
        let text = element.text;
        match element.path {
            [b"EnumerationResults"] => whole = true,
            [_, b"NextMarker"] => page.next = Some(text).filter(|marker| !marker.is_empty()),
            [_, b"Blobs", b"Blob"] => page.objects.push(std::mem::take(&mut object)),
            [_, b"Blobs", of @ (b"Blob" | b"BlobPrefix"), b"Name"] => {
                // A name that XML cannot hold is escaped.
                let name = if element.is_encoded { unescape(&text)? } else { text };
                if *of == b"Blob" { object.key = name } else { page.folders.push(name) }
            }
            [_, b"Blobs", b"Blob", b"Properties", b"Content-Length"] => object.size = text.parse().ok(),
            [_, b"Blobs", b"Blob", b"Properties", b"Content-MD5"] => object.md5 = base64(&text),
            [_, b"Blobs", b"Blob", b"Properties", b"Last-Modified"] => {
                let time = DateTime::parse_from_rfc2822(&text).ok();
                object.modified_at = time.map(|time| Timestamp::from_millis(time.timestamp_millis()));
            }
            _ => {}
        }
        Ok(())
    })?;
    if whole { Ok(page) } else { Err("it is no listing, or not whole") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_and_marker_are_read() {
        let page = parse(
            b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Prefix>a</Prefix><Blobs>\
              <Blob><Name>a&amp;b//c</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>\
              <Content-Length>12</Content-Length><Content-MD5>mgNkuembtIDdJeHwKEyFVQ==</Content-MD5></Properties></Blob>\
              <Blob><Name Encoded=\"true\">d%EF%BF%BE%25</Name></Blob><BlobPrefix><Name>e/</Name></BlobPrefix></Blobs>\
              <NextMarker>2!more</NextMarker></EnumerationResults>",
        )
        .unwrap();
        assert_eq!(page.next.as_deref(), Some("2!more"));
        let first = Object {
            key: "a&b//c".to_owned(),
            size: Some(12),
            modified_at: Timestamp::parse_rfc3339("2026-01-02T03:04:05Z"),
            md5: base64("mgNkuembtIDdJeHwKEyFVQ=="),
            ..Object::default()
        };
        let second = Object { key: "d\u{fffe}%".to_owned(), ..Object::default() };
        assert_eq!(page.objects, [first, second]);
        assert_eq!(page.folders, ["e/"]);
    }

    #[test]
    fn the_last_page_has_no_marker_and_other_documents_are_no_page() {
        let last = parse(b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>").unwrap();
        assert_eq!(last, Page::default());
        assert!(parse(b"<EnumerationResults><Blobs>").is_err());
        assert!(parse(b"<html></html>").is_err());
        assert!(parse(b"").is_err());
    }
}
