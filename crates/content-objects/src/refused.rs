//! Error responses, and the service's own word in them.

use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt as _, Collected, Limited};
use object_store::client::HttpResponse;
use stocktake_net::http::retry_after;

use crate::dialect::Dialect;

/// The most bytes that are read of an error response.
const MAX_REFUSAL: usize = 64 * 1024;

/// The most characters of a code in an error response.
const MAX_CODE: usize = 64;

/// How long to wait for the body of an error response.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("status {status} {code}")]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// The service's own code, for example `NoSuchKey`; empty if there is none, as from any other web server.
    pub(crate) code: String,
    /// When to retry.
    pub(crate) retry_after: Option<Duration>,
    /// The region of the bucket, if the service names it.
    pub(crate) region: Option<String>,
}

impl Refused {
    pub(crate) async fn read(response: HttpResponse, dialect: Dialect) -> Self {
        let (parts, body) = response.into_parts();
        // If the body cannot be read to its end, only status and headers are used.
        let body = Limited::new(body, MAX_REFUSAL).collect();
        let body = tokio::time::timeout(BODY_TIMEOUT, body).await.ok();
        let body = body.and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let code = match dialect {
            Dialect::S3 => element(&text, "Code").map(word),
            Dialect::Google => element(&text, "Code").map(word).or_else(|| json_code(&body)),
            Dialect::Azure => header("x-ms-error-code").map(word),
        };
        Self {
            status: parts.status,
            code: code.unwrap_or_default(),
            retry_after: retry_after(&parts.headers),
            region: header("x-amz-bucket-region").or_else(|| element(&text, "Region")).map(word),
        }
    }
}

/// The text of the first element of this name in an error of S3's form.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, error) = xml.split_once("<Error").filter(|(_, error)| error.starts_with(['>', ' ']))?;
    let (_, behind) = error.split_once(&format!("<{name}>"))?;
    behind.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// The reason in an error of Google's JSON form; the status if it names none.
fn json_code(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = answer.get("error")?;
    let status = error.get("code")?.as_u64()?;
    let reason = error.pointer("/errors/0/reason").and_then(serde_json::Value::as_str).map(word);
    Some(reason.filter(|reason| !reason.is_empty()).unwrap_or_else(|| status.to_string()))
}

/// As much of a code or a name as may be shown: it comes from the server, which is not trusted.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MAX_CODE).collect()
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpResponseBody;

    use super::*;

    #[test]
    fn codes_are_found_and_cannot_bring_other_words() {
        let xml = "<Error><Code>NoSuch\nKey</Code><Region>eu-1</Region></Error>";
        assert_eq!(element(xml, "Code").map(word).as_deref(), Some("NoSuchKey"));
        assert_eq!(element(xml, "Region"), Some("eu-1"));
        assert_eq!(element(xml, "Other"), None);
        assert_eq!(element("<html><Code>NoSuchKey</Code></html>", "Code"), None);
        assert_eq!(word(&"x".repeat(999)).len(), MAX_CODE);
    }

    #[tokio::test]
    async fn each_service_has_a_word_of_its_own() {
        let xml = "<Error><Code>NoSuchKey</Code></Error>";
        let json = r#"{"error": {"code": 404, "message": "m", "errors": [{"reason": "notFound"}]}}"#;
        let bare = r#"{"error": {"code": 404, "message": "m"}}"#;
        let (header, none) = (Some("BlobNotFound"), None);
        for (dialect, header, body, code) in [
            (Dialect::S3, none, xml, "NoSuchKey"),
            (Dialect::S3, header, "", ""),
            (Dialect::S3, none, json, ""),
            (Dialect::Google, none, xml, "NoSuchKey"),
            (Dialect::Google, none, json, "notFound"),
            (Dialect::Google, none, bare, "404"),
            (Dialect::Azure, header, "", "BlobNotFound"),
            (Dialect::Azure, none, xml, ""),
            (Dialect::Azure, none, "<html>404</html>", ""),
        ] {
            let mut response = http::Response::new(HttpResponseBody::from(body.to_owned()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            if let Some(header) = header {
                response.headers_mut().insert("x-ms-error-code", header.parse().unwrap());
            }
            let refused = Refused::read(response, dialect).await;
            assert_eq!((refused.code.as_str(), refused.status.as_u16()), (code, 404), "{dialect:?} {body}");
        }
    }
}
