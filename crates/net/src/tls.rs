//! TLS for clients: which certificate authorities are trusted, and what of a server's certificate is verified.
//!
//! The cryptography is that of `ring`, whatever else is linked into the program.

mod reloading;
mod verifier;

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::error::find;
use reloading::Reloading;
use verifier::Verifier;

/// Why TLS cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates cannot be read, or cannot be used.
    #[error("the certificates of {} cannot be used: {reason}", path.display())]
    File {
        /// The PEM file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No authority is trusted, so that no server could be.
    #[error(
        "this system has no CA certificates, so no server can be trusted: install them, or name a file of them"
    )]
    NoRoots,
    /// The TLS library refuses the set-up.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// The certificate authorities that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    system: bool,
    file: Option<PathBuf>,
    optional: bool,
}

impl Roots {
    /// The authorities that the operating system trusts.
    pub fn system() -> Self {
        Self { system: true, file: None, optional: false }
    }

    /// The authorities of a PEM file, and no others.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { system: false, file: Some(path.into()), optional: false }
    }

    /// The authorities of a PEM file in addition, if one is given.
    #[must_use]
    pub fn and_file(self, path: Option<PathBuf>) -> Self {
        Self { file: path.or(self.file), ..self }
    }

    /// Whether it is no error if there are none: only for servers that are reached without TLS. A TLS
    /// connection then fails, as no certificate is trusted.
    #[must_use]
    pub fn optional(self, optional: bool) -> Self {
        Self { optional, ..self }
    }

    /// Reads the certificates. Those of the system that cannot be used are left out; in a file, each must be
    /// usable and there must be at least one.
    fn load(&self) -> Result<Loaded, TlsError> {
        let (mut roots, mut own) = (RootCertStore::empty(), Vec::new());
        if self.system {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        if let Some(path) = &self.file {
            let wrong = |reason: String| TlsError::File { path: path.clone(), reason };
            for certificate in read_pem(path).map_err(wrong)? {
                roots.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
                own.push(certificate);
            }
        }
        if roots.is_empty() && !self.optional {
            Err(TlsError::NoRoots)
        } else {
            Ok(Loaded { store: roots, own })
        }
    }
}

/// Certificates that were read.
struct Loaded {
    /// All of them, as those of authorities.
    store: RootCertStore,
    /// Those of the file, each of which a server may also show itself.
    own: Vec<CertificateDer<'static>>,
}

/// The certificates of a PEM file, at least one.
fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(found) }
}

/// What is verified of a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// That one of these authorities issued it, or that it is one of the file itself, and that it is for the host that
    /// was connected to.
    Full(Roots),
    /// The same, for whichever host.
    Authority(Roots),
    /// Nothing. This protects against eavesdropping, not against a server in the middle.
    Nothing,
}

impl Verification {
    /// The TLS set-up of a client that verifies this.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        let checks_host = matches!(self, Self::Full(_));
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::Full(roots @ Roots { file: None, .. })
            | Self::Authority(roots @ Roots { file: None, .. }) => {
                let loaded = roots.load()?;
                if loaded.store.is_empty() {
                    // Nothing is trusted, for which the library has no verifier to be built on.
                    return Ok(builder.with_root_certificates(loaded.store).with_no_client_auth());
                }
                Arc::new(Verifier::with_roots(loaded, checks_host, provider)?)
            }
            Self::Full(roots @ Roots { file: Some(file), .. })
            | Self::Authority(roots @ Roots { file: Some(file), .. }) => {
                Arc::new(Reloading::new(roots.clone(), file.clone(), checks_host, provider)?)
            }
            Self::Nothing => Arc::new(Verifier::with_any_certificate(&provider)),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(builder.with_no_client_auth())
    }
}

/// A verifier of certificate and host.
fn chain_verifier(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|error| TlsError::Setup(error.to_string()))
}

/// The TLS failure that caused an error, if one did.
pub fn failure<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    find(error)
}

/// Whether an error was caused by a server's certificate that is not trusted, which no retry changes.
pub fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    matches!(failure(error), Some(rustls::Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_must_hold_certificates_that_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for roots in [Roots::file(&path), Roots::system().and_file(Some(path.clone()))] {
            let refused = || match Verification::Full(roots.clone()).client_config().unwrap_err() {
                TlsError::File { path: named, reason } if named == path => reason,
                other => panic!("{other}"),
            };
            assert!(refused().contains("No such file"), "{}", refused());
            std::fs::write(&path, "words").unwrap();
            assert_eq!(refused(), "it holds no certificate");
            std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
            assert!(refused().contains("certificate"), "{}", refused());
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn without_any_authority_nothing_is_verified_silently() {
        let none = Roots { system: false, file: None, optional: false };
        for verification in [Verification::Full(none.clone()), Verification::Authority(none.clone())] {
            assert_eq!(verification.client_config().err(), Some(TlsError::NoRoots));
        }
        for verification in [Verification::Full, Verification::Authority] {
            assert!(verification(none.clone().optional(true)).client_config().is_ok());
        }
        assert!(Verification::Nothing.client_config().is_ok());
    }
}
