//! Content adapter: object storage (S3, Google Cloud Storage, Azure Blob Storage).
//!
//! [`ObjectStorage`] reads whole objects, as many at once as its settings allow, and passes them in pieces to the
//! hashing threads; in the mode `metadata`, it only requests their metadata. If a connection breaks, the read resumes
//! where it stopped. If a service is busy, the whole storage waits; this is not a failure of a record.
//!
//! ```text
//! inspect() ──> permit ──> pause of the storage ──> request for the rest ──> pieces ──> hashing threads ──> sink
//!                               ^                      │ busy, broken: again, as long as there is patience
//!                               └──────────────────────┘
//! ```
//!
//! The services, their credentials and signatures are those of the `object_store` crate.

mod access;
mod connect;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod head;
mod key;
mod list;
mod read;
mod remote;
mod retry;
mod s3;
mod service;
mod settings;
mod signed_http;
mod store;
mod throttle;

pub use settings::{
    Addressing, AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network,
    ObjectSettings, S3Keys, S3Settings, Service, SettingsError,
};
pub use store::ObjectStorage;
pub use throttle::Patience;
