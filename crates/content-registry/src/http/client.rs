//! Requests to the registry, with authentication and redirects.

use bytes::Bytes;
use reqwest::header::{ACCEPT, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::auth::{Auth, Credential};
use super::body::{self, BodyError};
use super::known::{Known, KnownGood, Origin};
use super::transport::{PAUSES, TRIES, Transport};
use crate::settings::{RegistrySettings, SettingsError};
use crate::source::RegistryError;

/// How many redirects are followed.
const REDIRECTS: u32 = 5;

/// A request to the registry.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    /// `GET` or `HEAD`.
    pub(super) method: Method,
    /// Path and query, below the registry's URL.
    pub(super) target: String,
    /// The repository whose token is used; empty for the registry itself.
    pub(super) scope: &'a str,
    /// The accepted media types.
    pub(super) accept: Option<&'static str>,
    /// The first byte to request.
    pub(super) from: u64,
}

/// A client of one registry.
pub(super) struct Client {
    registry: Url,
    transport: Transport,
    auth: Auth,
    good: KnownGood,
}

impl<'a> Request<'a> {
    pub(super) fn get(scope: &'a str, target: String) -> Self {
        Self { method: Method::GET, target, scope, accept: None, from: 0 }
    }
}

impl Client {
    pub(super) fn new(settings: RegistrySettings) -> Result<Self, SettingsError> {
        let registry = registry_url(&settings.url)
            .map_err(|reason| SettingsError::Url { url: without_secrets(&settings.url), reason })?;
        let plain_http = registry.scheme() == "http";
        if plain_http && settings.credentials.is_some() {
            tracing::warn!(%registry, "the password is sent to {registry} without TLS");
        }
        let transport = Transport::new(settings.requests, settings.ca_certificates.as_deref(), plain_http)?;
        let auth = Auth::new(registry.clone(), settings.credentials);
        Ok(Self { auth, registry, transport, good: KnownGood::default() })
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The registry's URL.
    pub(super) fn url(&self) -> &str {
        self.registry.as_str().trim_end_matches('/')
    }

    /// Scheme, host and port of the registry.
    pub(super) fn origin(&self) -> String {
        self.registry.origin().ascii_serialization()
    }

    /// The registry's response after authentication, with any status. Only a `GET` is redirected to another host.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        let mut url = self.url_of(&request.target)?;
        let mut redirects = 0;
        let mut challenged = 0;
        loop {
            let is_registry = url.origin() == self.registry.origin();
            let (response, credential) = self.send_once(request, &url, is_registry).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && is_registry {
                self.auth
                    .authenticate(&self.transport, request.scope, credential, challenged, response.headers())
                    .await?;
                challenged += 1;
            } else if let Some(next) = self.redirect(&url, status, response.headers())? {
                // The redirect itself shows that the object exists, and its target may allow only GET.
                if request.method == Method::HEAD && next.origin() != self.registry.origin() {
                    return Ok(response);
                }
                redirects += 1;
                if redirects > REDIRECTS {
                    return Err(RegistryError::storage("the registry redirects in a circle"));
                }
                url = next;
            } else {
                return Ok(response);
            }
        }
    }

    /// The whole body of a successful response, with its headers; any other response is the inner error.
    pub(super) async fn fetch(
        &self,
        request: &Request<'_>,
        most: usize,
    ) -> Result<Result<(HeaderMap, Bytes), Response>, RegistryError> {
        let mut tried = 0;
        loop {
            let response = self.send(request).await?;
            if !response.status().is_success() {
                return Ok(Err(response));
            }
            let headers = response.headers().clone();
            tried += 1;
            match body::read(response, most).await {
                Ok(bytes) => return Ok(Ok((headers, bytes))),
                Err(BodyError::TooLarge(most)) => {
                    let most = most / 1024 / 1024;
                    return Err(RegistryError::Unreadable(format!(
                        "the registry's answer is larger than {most} MiB"
                    )));
                }
                Err(BodyError::Broken(error)) if tried >= TRIES => return Err(error),
                Err(BodyError::Broken(_)) => tokio::time::sleep(PAUSES.delay(tried)).await,
            }
        }
    }

