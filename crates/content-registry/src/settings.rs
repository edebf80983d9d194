//! How a container registry is reached and read.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use stocktake_net::tls::TlsError;

/// How far below the tags is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Integrity {
    /// Every manifest, index, config and layer that a tag reaches is read and hashed.
    #[default]
    Content,
    /// Only the tags and the digests of their manifests.
    Tags,
}

/// How a registry is read over its HTTP API.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The registry's URL: `https://registry.example.com`, with a path where it is served below one.
    pub url: String,
    /// User name and password (or access token); `None` to ask anonymously.
    pub credentials: Option<(String, SecretString)>,
    /// A PEM file with certificates that are trusted in addition to those of the system.
    pub ca_certificates: Option<PathBuf>,
    /// How far below the tags is read.
    pub integrity: Integrity,
    /// How many requests are under way at once.
    pub requests: NonZeroUsize,
    /// The most bytes of manifests, configs and layers read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// How a registry's own storage directory is read.
#[derive(Debug, Clone)]
pub struct RegistryDirectorySettings {
    /// The folder that holds `docker/registry/v2`; nothing outside is ever opened.
    pub root: PathBuf,
    /// How many files are read at once.
    pub readers: NonZeroUsize,
    /// The most bytes of manifests, configs and layers read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// How far below the tags is read.
    pub integrity: Integrity,
}

/// Why no registry can be reached with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The URL is no `http://` or `https://` URL of a host.
    #[error("url {url:?}: {reason}")]
    Url {
        /// The URL as it was given, without user name, password, query and fragment.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates cannot be used, or there are none.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// No client can be made.
    #[error("no HTTP client: {0}")]
    Client(String),
}
