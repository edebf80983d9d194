//! HTTP clients.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use rustls::ClientConfig;

use crate::tls::{Roots, TlsError, Verification};

/// How the program names itself to servers.
pub const USER_AGENT: &str = concat!("stocktake/", env!("CARGO_PKG_VERSION"));

/// How long establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the next bytes of an answer may take, where nothing else is set.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Builds HTTP clients.
///
/// Every client verifies certificate and host, follows no redirect (credentials would go along), uses the
/// proxies of the environment, names itself [`USER_AGENT`], and gives up after ten seconds without a connection.
#[derive(Debug, Clone)]
pub struct HttpClientBuilder {
    tls: ClientConfig,
    read_timeout: Duration,
    https_only: bool,
    http1_only: bool,
}

impl HttpClientBuilder {
    /// A builder of clients that trust the system's authorities, and those of a PEM file if one is given.
    ///
    /// `plain_http` says that the server is reached without TLS. Only then is it no error that there is no
    /// authority at all.
    pub fn new(certificates: Option<PathBuf>, plain_http: bool) -> Result<Self, TlsError> {
        let roots = Roots::system().and_file(certificates).optional(plain_http);
        let tls = Verification::Full(roots).client_config()?;
        Ok(Self { tls, read_timeout: READ_TIMEOUT, https_only: false, http1_only: false })
    }

    /// How long the next bytes of an answer may take; a minute unless this is called.
    #[must_use]
    pub fn read_timeout(self, read_timeout: Duration) -> Self {
        Self { read_timeout, ..self }
    }

    /// Whether requests to `http://` are refused.
    #[must_use]
    pub fn https_only(self, https_only: bool) -> Self {
        Self { https_only, ..self }
    }

    /// Speaks HTTP/1.1 alone: each request under way has a connection of its own.
    #[must_use]
    pub fn http1_only(self) -> Self {
        Self { http1_only: true, ..self }
    }

    /// A client.
    pub fn build(&self) -> Result<reqwest::Client, reqwest::Error> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .redirect(Policy::none())
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(self.read_timeout)
            .https_only(self.https_only);
        if self.http1_only { builder.http1_only() } else { builder }.build()
    }
}

/// The pause that a server asks for in `Retry-After`, given in seconds. `None` if it asks for none, or names a
/// date, which few servers do and which would need a clock that agrees with theirs.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds() {
        let asked =
            |value: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(asked(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(asked("-7"), None);
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
