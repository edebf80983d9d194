//! The token that a request carries.

use std::borrow::Cow;

use actix_web::dev::RequestHead;
use actix_web::http::header;
use sha2::{Digest as _, Sha256};
use stocktake_domain::TokenDigest;
use stocktake_domain::ports::Credential;

use crate::pairs::pairs;

/// The prefix of our own tokens.
const LOCAL_PREFIX: &[u8] = b"stk-";

/// The parameter of the query string that may carry a token, as GitLab accepts it.
pub const PRIVATE_TOKEN: &str = "private_token";

/// A token, by how it came in. It cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// In `PRIVATE-TOKEN`, or as the parameter `private_token`.
    PrivateToken(Cow<'a, [u8]>),
    /// In `Authorization`, behind `Bearer`.
    Bearer(Cow<'a, [u8]>),
}

impl<'a> Credentials<'a> {
    /// The token a request carries: that of the query string, else of `PRIVATE-TOKEN`, else of `Authorization`. An empty
    /// one is none.
    pub fn find(head: &'a RequestHead) -> Option<Self> {
        Self::private(head).or_else(|| Self::bearer(head))
    }

    fn private(head: &'a RequestHead) -> Option<Self> {
        let parameters = pairs(head.uri.query().unwrap_or_default().as_bytes());
        let tokens = parameters.filter(|(name, value)| name == PRIVATE_TOKEN && !value.trim().is_empty());
        if let Some((_, value)) = tokens.last() {
            return Some(Self::PrivateToken(value.trim().as_bytes().to_vec().into()));
        }
        let token = head.headers.get("private-token")?.as_bytes().trim_ascii();
        (!token.is_empty()).then_some(Self::PrivateToken(token.into()))
    }

    fn bearer(head: &'a RequestHead) -> Option<Self> {
        let value = head.headers.get(header::AUTHORIZATION)?.as_bytes().trim_ascii();
        let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
        let token = token.trim_ascii();
        (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(Self::Bearer(token.into()))
    }

    /// The token that another system was asked about, and is asked about again.
    pub(crate) fn of(credential: &'a Credential) -> Self {
        match credential {
            Credential::PrivateToken(text) => Self::PrivateToken(text.as_bytes().into()),
            Credential::Bearer(text) => Self::Bearer(text.as_bytes().into()),
        }
    }

    /// The digest under which it is kept, if it is one of our own tokens.
    pub fn local(&self) -> Option<TokenDigest> {
        let text = Some(self.text()).filter(|text| text.starts_with(LOCAL_PREFIX))?;
        Some(TokenDigest(Sha256::digest(text).into()))
    }

    /// The token as the authority is asked about it; `None` if it is not UTF-8.
    pub fn credential(&self) -> Option<Credential> {
        let text = std::str::from_utf8(self.text()).ok()?.to_owned();
        Some(match self {
            Self::PrivateToken(_) => Credential::PrivateToken(text),
            Self::Bearer(_) => Credential::Bearer(text),
        })
    }

    /// The digest of header and text: the same text may mean something else in the other header.
    pub(crate) fn digest(&self) -> TokenDigest {
        let header: &[u8] = match self {
            Self::PrivateToken(_) => b"private-token:",
            Self::Bearer(_) => b"bearer:",
        };
        TokenDigest(Sha256::new_with_prefix(header).chain_update(self.text()).finalize().into())
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::PrivateToken(text) | Self::Bearer(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn private(text: &str) -> Credentials<'_> {
        Credentials::PrivateToken(text.as_bytes().into())
    }

    fn bearer(text: &[u8]) -> Credentials<'_> {
        Credentials::Bearer(text.into())
    }

    /// Whether a request for this path with these headers carries this token.
    fn carries(uri: &str, headers: &[(&'static str, &'static str)], token: Option<&Credentials<'_>>) -> bool {
        let request = TestRequest::with_uri(uri);
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        Credentials::find(request.to_srv_request().head()).as_ref() == token
    }

    #[test]
    fn tokens_come_in_two_headers_and_a_parameter() {
        let (private_a, bearer_a) = (private("stk-a"), bearer(b"stk-a"));
        for (uri, headers, token) in [
            ("/", vec![("private-token", "stk-a")], &private_a),
            ("/", vec![("authorization", "Bearer stk-a")], &bearer_a),
            ("/", vec![("authorization", "bEARER   stk-a ")], &bearer_a),
            ("/", vec![("private-token", ""), ("authorization", "Bearer stk-a")], &bearer_a),
            ("/", vec![("private-token", "stk-a"), ("authorization", "Bearer stk-b")], &private_a),
            ("/?private_token=stk-a", vec![("private-token", "stk-b")], &private_a),
            ("/?x=1&private%5Ftoken=stk%2Da", vec![], &private_a),
            ("/?private_token=&x=1", vec![("private-token", "stk-a")], &private_a),
        ] {
            assert!(carries(uri, &headers, Some(token)), "{uri} {headers:?}");
        }
        for none in ["", "Bearer", "Bearer ", "Basic c3RrOmE=", "Bearerstk-a"] {
            assert!(
                carries("/?private_token", &[("authorization", none), ("private-token", "")], None),
                "{none}"
            );
        }
    }

    #[test]
    fn header_and_text_both_make_the_digest() {
        let digests =
            [private("a").digest(), private("b").digest(), bearer(b"a").digest(), bearer(b"b").digest()];
        for (at, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().position(|other| other == digest), Some(at));
        }
    }

    #[test]
    fn a_token_that_is_not_utf8_is_unknown() {
        assert_eq!(bearer(b"\xff").credential(), None);
        assert_eq!(bearer(b"a").credential(), Some(Credential::Bearer("a".to_owned())));
        assert_eq!(bearer(b"a").local(), None);
        assert!(bearer(b"stk-a").local().is_some());
    }
}
