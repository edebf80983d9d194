//! Content adapter: container registries.
//!
//! A [`RegistryStore`] speaks the distribution protocol over HTTP, or reads the registry's own storage, a directory or a bucket
//! (a [`FileTree`](stocktake_content::tree::FileTree)), with the tags from there or from the metadata database of GitLab's
//! registry. Each is a `RegistrySource` of tags, manifests and blobs; the inspection is the same for all:
//!
//! ```text
//! tags ──> checksum
//!   └────> manifest ──> config, layers        read once for all that share it (`digest_cache`)
//!            └────────> manifests of an index
//! ```
//!
//! The protocol is that of the OCI distribution specification 1.1, the image specification 1.1 and the registry
//! `distribution` 2.8; the tag list of GitLab's registry is its documented API.

mod database;
mod digest;
mod digest_cache;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hashing;
mod http;
mod inspect;
mod layout;
mod manifest;
mod name;
mod settings;
mod source;
mod store;

pub use settings::{
    Integrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistrySettings, SettingsError,
};
pub use store::RegistryStore;
