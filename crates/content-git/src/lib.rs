//! Content adapter: bare git repositories.
//!
//! The checksum of a repository is over its refs, each with the object it points to. In addition, all files that
//! contain objects are read and compared with their own checksums, so that a repository that cannot be cloned any
//! more is found.
//!
//! ```text
//! GitStore ──> Batch ──> reading threads ──> repository ──┬──> refs     loose, packed-refs, reftables
//!                                                         ├──> roots    logs, worktrees and their indexes
//!                                                         └──> objects  packs and their indexes, loose objects,
//!                                                                       commit graphs, alternates
//! ```
//!
//! All files are opened by `RepoReader` beneath the storage's root; what has a checksum is hashed on the
//! threads of the hash pool, in parallel with reading. Nothing is ever written.
//!
//! `cluster.rs` has the repositories of a Gitaly Cluster, each of which is as good as its replicas.

mod cluster;
mod config;
mod context;
mod digest;
mod doubts;
mod error;
mod file;
mod folder;
mod id;
mod list;
mod look;
mod memory;
mod objects;
mod pipeline;
mod pools;
mod reader;
mod refs;
mod repository;
mod roots;
mod shallow;
mod space;
mod store;

pub use cluster::{ClusterSettings, ClusterStore, Nodes};
pub use context::{GitSettings, Integrity};
pub use store::GitStore;
