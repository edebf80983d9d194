//! Certificates of authorities that are read again when their file changes: they are renewed while the program runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::verifier::Verifier;
use super::{Roots, TlsError};
use crate::error::ErrorChain;

/// Verifies by what the file holds when a connection is made; what cannot be used leaves what was read before.
#[derive(Debug)]
pub(super) struct Reloading {
    roots: Roots,
    file: PathBuf,
    checks_host: bool,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    version: Option<Version>,
    verifier: Arc<Verifier>,
}

/// What changes with the content of a file: its inode, its size, and the time of its last change.
type Version = (u64, u64, i64, i64);

impl Reloading {
    /// Verifies by these authorities, which are those of the file and perhaps others.
    pub(super) fn new(
        roots: Roots,
        file: PathBuf,
        checks_host: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let version = version(&file);
        let verifier = Arc::new(Verifier::with_roots(roots.load()?, checks_host, Arc::clone(&provider))?);
        let current = Mutex::new(Current { version, verifier });
        Ok(Self { roots, file, checks_host, provider, current })
    }

    fn verifier(&self) -> Arc<Verifier> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version(&self.file);
        if version.is_some() && version != current.version {
            current.version = version;
            let path = self.file.display();
            match self.load() {
                Ok(verifier) => {
                    current.verifier = Arc::new(verifier);
                    tracing::info!(file.path = %path, "the certificates of {path} have changed and were read again");
                }
                Err(error) => {
                    let cause = ErrorChain(&error).to_string();
                    tracing::warn!(
                        file.path = %path,
                        error.cause = cause,
                        "the certificates of {path} have changed and cannot be used, those before are: {cause}"
                    );
                }
            }
        }
        Arc::clone(&current.verifier)
    }

    fn load(&self) -> Result<Verifier, TlsError> {
        Verifier::with_roots(self.roots.load()?, self.checks_host, Arc::clone(&self.provider))
    }
}

fn version(file: &Path) -> Option<Version> {
    let metadata = file.metadata().ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

impl ServerCertVerifier for Reloading {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier().verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().supported_verify_schemes()
    }
}
