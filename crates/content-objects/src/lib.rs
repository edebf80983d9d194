//! Content adapter: object storage (S3, Google Cloud Storage, Azure Blob Storage).
//!
//! [`ObjectStorage`] reads whole objects, as many at once as its settings allow, and passes them in pieces to the
//! hashing threads; in the mode `metadata`, it only requests their metadata, of many at once by a listing (`sweep`). If a connection breaks, the read resumes
//! where it stopped. If a service is busy, the whole storage waits; this is not a failure of a record.
//!
//! ```text
//! inspect() ──> permit ──> pause of the storage ──> request for the rest ──> pieces ──> hashing threads ──> sink
//!                               ^                      │ busy, broken: again, as long as there is patience
//!                               └──────────────────────┘
//! ```
//!
//! [`ObjectTree`] gives the objects as the files of a layout, for whoever reads one.
//!
//! What concerns the storage as a whole (`look`) is no failure of an object: it is told once, and nothing is judged
//! meanwhile.
//!
//! Credentials and signatures are those of the `object_store` crate; the requests are ours (`wire`).

mod access;
mod checksum;
mod connect;
mod dialect;
mod error;
mod etag;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod head;
mod kept;
mod key;
mod list;
mod listed;
mod look;
mod part_sizes;
mod parts;
mod proofs;
mod read;
mod reader;
mod refused;
mod remote;
mod retry;
mod s3;
mod service;
mod settings;
mod store;
mod sums;
mod sweep;
mod throttle;
mod tree;
mod version;
mod wire;

pub use settings::{
    Addressing, AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network,
    ObjectSettings, S3Keys, S3Settings, Service, SettingsError,
};
pub use store::ObjectStorage;
pub use throttle::Patience;
pub use tree::ObjectTree;
