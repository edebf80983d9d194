//! The `Link` header and the URLs in it.

use std::borrow::Cow;
use std::rc::Rc;

use actix_web::http::header;
use actix_web::http::uri::Authority;
use actix_web::{HttpMessage as _, HttpRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stocktake_web::{Client, PRIVATE_TOKEN, is_host, pairs};

use crate::connection::{ConnectionState, MAX_URL};

/// All characters but those that RFC 3986 calls unreserved are encoded, so that no value can end the URL or the header. The
/// comma too: GitLab's clients split the header at each.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Builds the `Link` header of one answer.
pub(crate) struct Links<'a> {
    request: &'a HttpRequest,
    external_url: Option<&'a str>,
    header: String,
}

impl<'a> Links<'a> {
    /// Links to other pages of what this request asked for. Their URLs begin with `external_url` where it is
    /// given, else with the scheme and host that a trusted proxy names, else with those of the request itself.
    pub(crate) fn new(request: &'a HttpRequest, external_url: Option<&'a str>) -> Self {
        Self { request, external_url, header: String::new() }
    }

    /// Adds a link: the request's own URL with these parameters set, a cursor before all others, and without a token. One that
    /// would be refused, since encoding made its URL too long, is left out.
    pub(crate) fn add(&mut self, rel: &str, parameters: &[(&str, &str)]) {
        let target = self.target(parameters);
        if target.len() > MAX_URL {
            return;
        }
        if !self.header.is_empty() {
            self.header.push_str(", ");
        }
        self.header.push('<');
        self.push_origin();
        self.header.push_str(&target);
        self.header.push_str(">; rel=\"");
        self.header.push_str(rel);
        self.header.push('"');
    }

    /// The header, if there is any link.
    pub(crate) fn into_header(self) -> Option<(header::HeaderName, String)> {
        (!self.header.is_empty()).then_some((header::LINK, self.header))
    }

    fn push_origin(&mut self) {
        if let Some(url) = self.external_url {
            self.header.push_str(url.trim_end_matches('/'));
        } else {
            let extensions = self.request.extensions();
            let client = extensions.get::<Client>();
            self.header.push_str(client.and_then(|client| client.scheme).unwrap_or("http"));
            self.header.push_str("://");
            match client.and_then(|client| client.host.as_deref()) {
                Some(host_of_proxy) => self.header.push_str(host_of_proxy),
                None => self.header.push_str(&host(self.request)),
            }
        }
    }

    /// What follows the host in the URL.
    fn target(&self, parameters: &[(&str, &str)]) -> String {
        // The paths of lists consist of our own names, so that they are valid in a URL as they were sent.
        let mut target = self.request.path().to_owned();
        let query = self.request.query_string().as_bytes();
        let is_kept = |name: &str| name != PRIVATE_TOKEN && parameters.iter().all(|(set, _)| *set != name);
        let kept = pairs(query).filter(|(name, _)| is_kept(name));
        let set = |cursor: bool| {
            let set = parameters.iter().filter(move |(name, _)| (*name == "cursor") == cursor);
            set.map(|(name, value)| ((*name).into(), (*value).into()))
        };
        let mut separator = '?';
        for (name, value) in set(true).chain(kept).chain(set(false)) {
            target.push(separator);
            target.extend(utf8_percent_encode(&name, ENCODED));
            target.push('=');
            target.extend(utf8_percent_encode(&value, ENCODED));
            separator = '&';
        }
        target
    }
}

