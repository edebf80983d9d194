//! What an object storage is configured with.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use stocktake_net::tls::TlsError;

/// How an object storage is reached and read.
#[derive(Debug, Clone)]
pub struct ObjectSettings {
    /// Where the objects are.
    pub service: Service,
    /// The prefix of all keys; the paths of records are relative to it. Empty for the whole bucket. A slash is added at
    /// its end if it is missing.
    pub prefix: String,
    /// What is verified.
    pub mode: Mode,
    /// How many objects are read at once, over all concurrent calls.
    pub requests: NonZeroUsize,
    /// The most bytes read in a second; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// What is verified of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The whole object is read and hashed.
    Content,
    /// Nothing is read: size and checksum are those in the store's metadata, which do not prove what the content is.
    Metadata,
}

/// The kind of object storage.
#[derive(Debug, Clone)]
pub enum Service {
    /// Amazon S3, or a compatible service.
    S3(S3Settings),
    /// Google Cloud Storage.
    Gcs(GcsSettings),
    /// Azure Blob Storage.
    Azure(AzureSettings),
}

/// A bucket of Amazon S3, or of a compatible service.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region, for example `us-east-1`, which is right for most compatible services.
    pub region: String,
    /// The URL of the service without the bucket; `None` for Amazon's own in the region.
    pub endpoint: Option<String>,
    /// Where in a URL the bucket's name is.
    pub addressing: Addressing,
    /// Where the keys come from.
    pub keys: S3Keys,
    /// How the service is reached.
    pub network: Network,
}

/// Where in a URL the bucket's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`
    PathStyle,
    /// `https://bucket.endpoint/key`
    VirtualHost,
}

/// Where the keys for S3 come from.
#[derive(Debug, Clone)]
pub enum S3Keys {
    /// The first of these that exists: environment, profile, role.
    Automatic,
    /// Keys in the settings.
    Pair(KeyPair),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if there is one, `AWS_SESSION_TOKEN`.
    Environment,
    /// A profile of a credentials file.
    Profile {
        /// Its name; `None` for that in `AWS_PROFILE`, else `default`.
        name: Option<String>,
        /// The file; `None` for that in `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
        file: Option<PathBuf>,
    },
    /// The role of the machine, container or service account, as the environment and the metadata service describe
    /// it.
    Role {
        /// The URL of the metadata service; `None` for the default.
        metadata_endpoint: Option<String>,
    },
    /// None: requests are not signed.
    Anonymous,
}

/// A pair of keys for S3.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The access key, which is not a secret.
    pub access_key: String,
    /// The secret key.
    pub secret_key: SecretString,
    /// The session token of temporary keys.
    pub session_token: Option<SecretString>,
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone)]
pub struct GcsSettings {
    /// The bucket.
    pub bucket: String,
    /// The URL of the service, if it is not Google's.
    pub endpoint: Option<String>,
    /// Where the credentials come from.
    pub credentials: GcsCredentials,
    /// How the service is reached.
    pub network: Network,
}

/// Where the credentials for Google Cloud Storage come from.
#[derive(Debug, Clone)]
pub enum GcsCredentials {
    /// The application default credentials: `GOOGLE_APPLICATION_CREDENTIALS`, the file that `gcloud` writes,
    /// or the metadata service of the machine.
    ApplicationDefault,
    /// A service account's key file.
    File(PathBuf),
    /// The content of such a file.
    Json(SecretString),
    /// None: requests carry no token.
    Anonymous,
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone)]
pub struct AzureSettings {
    /// The name of the storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// The URL of the service, if it is not Azure's.
    pub endpoint: Option<String>,
    /// Where the credentials come from.
    pub credentials: AzureCredentials,
    /// How the service is reached.
    pub network: Network,
}

/// Where the credentials for Azure Blob Storage come from.
#[derive(Debug, Clone)]
pub enum AzureCredentials {
    /// The access key of the account, as Azure shows it.
    AccessKey(SecretString),
    /// A shared access signature: the query that Azure shows, with or without the question mark.
    Sas(SecretString),
    /// Credentials from the environment, or from the metadata service of the machine.
    Environment,
    /// None: requests are not signed.
    Anonymous,
}

/// How a service is reached.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// A PEM file with certificates of authorities that are trusted in addition to those of the system.
    pub certificates: Option<PathBuf>,
    /// Whether a URL may begin with `http://`, which lets anyone on the network path read and change everything.
    pub plain_http: bool,
}

/// Why a storage cannot be set up with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is not a usable URL.
    #[error("endpoint {url}: {reason}")]
    Endpoint {
        /// The configured text, without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of the bucket or container cannot be used.
    #[error("{0:?} is no name of a bucket or container")]
    Bucket(String),
    /// There are no keys in the configured place.
    #[error("no keys: {0}")]
    Keys(String),
    /// The certificates cannot be used, or there are none.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// The library refuses the settings.
    #[error("{0}")]
    Refused(String),
}
