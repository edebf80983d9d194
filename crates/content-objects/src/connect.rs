//! How the library's HTTP requests are sent: one client with our own settings for TLS and time-outs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::settings::{Network, SettingsError};
use crate::wire::{Signer, Wire};

/// Until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Until the next bytes of an answer come.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the clients of one storage.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    tls: Arc<ClientConfig>,
    plain_http: bool,
    signer: Option<Arc<Signer>>,
}

impl Connector {
    /// Clients that trust the system's authorities and those of the settings.
    pub(crate) fn new(network: &Network, signer: Option<Arc<Signer>>) -> Result<Self, SettingsError> {
        let refused = |error: rustls::Error| SettingsError::Refused(error.to_string());
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(roots(network)?)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(config), plain_http: network.plain_http, signer })
    }

    /// A client for requests of our own.
    pub(crate) fn wire(&self, allow_http: bool) -> Result<Wire, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent("stocktake")
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .https_only(!allow_http)
            // One connection for each object: streams that share one would share its one window too.
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // Nobody else may be handed what a signature lets one do.
            .redirect(Policy::none())
            .build()?;
        Ok(Wire::new(client, self.signer.clone()))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The metadata services of machines, which give keys, speak plain HTTP.
        let asked = options.get_config_value(&ClientConfigKey::AllowHttp);
        let allow_http = self.plain_http || asked.as_deref() == Some("true");
        let wire = self
            .wire(allow_http)
            .map_err(|error| object_store::Error::Generic { store: "HTTP", source: Box::new(error) })?;
        Ok(HttpClient::new(wire))
    }
}

fn roots(network: &Network) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(system.certs);
    let own = network.certificates.as_deref().map_or(Ok(0), |path| add(&mut roots, path))?;
    if added + own == 0 && !network.plain_http {
        let reason = "there are none, so no server can be trusted".to_owned();
        return Err(SettingsError::Certificates { path: "of the system".to_owned(), reason });
    }
    Ok(roots)
}

/// Adds the certificates of a PEM file, and says how many there are.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<usize, SettingsError> {
    let error = |reason: String| SettingsError::Certificates { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|reason| error(reason.to_string()))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|reason| error(reason.to_string()))?;
        roots.add(certificate).map_err(|reason| error(reason.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(error("it holds no certificate".to_owned())) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_certificates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let network = Network { certificates: Some(path.clone()), plain_http: false };
        let text = || Connector::new(&network, None).unwrap_err().to_string();
        let at = format!("certificates {}", path.display());
        assert!(text().starts_with(&at) && text().contains("No such file"), "{}", text());
        std::fs::write(&path, "words").unwrap();
        assert_eq!(text(), format!("{at}: it holds no certificate"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(text().starts_with(&at), "{}", text());
    }
}