/// The host in the request, if it is valid; else our own address, as the client reached it. That of a whole URL in the first
/// line replaces the header's (RFC 9112, section 3.2.2).
fn host(request: &HttpRequest) -> Cow<'_, str> {
    let named = request.uri().authority().map(Authority::as_str);
    let named = named.or_else(|| request.headers().get(header::HOST).and_then(|value| value.to_str().ok()));
    match (named.filter(|host| is_host(host)), request.conn_data::<Rc<ConnectionState>>()) {
        (Some(host), _) => host.into(),
        (None, Some(connection)) => connection.local().to_string().into(),
        (None, None) => request.app_config().host().into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::testing::{Mocks, TOKEN, page, send};

    fn link(uri: &str, host: &str, external: Option<&str>) -> String {
        let request = TestRequest::with_uri(uri).insert_header(("Host", host)).to_http_request();
        let mut links = Links::new(&request, external);
        links.add("next", &[("page", "2"), ("per_page", "20")]);
        links.into_header().unwrap().1
    }

    #[test]
    fn keeps_the_own_parameters_and_sets_the_page() {
        assert_eq!(
            link("/api/x?identifiers[]=1&page=1&identifiers%5B%5D=2&foo", "stock.test:81", None),
            "<http://stock.test:81/api/x?identifiers%5B%5D=1&identifiers%5B%5D=2&foo=&page=2&per_page=20>; \
             rel=\"next\""
        );
    }

    #[test]
    fn a_cursor_goes_first_and_a_token_nowhere() {
        let uri = "/api/x?a=1&private%5Ftoken=stk-b&cursor=c&private_token=d";
        let request = TestRequest::with_uri(uri).to_http_request();
        let mut links = Links::new(&request, Some("http://h"));
        links.add("next", &[("per_page", "2"), ("cursor", "d")]);
        assert_eq!(links.into_header().unwrap().1, "<http://h/api/x?cursor=d&a=1&per_page=2>; rel=\"next\"");
    }

    #[test]
    fn the_host_of_a_whole_url_goes_before_the_header() {
        assert_eq!(
            link("http://whole.test:82/api/x", "stock.test", None),
            "<http://whole.test:82/api/x?page=2&per_page=20>; rel=\"next\""
        );
    }

    #[test]
    fn the_external_url_goes_first() {
        assert_eq!(
            link("/api/x", "stock.test", Some("https://out.test/base/")),
            "<https://out.test/base/api/x?page=2&per_page=20>; rel=\"next\""
        );
    }

    #[actix_web::test]
    async fn a_trusted_proxy_names_scheme_and_host() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_page().returning(|_| Ok(page([1], false, false)));
        mocks.settings.external_url = None;
        mocks.settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let context = mocks.context();
        for (peer, own) in [("10.0.0.1:1", "https://a.test:81"), ("192.0.2.1:1", "http://stock.test")] {
            let uri = "/api/v4/admin/data_management/projects";
            let request = TestRequest::with_uri(uri).peer_addr(peer.parse().unwrap());
            let request = request.insert_header(("X-Forwarded-Proto", "https"));
            let request = request.insert_header(("X-Forwarded-Host", "a.test:81"));
            let request = request.insert_header(("Host", "stock.test"));
            let answer = send(&context, request.insert_header(("PRIVATE-TOKEN", TOKEN))).await;
            let link = answer.header("Link").unwrap();
            assert!(link.starts_with(&format!("<{own}{uri}?page=1&")), "{link}");
        }
    }

    #[test]
    fn nothing_sent_can_break_out_of_the_header() {
        let header = link("/api/x?a=%3E%0D%0A%22,%C3%A9%FF", "a>b\"", None);
        assert_eq!(
            header,
            "<http://localhost:8080/api/x?a=%3E%0D%0A%22%2C%C3%A9%EF%BF%BD&page=2&per_page=20>; rel=\"next\""
        );
    }

    #[test]
    fn a_link_that_would_be_refused_is_left_out() {
        let list = |numbers: usize| format!("/api/x?identifiers={}1", "1,".repeat(numbers));
        // Each comma takes three bytes in the link.
        let fits = (MAX_URL - "/api/x?identifiers=1&page=2&per_page=20".len()) / 4;
        for (numbers, is_given) in [(fits, true), (fits + 1, false)] {
            let request = TestRequest::with_uri(&list(numbers)).to_http_request();
            let mut links = Links::new(&request, Some("http://h"));
            links.add("next", &[("page", "2"), ("per_page", "20")]);
            links.add("first", &[("identifiers", "")]);
            let header = links.into_header().unwrap().1;
            assert_eq!(header.contains("rel=\"next\""), is_given);
            assert!(header.ends_with("<http://h/api/x?identifiers=>; rel=\"first\""));
        }
    }

    #[test]
    fn links_are_joined() {
        let request = TestRequest::with_uri("/").to_http_request();
        let mut links = Links::new(&request, Some("http://h"));
        assert!(links.header.is_empty());
        links.add("prev", &[]);
        links.add("first", &[]);
        assert_eq!(links.into_header().unwrap().1, "<http://h/>; rel=\"prev\", <http://h/>; rel=\"first\"");
        assert_eq!(Links::new(&request, None).into_header(), None);
    }
}
