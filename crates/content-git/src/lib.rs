//! Content adapter: bare git repositories.
//!
//! The checksum of a repository is made over its refs, each with the object it points to. Beside it, all files
//! that hold objects are read and compared with the checksums in them, so that a repository that could not be
//! cloned any more is found.
//!
//! ```text
//! GitStore ──> order ──> visit ──> repository ──> refs     loose, packed-refs, reftables
//!                                            └──> objects  packs and their indexes, loose objects, alternates
//! ```
//!
//! Every file is opened beneath the storage's root. Nothing is ever written there.

mod beside;
mod config;
mod digest;
mod id;
mod list;
mod measure;
mod num;
mod objects;
mod refs;
mod repository;
mod store;
mod text;
mod visit;

pub use store::{GitSettings, GitStore, Integrity};
