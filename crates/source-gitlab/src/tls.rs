//! TLS to the database, with verified certificates whenever the URL asks for TLS.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use stocktake_domain::ports::SourceError;

use crate::error::refused;

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Not only by an authority that is trusted, but for this very host.
    host: bool,
    /// The file of the authorities; `None`: those of the system.
    authorities: Option<String>,
}

/// Takes from a URL what it says of TLS, which the driver does not know in full; `None`: no TLS.
pub(crate) fn split(url: &str) -> Result<(String, Option<Trust>), SourceError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut host, mut authorities, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "disable" | "allow" | "prefer")) => host = None,
            Some(("sslmode", "verify-ca")) => host = Some(false),
            Some(("sslmode", "require" | "verify-full")) => host = Some(true),
            Some(("sslmode", other)) => {
                return Err(refused(format!(
                    "sslmode={other} is not known: disable, prefer, require, verify-ca or verify-full"
                )));
            }
            Some(("sslrootcert", file)) => authorities = Some(decoded(file)),
            _ => rest.push(pair),
        }
    }
    let separator = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{address}{separator}{}", rest.join("&")), host.map(|host| Trust { host, authorities })))
}

/// Undoes percent-encoding, in which a plus sign stands for itself.
fn decoded(value: &str) -> String {
    let value = value.replace('+', "%2B");
    url::form_urlencoded::parse(value.as_bytes()).map(|(text, _)| text.into_owned()).collect()
}

impl Trust {
    /// The client's side of TLS.
    pub(crate) fn client(&self) -> Result<ClientConfig, SourceError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?;
        if self.host {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let chain = chain.map_err(|error| refused(error.to_string()))?;
        let verifier = Arc::new(ChainOnly { chain, provider });
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }

    fn roots(&self) -> Result<RootCertStore, SourceError> {
        let mut roots = RootCertStore::empty();
        let Some(file) = &self.authorities else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let found = Some(roots).filter(|roots| !roots.is_empty());
            return found
                .ok_or_else(|| refused("the system trusts no authorities: name some with sslrootcert="));
        };
        let bad = |reason: String| refused(format!("sslrootcert {file}: {reason}"));
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        Some(roots).filter(|roots| !roots.is_empty()).ok_or_else(|| bad("no certificate in it".to_owned()))
    }
}

/// Takes a certificate for any host, if an authority that is trusted vouches for it.
#[derive(Debug)]
struct ChainOnly {
    chain: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The host is looked at last: whoever fails by it has passed all the rest.
        match self.chain.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_of_tls_is_taken_out_of_it() {
        let taken = |url: &str| split(url).unwrap();
        assert_eq!(taken("postgres://a/b"), ("postgres://a/b".to_owned(), None));
        assert_eq!(taken("postgres://a/b?sslmode=prefer").1, None);
        let (url, trust) = taken("postgres://a/b?host=%2Ftmp&sslmode=verify-ca&sslrootcert=%2Fa+b.pem");
        assert_eq!(url, "postgres://a/b?host=%2Ftmp");
        assert_eq!(trust, Some(Trust { host: false, authorities: Some("/a+b.pem".to_owned()) }));
        for mode in ["require", "verify-full"] {
            let trust = taken(&format!("postgres://a/b?sslmode={mode}")).1;
            assert_eq!(trust, Some(Trust { host: true, authorities: None }));
        }
        assert!(split("postgres://a/b?sslmode=maybe").is_err());
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for name in [file.path().to_str().unwrap(), "/nowhere/at/all.pem"] {
            let trust = Trust { host: true, authorities: Some(name.to_owned()) };
            assert!(trust.client().unwrap_err().to_string().contains(name));
        }
    }
}
