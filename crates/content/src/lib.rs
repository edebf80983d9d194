//! Content adapters: what a storage holds, read and hashed.
//!
//! [`HashPool`] owns the hashing threads, which all storages share. [`DirectoryStore`] reads the files below
//! one folder with threads of its own, so that a storage that hangs never holds up the hashing of others.
//!
//! ```text
//! inspect() ──> queue ──> reading threads ──> batches of small files,   ──> hashing threads ──> sink
//!                         (of each store)     pieces of large files         (of the pool)
//! ```

mod directory;
mod hasher;
mod num;
mod pool;
mod sync;

pub use directory::{DirectorySettings, DirectoryStore};
pub use pool::{HashPool, HashStream, Part};
