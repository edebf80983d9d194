//! A layer between the library and its HTTP client: it determines the exact request, and keeps the answer's headers.
//!
//! The library uses paths where S3 uses keys, and would change a key with empty parts. Our requests therefore carry
//! their subject ([`Target`]) as an extension, and for S3 the URL is made and signed here. Requests for credentials
//! carry no target and are passed on unchanged.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Collected, Limited};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};
use stocktake_net::http::retry_after;

use crate::key::in_url;

/// The most bytes that are read of an error response.
const MAX_REFUSAL: usize = 64 * 1024;

/// The most characters of a code in an error response.
const MAX_CODE: usize = 64;

/// The subject of a request, in its extensions.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// An object, by its key.
    Object(String),
    /// A page of the listing, by the query.
    Page(String),
}

/// The headers of a response, in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) HeaderMap);

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("status {status} {code}")]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// The service's own code, for example `NoSuchKey`; empty if there is none.
    pub(crate) code: String,
    /// When to retry.
    pub(crate) retry_after: Option<Duration>,
    /// The region of the bucket, if the service names it.
    pub(crate) region: Option<String>,
}

/// Why a request could not be sent at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    #[error("it has no URL")]
    Url(#[from] http::uri::InvalidUri),
    #[error("no keys to sign it with")]
    Keys(#[from] object_store::Error),
}

/// Makes and signs requests to a bucket of S3.
#[derive(Debug)]
pub(crate) struct Signer {
    /// The URL of the bucket, without a slash at its end.
    bucket_url: String,
    region: String,
    /// Known only after the library was set up, which needs the client; `None` for requests without signature.
    credentials: OnceLock<Option<AwsCredentialProvider>>,
}

/// An HTTP client.
#[derive(Debug, Clone)]
pub(crate) struct SignedHttp {
    client: reqwest::Client,
    signer: Option<Arc<Signer>>,
}

impl SignedHttp {
    pub(crate) fn new(client: reqwest::Client, signer: Option<Arc<Signer>>) -> Self {
        Self { client, signer }
    }
}

#[async_trait::async_trait]
impl HttpService for SignedHttp {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(ask) = request.extensions_mut().remove::<Target>() else {
            return self.client.call(request).await;
        };
        if let Some(signer) = &self.signer {
            signer
                .prepare(&mut request, &ask)
                .await
                .map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        }
        let from_start = request.headers().get(RANGE).is_some_and(|range| range == "bytes=0-");
        let response = self.client.call(request).await?;
        let response = match response.status() {
            StatusCode::OK if from_start => as_part(response),
            status if status.is_success() => Ok(response),
            _ => Err(Refused::read(response).await),
        };
        // This kind keeps the library from retrying: the throttle of the whole storage decides when to retry.
        let mut response = response.map_err(|refused| HttpError::new(HttpErrorKind::Unknown, refused))?;
        let answer = Answer(response.headers().clone());
        response.extensions_mut().insert(answer);
        Ok(response)
    }
}

/// Marks the whole object, as a server sends it that ignores ranges, as the range from the start. An empty object has
/// no such range.
fn as_part(mut response: HttpResponse) -> Result<HttpResponse, Refused> {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let Some(length) = length.and_then(|length| length.parse::<u64>().ok()) else { return Ok(response) };
    let last = length.checked_sub(1).ok_or_else(|| Refused::of(StatusCode::RANGE_NOT_SATISFIABLE))?;
    if let Ok(range) = HeaderValue::from_str(&format!("bytes 0-{last}/{length}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

impl Refused {
    fn of(status: StatusCode) -> Self {
        Self { status, code: String::new(), retry_after: None, region: None }
    }

    async fn read(response: HttpResponse) -> Self {
        let status = response.status();
        let (parts, body) = response.into_parts();
        // If the body cannot be read to its end, only the status is used.
        let body = Limited::new(body, MAX_REFUSAL).collect().await;
        let body = body.map(Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let code = header("x-ms-error-code").or_else(|| element(&text, "Code")).unwrap_or_default();
        Self {
            status,
            code: word(code),
            retry_after: retry_after(&parts.headers),
            region: header("x-amz-bucket-region").or_else(|| element(&text, "Region")).map(word),
        }
    }
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = xml.split_once(&format!("<{name}>"))?;
    behind.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// As much of a code or a name as may be shown: it comes from the server, which is not trusted.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MAX_CODE).collect()
}

impl Signer {
    pub(crate) fn new(bucket_url: String, region: String) -> Self {
        Self { bucket_url, region, credentials: OnceLock::new() }
    }

    /// Sets the credentials for signing. Later calls have no effect.
    pub(crate) fn sign_with(&self, credentials: Option<AwsCredentialProvider>) {
        self.credentials.get_or_init(|| credentials);
    }

    /// The URL of the target.
    fn uri(&self, ask: &Target) -> Result<Uri, http::uri::InvalidUri> {
        match ask {
            Target::Object(key) => format!("{}/{}", self.bucket_url, in_url(key)),
            Target::Page(query) => format!("{}/?{query}", self.bucket_url),
        }
        .parse()
    }

    async fn prepare(&self, request: &mut HttpRequest, ask: &Target) -> Result<(), Unsent> {
        *request.uri_mut() = self.uri(ask)?;
        if request.method() == Method::HEAD {
            // Without this header, the store does not return a checksum.
            request.headers_mut().insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        }
        if let Some(Some(provider)) = self.credentials.get() {
            let credential = provider.get_credential().await?;
            let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
            authorizer.try_authorize(request, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_hold_the_key_as_it_is() {
        let signer = |url: &str| Signer::new(url.to_owned(), "r".to_owned());
        let uri = |url: &str, ask| signer(url).uri(&ask).unwrap().to_string();
        assert_eq!(uri("http://h/b", Target::Object("/a//b c".to_owned())), "http://h/b//a//b%20c");
        assert_eq!(uri("http://b.h", Target::Object("a".to_owned())), "http://b.h/a");
        assert_eq!(uri("http://b.h", Target::Page("list-type=2".to_owned())), "http://b.h/?list-type=2");
    }

    #[test]
    fn codes_are_found_and_cannot_bring_other_words() {
        let xml = "<Error><Code>NoSuch\nKey</Code><Region>eu-1</Region></Error>";
        assert_eq!(element(xml, "Code").map(word).as_deref(), Some("NoSuchKey"));
        assert_eq!(element(xml, "Region"), Some("eu-1"));
        assert_eq!(element(xml, "Other"), None);
        assert_eq!(word(&"x".repeat(999)).len(), MAX_CODE);
    }
}