    /// This could be read, and is what it should be as far as can be told.
    pub(super) fn remember(&self, request: &Request<'_>, origin: Origin) {
        let (target, scope) = (request.target.clone(), request.scope.to_owned());
        self.good.add(Known { target, scope, accept: request.accept, origin });
    }

    /// Whom an error of a request concerns: if it may be the registry as a whole, something else of the same kind that could
    /// be read of the same server before is read again.
    pub(super) async fn settle(&self, request: &Request<'_>, error: RegistryError) -> RegistryError {
        let RegistryError::Unclear { reason, origin } = error else { return error };
        let is_well = match self.good.other(&request.target, &origin) {
            Some(known) => self.can_read(&known).await,
            None => false,
        };
        if is_well { RegistryError::Unreadable(reason) } else { RegistryError::storage(reason) }
    }

    async fn can_read(&self, known: &Known) -> bool {
        let request = Request { accept: known.accept, ..Request::get(&known.scope, known.target.clone()) };
        let Ok(mut response) = self.send(&request).await else { return false };
        Origin::of(&response) == known.origin
            && response.status().is_success()
            && response.chunk().await.is_ok()
    }

    async fn send_once(
        &self,
        request: &Request<'_>,
        url: &Url,
        is_registry: bool,
    ) -> Result<(Response, Credential), RegistryError> {
        let mut credential = Credential::Anonymous;
        let make = || {
            let mut builder = self.transport.client().request(request.method.clone(), url.clone());
            if let Some(accept) = request.accept {
                builder = builder.header(ACCEPT, accept);
            }
            if request.from > 0 {
                builder = builder.header(RANGE, format!("bytes={}-", request.from));
            }
            if is_registry {
                (builder, credential) = self.auth.authorize(request.scope, builder);
            }
            builder
        };
        let response = self.transport.send(make).await?;
        Ok((response, credential))
    }

    /// The target of the response's redirect, if it is one.
    fn redirect(
        &self,
        from: &Url,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Url>, RegistryError> {
        let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = headers.get(LOCATION).filter(|_| is_redirect) else { return Ok(None) };
        let next = location.to_str().ok().and_then(|location| from.join(location).ok());
        let next = next.filter(|next| matches!(next.scheme(), "http" | "https"));
        let next = next.ok_or_else(|| RegistryError::storage("the registry redirects to no HTTP URL"))?;
        if self.registry.scheme() == "https" && next.scheme() == "http" {
            let host = next.host_str().unwrap_or_default();
            return Err(RegistryError::storage(format!("the registry redirects to {host} without TLS")));
        }
        Ok(Some(next))
    }

    /// The URL of a target: below the registry's URL and always on its host.
    fn url_of(&self, target: &str) -> Result<Url, RegistryError> {
        Url::parse(&format!("{}/{}", self.url(), target.trim_start_matches('/'))).map_err(|error| {
            RegistryError::Unavailable(format!("the registry's URL gives none for {target}: {error}"))
        })
    }

    /// The target that a response names as the next page, on the registry's own host: the one with `rel` `next` in the
    /// header `Link` (RFC 8288).
    pub(super) fn next_page(&self, target: &str, headers: &HeaderMap) -> Option<String> {
        let links = headers.get_all(reqwest::header::LINK).iter().filter_map(|link| link.to_str().ok());
        let reference = links.flat_map(|link| link.split(',')).find_map(|link| {
            let (reference, parameters) = link.split_once('>')?;
            let is_next = parameters.split(';').any(|parameter| {
                matches!(parameter.trim().replace('"', "").to_ascii_lowercase().as_str(), "rel=next")
            });
            reference.trim().strip_prefix('<').filter(|_| is_next)
        })?;
        let next = self.url_of(target).ok()?.join(reference).ok()?;
        let path = next.path().strip_prefix(self.registry.path().trim_end_matches('/'))?;
        Some(match next.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }
}

fn registry_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it does not begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user name and password have settings of their own".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment".to_owned());
    }
    Ok(url)
}

