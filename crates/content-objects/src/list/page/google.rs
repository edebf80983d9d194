//! Pages of Google Cloud Storage.
//!
//! <https://cloud.google.com/storage/docs/json_api/v1/objects/list>

use serde::Deserialize;
use stocktake_domain::Timestamp;

use super::{Object, Page};
use crate::kept::base64;

#[derive(Deserialize)]
struct Answer {
    kind: Option<String>,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    size: Option<String>,
    updated: Option<String>,
    #[serde(rename = "md5Hash")]
    md5: Option<String>,
}

/// Reads a page. If it is not a page, or incomplete, the error says why, without quoting the page.
pub(super) fn parse(body: &[u8]) -> Result<Page, &'static str> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "it is no listing, or not whole")?;
    if answer.kind.as_deref() != Some("storage#objects") {
        return Err("it is no listing");
    }
    let object = |item: Item| Object {
        key: item.name,
        size: item.size.and_then(|size| size.parse().ok()),
        modified_at: item.updated.and_then(|time| Timestamp::parse_rfc3339(&time)),
        md5: item.md5.and_then(|md5| base64(&md5)),
        has_sha256: false,
    };
    Ok(Page {
        objects: answer.items.into_iter().map(object).collect(),
        folders: answer.prefixes,
        next: answer.next.filter(|token| !token.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_token_are_read() {
        let page = parse(
            br#"{"kind": "storage#objects", "nextPageToken": "more", "prefixes": ["d/"], "items": [
                {"name": "a//b\n", "size": "12", "updated": "2026-01-02T03:04:05.678Z",
                "md5Hash": "mgNkuembtIDdJeHwKEyFVQ=="}, {"name": "c"}]}"#,
        )
        .unwrap();
        let first = Object {
            key: "a//b\n".to_owned(),
            size: Some(12),
            modified_at: Timestamp::parse_rfc3339("2026-01-02T03:04:05.678Z"),
            md5: base64("mgNkuembtIDdJeHwKEyFVQ=="),
            has_sha256: false,
        };
        let second = Object { key: "c".to_owned(), ..Object::default() };
        let folders = vec!["d/".to_owned()];
        assert_eq!(page, Page { objects: vec![first, second], folders, next: Some("more".to_owned()) });
    }

    #[test]
    fn other_documents_are_no_page() {
        assert_eq!(parse(br#"{"kind": "storage#objects"}"#), Ok(Page::default()));
        for other in
            ["{}", "", "<html></html>", r#"{"kind": "storage#buckets"}"#, r#"{"kind": "storage#objects","#]
        {
            assert!(parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
