//! A page of an S3 listing.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::Event;
use stocktake_domain::Timestamp;

/// The reason given for a response that is not well-formed XML.
const NO_XML: &str = "it is no XML";

/// An object of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) size: Option<u64>,
    pub(crate) modified_at: Option<Timestamp>,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// The token that requests the next page; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// Reads a page. If it is not a page, or incomplete, the error says why, without quoting the page.
pub(crate) fn parse(xml: &[u8]) -> Result<Page, &'static str> {
    let mut reader = Reader::from_reader(xml);
    let (mut page, mut object) = (Page::default(), Object::default());
    let (mut path, mut text) = (Vec::<Vec<u8>>::new(), String::new());
    let (mut escaped, mut truncated, mut whole) = (false, false, false);
    loop {
        match reader.read_event().map_err(|_| NO_XML)? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|_| NO_XML)?),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::End(_) => {
                let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
                match names.as_slice() {
                    [b"ListBucketResult"] => whole = true,
                    [_, b"EncodingType"] => escaped = text == "url",
                    [_, b"IsTruncated"] => truncated = text == "true",
                    [_, b"NextContinuationToken"] => page.next = Some(std::mem::take(&mut text)),
                    [_, b"Contents"] => page.objects.push(std::mem::take(&mut object)),
                    [_, b"Contents", b"Key"] => object.key = std::mem::take(&mut text),
                    [_, b"Contents", b"Size"] => object.size = text.parse().ok(),
                    [_, b"Contents", b"LastModified"] => {
                        object.modified_at = Timestamp::parse_rfc3339(&text);
                    }
                    _ => {}
                }
                path.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
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
        for object in &mut page.objects {
            object.key = unescape(&object.key)?;
        }
    }
    Ok(page)
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, &'static str> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| NO_XML)? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|_| NO_XML)?;
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.map(str::to_owned).ok_or("it has an unknown reference")
}

/// A key as S3 escapes it on request: as in a form, with a plus sign for a space.
fn unescape(key: &str) -> Result<String, &'static str> {
    let key = key.replace('+', " ");
    let key = percent_decode_str(&key).decode_utf8().map_err(|_| "it has a key that is not UTF-8")?;
    Ok(key.into_owned())
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
             <LastModified>2026-01-02T03:04:05.678Z</LastModified><Owner><Key>x</Key></Owner></Contents>\
             <Contents><Key>d</Key></Contents><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>more</NextContinuationToken>",
        )
        .unwrap();
        assert_eq!(read.next.as_deref(), Some("more"));
        let first = Object {
            key: "a&b c".to_owned(),
            size: Some(12),
            modified_at: Timestamp::parse_rfc3339("2026-01-02T03:04:05.678Z"),
        };
        assert_eq!(read.objects, [first, Object { key: "d".to_owned(), ..Object::default() }]);
    }

    #[test]
    fn keys_are_unescaped_if_they_are_escaped() {
        let keys = |encoding: &str| {
            let page = page(&format!("<Contents><Key>a+%2B%0A</Key></Contents>{encoding}")).unwrap();
            page.objects[0].key.clone()
        };
        assert_eq!(keys(""), "a+%2B%0A");
        assert_eq!(keys("<EncodingType>url</EncodingType>"), "a +\n");
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
