//! A blocking HTTP client for the services that tests start.

use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

/// A client that uses no proxy and trusts no certificate: what tests start is reached without TLS.
pub fn http_client(timeout: Duration) -> anyhow::Result<Client> {
    Ok(builder(timeout)?.build()?)
}

/// The same, which goes nowhere by itself: a redirect is an answer like any other.
pub fn http_client_without_redirects(timeout: Duration) -> anyhow::Result<Client> {
    Ok(builder(timeout)?.redirect(Policy::none()).build()?)
}

fn builder(timeout: Duration) -> anyhow::Result<ClientBuilder> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    Ok(Client::builder().tls_backend_preconfigured(tls).timeout(timeout).no_proxy())
}
