//! Requests to a bucket: their URLs, signatures and headers, and what is left of a response.
//!
//! The signatures and tokens are the library's; the requests are ours, so that a key is asked for byte for byte, and a
//! listing goes on by the service's own token.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::{HttpError, HttpRequest, HttpRequestBody, HttpResponseBody, HttpService as _};
use object_store::gcp::GcpCredentialProvider;

use crate::dialect::Dialect;
use crate::key::{in_path, in_query};
use crate::refused::Refused;

/// The most objects that a page of any service holds.
pub(crate) const FULL_PAGE: u32 = 1_000;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A whole object, with the checksum that S3 keeps of it, which it does not tell of a range.
    Whole { key: &'a str },
    /// The bytes of an object from this one on, to the last one.
    From { key: &'a str, first: u64 },
    /// The first byte of an object.
    FirstByte { key: &'a str },
    /// An object's metadata.
    Metadata { key: &'a str },
    /// The metadata of a part of an object that was uploaded in parts, with S3; counted from 1.
    Part { key: &'a str, number: u64 },
    /// The parts of an object that was uploaded in parts, with S3, behind the one with this number.
    Parts { key: &'a str, after: u64 },
    /// A page of the listing.
    Page(PageOf<'a>),
}

/// Which page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageOf<'a> {
    /// What the keys begin with.
    pub(crate) prefix: &'a str,
    /// The token of the page; `None` for the first one.
    pub(crate) token: Option<&'a str>,
    /// The most objects and folders on it.
    pub(crate) most: u32,
    /// What lies below a folder of the prefix is on it by the folder's name only.
    pub(crate) only_folders: bool,
}

/// What signs requests.
#[derive(Debug)]
pub(crate) enum Signer {
    Nothing,
    S3 { credentials: AwsCredentialProvider, region: String },
    Google { credentials: GcpCredentialProvider },
    Azure { credentials: AzureCredentialProvider, account: String },
}

/// A bucket, and how it is asked.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) client: reqwest::Client,
    pub(crate) dialect: Dialect,
    /// The URL of the bucket, without a slash at its end.
    pub(crate) bucket_url: String,
    /// The URL of its listing, without a query.
    pub(crate) listing_url: String,
    pub(crate) signer: Signer,
}

/// A successful response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: HttpResponseBody,
}

/// Why there is no successful response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it has no URL")]
    Url(#[from] http::uri::InvalidUri),
    #[error("no keys to sign it with")]
    Keys(#[source] object_store::Error),
    #[error("no response")]
    Connection(#[from] HttpError),
    #[error(transparent)]
    Refused(Refused),
}

/// How many bytes came with a piece of a body, if it is one.
pub(crate) fn chunk_length(chunk: Option<&Result<Bytes, HttpError>>) -> usize {
    match chunk {
        Some(Ok(chunk)) => chunk.len(),
        _ => 0,
    }
}

impl Answer {
    /// Whether it has a header that no other web server would add.
    pub(crate) fn is_signed_by(&self, dialect: Dialect) -> bool {
        self.headers.keys().any(|name| name.as_str().starts_with(dialect.own_header()))
    }
}

impl Wire {
    /// Sends a request; `if_match` is the `ETag` that the object must have.
    pub(crate) async fn send(&self, target: Target<'_>, if_match: Option<&str>) -> Result<Answer, WireError> {
        let request = self.request(target, if_match).await?;
        let response = self.client.call(request).await?;
        if !response.status().is_success() {
            return Err(WireError::Refused(Refused::read(response, self.dialect).await));
        }
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn request(&self, target: Target<'_>, if_match: Option<&str>) -> Result<HttpRequest, WireError> {
        let mut request = http::Request::new(HttpRequestBody::empty());
        *request.uri_mut() = self.url(target).parse()?;
        if matches!(target, Target::Metadata { .. } | Target::Part { .. }) {
            *request.method_mut() = Method::HEAD;
        }
        let headers = request.headers_mut();
        if let Some(range) = range(target) {
            headers.insert(RANGE, range);
        }
        if let Some(etag) = if_match.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(IF_MATCH, etag);
        }
        match (self.dialect, target) {
            // Without this header, the store does not return a checksum.
            (Dialect::S3, Target::Metadata { .. } | Target::Whole { .. }) => {
                headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
            }
            (Dialect::S3, Target::Parts { after, .. }) => {
                headers.insert("x-amz-object-attributes", HeaderValue::from_static("ETag,ObjectParts"));
                headers.insert("x-amz-part-number-marker", HeaderValue::from(after));
            }
            // Else an object stored with `Content-Encoding: gzip` would be decompressed on its way.
            (Dialect::Google, Target::From { .. } | Target::FirstByte { .. } | Target::Metadata { .. }) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            _ => {}
        }
        self.signer.sign(&mut request).await.map_err(WireError::Keys)?;
        Ok(request)
    }

    fn url(&self, target: Target<'_>) -> String {
        match target {
            Target::Whole { key }
            | Target::From { key, .. }
            | Target::FirstByte { key }
            | Target::Metadata { key } => {
                // Google takes both forms; others that speak its protocol would join empty parts of a key.
                let key = if self.dialect == Dialect::Google { in_query(key) } else { in_path(key) };
                format!("{}/{key}", self.bucket_url)
            }
            Target::Part { key, number } => {
                format!("{}/{}?partNumber={number}", self.bucket_url, in_path(key))
            }
            Target::Parts { key, .. } => format!("{}/{}?attributes", self.bucket_url, in_path(key)),
            Target::Page(page) => self.page_url(page),
        }
    }

    fn page_url(&self, page: PageOf<'_>) -> String {
        let (fixed, most, token) = match self.dialect {
            Dialect::S3 => ("list-type=2&encoding-type=url", "max-keys", "continuation-token"),
            Dialect::Google => (
                "fields=kind,nextPageToken,prefixes,items(name,size,updated,md5Hash)",
                "maxResults",
                "pageToken",
            ),
            Dialect::Azure => ("restype=container&comp=list", "maxresults", "marker"),
        };
        let mut url = format!("{}?{fixed}&{most}={}", self.listing_url, page.most);
        let delimiter = if page.only_folders { "/" } else { "" };
        let values =
            [("prefix", page.prefix), ("delimiter", delimiter), (token, page.token.unwrap_or_default())];
        for (name, value) in values {
            if !value.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(url, "&{name}={}", in_query(value));
            }
        }
        url
    }
}

/// The header `Range` of a request.
fn range(target: Target<'_>) -> Option<HeaderValue> {
    match target {
        Target::From { first, .. } => HeaderValue::from_str(&format!("bytes={first}-")).ok(),
        Target::FirstByte { .. } => Some(HeaderValue::from_static("bytes=0-0")),
        Target::Whole { .. }
        | Target::Metadata { .. }
        | Target::Part { .. }
        | Target::Parts { .. }
        | Target::Page(_) => None,
    }
}

impl Signer {
    async fn sign(&self, request: &mut HttpRequest) -> object_store::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::S3 { credentials, region } => {
                let credential = credentials.get_credential().await?;
                AwsAuthorizer::new(&credential, "s3", region).try_authorize(request, None)
            }
            Self::Google { credentials } => {
                let credential = credentials.get_credential().await?;
                if let Ok(mut token) = HeaderValue::from_str(&format!("Bearer {}", credential.bearer)) {
                    token.set_sensitive(true);
                    request.headers_mut().insert(AUTHORIZATION, token);
                }
                Ok(())
            }
            Self::Azure { credentials, account } => {
                let credential = credentials.get_credential().await?;
                AzureAuthorizer::new(&credential, account).try_authorize(request)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Connector;
    use crate::settings::Network;

    fn url(dialect: Dialect, target: Target<'_>) -> String {
        let wire = Wire {
            client: Connector::new(&Network { certificates: None, plain_http: true })
                .unwrap()
                .client()
                .unwrap(),
            dialect,
            bucket_url: "http://h/b".to_owned(),
            listing_url: "http://h/list".to_owned(),
            signer: Signer::Nothing,
        };
        wire.url(target)
    }

    #[test]
    fn urls_hold_the_key_as_it_is() {
        let object = Target::Metadata { key: "/a//b c" };
        assert_eq!(url(Dialect::S3, object), "http://h/b//a//b%20c");
        assert_eq!(url(Dialect::Azure, object), "http://h/b//a//b%20c");
        assert_eq!(url(Dialect::Google, object), "http://h/b/%2Fa%2F%2Fb%20c");
    }

    #[test]
    fn a_listing_goes_on_by_the_services_own_token() {
        let page = |token| Target::Page(PageOf { prefix: "a/b", token, most: 7, only_folders: false });
        let expected = "http://h/list?list-type=2&encoding-type=url&max-keys=7&prefix=a%2Fb";
        assert_eq!(url(Dialect::S3, page(None)), expected);
        let expected = "http://h/list?restype=container&comp=list&maxresults=7&prefix=a%2Fb&marker=x%3D%3D";
        assert_eq!(url(Dialect::Azure, page(Some("x=="))), expected);
        assert!(url(Dialect::Google, page(Some("x"))).ends_with("&maxResults=7&prefix=a%2Fb&pageToken=x"));
        let folders = Target::Page(PageOf { prefix: "a/", token: Some("x"), most: 7, only_folders: true });
        for (dialect, end) in [
            (Dialect::S3, "&prefix=a%2F&delimiter=%2F&continuation-token=x"),
            (Dialect::Google, "&prefix=a%2F&delimiter=%2F&pageToken=x"),
            (Dialect::Azure, "&prefix=a%2F&delimiter=%2F&marker=x"),
        ] {
            assert!(url(dialect, folders).ends_with(end));
        }
    }

    #[test]
    fn ranges_are_asked_for_of_content_only() {
        let range = |target| range(target).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(range(Target::From { key: "a", first: 7 }).as_deref(), Some("bytes=7-"));
        assert_eq!(range(Target::FirstByte { key: "a" }).as_deref(), Some("bytes=0-0"));
        assert_eq!(range(Target::From { key: "a", first: 0 }).as_deref(), Some("bytes=0-"));
        assert_eq!(range(Target::Whole { key: "a" }), None);
        assert_eq!(range(Target::Metadata { key: "a" }), None);
    }
}
