//! TLS to PostgreSQL, with verified certificates whenever the URL asks for TLS.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::Fault;

/// What a URL asks of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    /// The certificate must also be of the host connected to. `sslmode=verify-ca` alone waives that.
    host: bool,
    /// The file of the authorities to trust; `None`: those of the system.
    authorities: Option<String>,
}

impl Demand {
    /// Takes `sslmode` and `sslrootcert` out of a URL. `sslmode=require`, `verify-ca` and `verify-full` ask
    /// for TLS; `disable`, `allow`, `prefer` and nothing do without.
    pub(super) fn take_from(url: &str) -> Result<(String, Option<Self>), Fault> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut authorities, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => authorities = Some(decode(value)?),
                _ => rest.push(pair),
            }
        }
        let host = match mode {
            None | Some("disable" | "allow" | "prefer") => None,
            Some("verify-ca") => Some(false),
            Some("require" | "verify-full") => Some(true),
            Some(other) => {
                return Err(Fault::data(format!(
                    "sslmode={other} is not known: disable, prefer, require, verify-ca or verify-full"
                )));
            }
        };
        let separator = if rest.is_empty() { "" } else { "?" };
        let url = format!("{address}{separator}{}", rest.join("&"));
        Ok((url, host.map(|host| Self { host, authorities })))
    }

    /// The TLS client that meets the demand.
    pub(super) fn client(&self) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::data(error.to_string()))?;
        if self.host {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let chain = chain.map_err(|error| Fault::data(error.to_string()))?;
        let verifier = Arc::new(AnyHost { chain, provider });
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }

    fn roots(&self) -> Result<RootCertStore, Fault> {
        let mut roots = RootCertStore::empty();
        let Some(file) = &self.authorities else {
            // Certificates of the system that cannot be read are left out; none at all is an error below.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            return if roots.is_empty() {
                Err(Fault::data("the system has no certificate authorities: name a file with sslrootcert="))
            } else {
                Ok(roots)
            };
        };
        let in_file = |error: &dyn std::fmt::Display| Fault::data(format!("sslrootcert {file}: {error}"));
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| in_file(&error))? {
            let certificate = certificate.map_err(|error| in_file(&error))?;
            roots.add(certificate).map_err(|error| in_file(&error))?;
        }
        if roots.is_empty() { Err(in_file(&"no certificate in it")) } else { Ok(roots) }
    }
}

/// Undoes percent-encoding.
fn decode(value: &str) -> Result<String, Fault> {
    let pair = format!("x={}", value.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    decoded
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Fault::data("sslrootcert= names no file"))
}

/// Verifies all of a certificate but the name of the host it is for.
#[derive(Debug)]
struct AnyHost {
    chain: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is the last thing that is verified: whoever fails by it passed all the rest.
        match self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
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
    fn what_a_url_asks_for() {
        let taken = |url: &str| Demand::take_from(url).unwrap();
        assert_eq!(taken("postgres://a/b"), ("postgres://a/b".to_owned(), None));
        assert_eq!(taken("postgres://a/b?sslmode=prefer").1, None);
        let (url, demand) =
            taken("postgres://a/b?host=%2Ftmp&sslmode=verify-ca&sslrootcert=%2Fetc%2Fa+b.pem&x=1");
        assert_eq!(url, "postgres://a/b?host=%2Ftmp&x=1");
        assert_eq!(demand, Some(Demand { host: false, authorities: Some("/etc/a+b.pem".to_owned()) }));
        for mode in ["require", "verify-full"] {
            let (_, demand) = taken(&format!("postgres://a/b?sslmode={mode}"));
            assert_eq!(demand, Some(Demand { host: true, authorities: None }));
        }
        assert!(Demand::take_from("postgres://a/b?sslmode=maybe").is_err());
        assert!(Demand::take_from("postgres://a/b?sslmode=require&sslrootcert=").is_err());
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let authorities = Some(file.path().to_str().unwrap().to_owned());
        assert!(Demand { host: true, authorities }.client().is_err());
        let authorities = Some("/nowhere/at/all.pem".to_owned());
        assert!(Demand { host: true, authorities }.client().is_err());
    }
}
