//! The verifier of connections to servers whose host, or whose whole certificate, is not verified, or whose certificate is
//! trusted as it is.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::{Loaded, TlsError, chain_verifier};

/// Verifies less than the library does, or a self-signed certificate. That the server holds the certificate's key is
/// always verified.
#[derive(Debug)]
pub(super) struct Verifier {
    /// What verifies the chain of certificates. Without it, every certificate is accepted.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that a server may show itself, though they are those of authorities.
    own: Vec<CertificateDer<'static>>,
    /// Whether the certificate must be for the host that was connected to.
    checks_host: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Verifies that the certificate was issued below one of these roots, or is one of the file itself.
    pub(super) fn with_roots(
        roots: Loaded,
        checks_host: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self {
            chain: Some(chain_verifier(roots.store, provider)?),
            own: roots.own,
            checks_host,
            algorithms,
        })
    }

    /// Accepts every certificate.
    pub(super) fn with_any_certificate(provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { chain: None, own: Vec::new(), checks_host: false, algorithms }
    }
}

/// Whether a certificate was refused only because it is one of an authority.
fn is_of_authority(reason: &OtherError) -> bool {
    reason.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is verified last: a certificate that fails because of it has passed all the rest.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_host => Ok(ServerCertVerified::assertion()),
            // The library takes no certificate of an authority for that of a server, such as the self-signed one that
            // `openssl req -x509` makes. Its validity in time was verified before.
            Err(Error::InvalidCertificate(CertificateError::Other(reason))) if is_of_authority(&reason) => {
                if !self.own.iter().any(|own| own == end_entity) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                if self.checks_host {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
