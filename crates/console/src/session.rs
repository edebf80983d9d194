//! The value that a browser has of its session: the cookie, and the value of forms that only pages of the session have.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use sha2::{Digest as _, Sha256};
use stocktake_domain::SessionDigest;
use stocktake_web::{Client, is_host};
use subtle::ConstantTimeEq as _;

use crate::Console;

/// The name of the cookie.
const COOKIE: &str = "stocktake_session";

/// The pages that the cookie is sent to.
const PATH: &str = "/console";

/// The random value of a session. Only its SHA-256 is kept.
#[derive(Clone, Copy)]
pub(crate) struct SessionValue(pub(crate) [u8; 32]);

impl SessionValue {
    /// The value that the request's cookie has.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        let cookie = request.cookie(COOKIE)?;
        let mut value = [0; 32];
        hex::decode_to_slice(cookie.value(), &mut value).ok()?;
        Some(Self(value))
    }

    /// Under which the session is kept.
    pub(crate) fn digest(&self) -> SessionDigest {
        SessionDigest(Sha256::digest(self.0).into())
    }

    /// The cookie that makes the browser keep it until it is closed; sent over HTTPS alone if it was asked for so.
    pub(crate) fn cookie(&self, is_secure: bool) -> Cookie<'static> {
        cookie(hex::encode(self.0), is_secure)
    }

    /// A value for the forms of one page. It is another one for each page, so that a page that is compressed together
    /// with what somebody else chose gives nothing away.
    pub(crate) fn form_value(&self, salt: &[u8; 32]) -> String {
        let salt = salt.get(..16).unwrap_or_default();
        format!("{}{}", hex::encode(salt), hex::encode(self.form_digest(salt)))
    }

    /// Whether a form's value is one of this session.
    pub(crate) fn accepts(&self, form_value: &str) -> bool {
        let Some(bytes) = hex::decode(form_value).ok().filter(|bytes| bytes.len() == 48) else {
            return false;
        };
        let (salt, digest) = bytes.split_at(16);
        bool::from(self.form_digest(salt).as_slice().ct_eq(digest))
    }

    fn form_digest(&self, salt: &[u8]) -> [u8; 32] {
        let digest = Sha256::new_with_prefix(b"stocktake-form:").chain_update(self.0).chain_update(salt);
        digest.finalize().into()
    }
}

/// The cookie that makes the browser forget the session.
pub(crate) fn removal(is_secure: bool) -> Cookie<'static> {
    let mut cookie = cookie(String::new(), is_secure);
    cookie.make_removal();
    cookie
}

fn cookie(value: String, is_secure: bool) -> Cookie<'static> {
    Cookie::build(COOKIE, value)
        .path(PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
        .finish()
}

/// Whether the browser asked over HTTPS: a trusted proxy says so, or the host asked for is that of the external URL, which
/// has the scheme.
pub(crate) fn is_over_https(console: &Console, request: &HttpRequest, client: Option<&Client>) -> bool {
    if let Some(scheme) = client.and_then(|client| client.scheme) {
        return scheme == "https";
    }
    let https = console.settings.external_url.as_deref().and_then(|url| url.strip_prefix("https://"));
    let external = https.map(|rest| rest.split('/').next().unwrap_or_default());
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    external.is_some_and(|external| host.is_some_and(|host| host.eq_ignore_ascii_case(external)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_belongs_to_one_session() {
        let (one, two) = (SessionValue([1; 32]), SessionValue([2; 32]));
        let (first, second) = (one.form_value(&[7; 32]), one.form_value(&[8; 32]));
        assert_ne!(first, second);
        assert!(one.accepts(&first) && one.accepts(&second));
        assert!(!two.accepts(&first));
        for wrong in ["", "x", &first[2..], &first.replace(&first[first.len() - 1..], "")] {
            assert!(!one.accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_cookie_is_for_the_server_alone() {
        let cookie = SessionValue([1; 32]).cookie(true).to_string();
        for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/console"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"));
        assert!(!SessionValue([1; 32]).cookie(false).to_string().contains("Secure"));
        assert!(removal(false).to_string().contains("Max-Age=0"));
    }
}
