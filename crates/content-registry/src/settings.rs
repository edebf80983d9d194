//! How a container registry is reached and read.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use stocktake_net::postgres::PostgresUrlError;
use stocktake_net::tls::TlsError;

/// What is read below the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Integrity {
    /// Every manifest, index, config and layer reachable from a tag is read and hashed.
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
    /// What is read below the tags.
    pub integrity: Integrity,
    /// The most concurrent requests.
    pub requests: NonZeroUsize,
    /// The most bytes of manifests, configs and layers read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// How a registry's own storage directory is read.
#[derive(Debug, Clone)]
pub struct RegistryDirectorySettings {
    /// The folder that contains `docker/registry/v2`; nothing outside is ever opened.
    pub root: PathBuf,
    /// How many files are read at once.
    pub readers: NonZeroUsize,
    /// What is read there.
    pub layout: RegistryLayoutSettings,
}

/// What is read of a registry's own storage, in a folder or in a bucket.
#[derive(Debug, Clone, Default)]
pub struct RegistryLayoutSettings {
    /// The most bytes of manifests, configs and layers read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// What is read below the tags.
    pub integrity: Integrity,
    /// The URL of the metadata database of GitLab's registry, as [`stocktake_net::postgres`] says, if it uses one: then
    /// tags and manifests are read from there.
    pub database_url: Option<SecretString>,
}

/// Why a registry cannot be accessed with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The URL is not an `http://` or `https://` URL with a host.
    #[error("url {url:?}: {reason}")]
    Url {
        /// The configured URL, without user name, password, query and fragment.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates cannot be used, or there are none.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// The URL of the database cannot be used.
    #[error("database_url: {0}")]
    Database(#[from] PostgresUrlError),
    /// The HTTP client cannot be built.
    #[error("no HTTP client: {0}")]
    Client(String),
}