/// The URL for an error message, without the parts that may be secret: user name and password, query and fragment.
fn without_secrets(text: &str) -> String {
    let (shown, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    match shown.rsplit_once('@') {
        // A password may contain these characters too, so that its end cannot be determined.
        _ if rest.contains('@') => "…".to_owned(),
        Some((_, host)) => format!("…@{host}"),
        None => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use reqwest::header::LINK;

    use super::*;
    use crate::settings::Integrity;

    fn client(url: &str) -> Result<Client, String> {
        let settings = RegistrySettings {
            url: url.to_owned(),
            credentials: None,
            ca_certificates: None,
            integrity: Integrity::Content,
            requests: NonZeroUsize::MIN,
            bytes_per_second: None,
        };
        Client::new(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_that_are_no_registry_are_refused_without_telling_passwords() {
        for (url, reason) in [
            ("registry.example.com", "relative URL without a base"),
            ("ftp://example.com", "it does not begin with https:// or http://"),
            ("https://example.com/?a", "it has a query or a fragment"),
            ("https://me:sesame@example.com", "user name and password have settings of their own"),
            ("https://example.com/?token=sesame", "it has a query or a fragment"),
            ("https://example.com/#sesame", "it has a query or a fragment"),
            ("https://example.com/?mail=a@sesame", "it has a query or a fragment"),
            ("https://me:open?sesame@example.com", "invalid port number"),
            ("me:sesame@example.com", "it does not begin with https:// or http://"),
        ] {
            let error = client(url).err().unwrap();
            assert!(error.ends_with(reason), "{error}");
            assert!(
                !["sesame", "open", "token", "me:"].iter().any(|secret| error.contains(secret)),
                "{error}"
            );
        }
        let error = client("https://example.com/below?token=sesame").err().unwrap();
        assert_eq!(error, "url \"https://example.com/below\": it has a query or a fragment");
    }

    #[test]
    fn pages_follow_each_other_on_the_registrys_own_host() {
        for (base, link, next) in [
            (
                "https://r.example",
                r#"</v2/a/tags/list?n=2&last=b>; rel="next""#,
                Some("/v2/a/tags/list?n=2&last=b"),
            ),
            ("https://r.example", "<http://evil.example/v2/a?n=1>; rel=next", Some("/v2/a?n=1")),
            ("https://r.example/below/", r#"</x>; rel="prev", </below/v2/b>; rel="next""#, Some("/v2/b")),
            ("https://r.example/below", r#"</v2/b>; rel="next""#, None),
            ("https://r.example", r#"</v2/b>; rel="prev""#, None),
            ("https://r.example", "nonsense", None),
        ] {
            let client = client(base).unwrap();
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            let page = client.next_page("/v2/a/tags/list?n=2", &headers);
            assert_eq!(page.as_deref(), next, "{link}");
            let url = page.map(|page| client.url_of(&page).unwrap());
            assert!(url.is_none_or(|url| url.host_str() == Some("r.example")));
        }
    }

    #[test]
    fn redirects_never_lead_from_tls_to_none() {
        let go = |base: &str, location: &'static str| {
            let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
            let client = client(base).unwrap();
            client.redirect(&client.registry, StatusCode::TEMPORARY_REDIRECT, &headers)
        };
        assert_eq!(go("https://r.example", "/a").unwrap().unwrap().as_str(), "https://r.example/a");
        assert!(go("https://r.example", "https://s3.example/b?c").unwrap().is_some());
        assert!(go("http://r.example", "http://s3.example/b?c").unwrap().is_some());
        assert!(go("https://r.example", "http://s3.example/b").is_err());
        assert!(go("http://r.example", "file:///etc/passwd").is_err());
    }
}
