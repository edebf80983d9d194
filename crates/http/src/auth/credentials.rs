//! The token that a request carries.

use actix_web::http::header::{self, HeaderMap};
use sha2::{Digest as _, Sha256};
use stocktake_domain::TokenDigest;
use stocktake_domain::ports::Credential;

/// The prefix of our own tokens.
const LOCAL_PREFIX: &[u8] = b"stk-";

/// A token, by the header that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// In `PRIVATE-TOKEN`.
    PrivateToken(&'a [u8]),
    /// In `Authorization`, behind `Bearer`.
    Bearer(&'a [u8]),
}

impl<'a> Credentials<'a> {
    /// The token a request carries, in either of the two headers; an empty one is none.
    pub(super) fn find(headers: &'a HeaderMap) -> Option<Self> {
        let private = headers.get("private-token").map(|value| value.as_bytes().trim_ascii());
        let private = private.filter(|token| !token.is_empty()).map(Self::PrivateToken);
        private.or_else(|| {
            let value = headers.get(header::AUTHORIZATION)?.as_bytes().trim_ascii();
            let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
            let token = token.trim_ascii();
            (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(Self::Bearer(token))
        })
    }

    /// The text, if it is that of one of our own tokens.
    pub(super) fn local(self) -> Option<&'a [u8]> {
        Some(self.text()).filter(|text| text.starts_with(LOCAL_PREFIX))
    }

    /// The token as the authority is asked about it; `None` if it is not UTF-8.
    pub(super) fn credential(self) -> Option<Credential> {
        let text = std::str::from_utf8(self.text()).ok()?.to_owned();
        Some(match self {
            Self::PrivateToken(_) => Credential::PrivateToken(text),
            Self::Bearer(_) => Credential::Bearer(text),
        })
    }

    /// The digest of header and text: the same text may mean something else in the other header.
    pub(super) fn digest(self) -> TokenDigest {
        let header: &[u8] = match self {
            Self::PrivateToken(_) => b"private-token:",
            Self::Bearer(_) => b"bearer:",
        };
        TokenDigest(Sha256::new_with_prefix(header).chain_update(self.text()).finalize().into())
    }

    fn text(self) -> &'a [u8] {
        match self {
            Self::PrivateToken(text) | Self::Bearer(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn tokens_come_in_two_headers() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        let (private, bearer) = (Credentials::PrivateToken(b"stk-a"), Credentials::Bearer(b"stk-a"));
        for (pairs, token) in [
            (vec![("private-token", "stk-a")], private),
            (vec![("authorization", "Bearer stk-a")], bearer),
            (vec![("authorization", "bEARER   stk-a ")], bearer),
            (vec![("private-token", ""), ("authorization", "Bearer stk-a")], bearer),
            (vec![("private-token", "stk-a"), ("authorization", "Bearer stk-b")], private),
        ] {
            assert_eq!(Credentials::find(&headers(&pairs)), Some(token), "{pairs:?}");
        }
        for none in ["", "Bearer", "Bearer ", "Basic c3RrOmE=", "Bearerstk-a"] {
            let headers = headers(&[("authorization", none), ("private-token", "")]);
            assert_eq!(Credentials::find(&headers), None, "{none}");
        }
    }

    #[test]
    fn header_and_text_both_make_the_digest() {
        let digests = [
            Credentials::PrivateToken(b"a").digest(),
            Credentials::PrivateToken(b"b").digest(),
            Credentials::Bearer(b"a").digest(),
            Credentials::Bearer(b"b").digest(),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().position(|other| other == digest), Some(at));
        }
    }

    #[test]
    fn a_token_that_is_not_utf8_is_unknown() {
        assert_eq!(Credentials::Bearer(b"\xff").credential(), None);
        assert_eq!(Credentials::Bearer(b"a").credential(), Some(Credential::Bearer("a".to_owned())));
        assert_eq!(Credentials::Bearer(b"a").local(), None);
    }
}
