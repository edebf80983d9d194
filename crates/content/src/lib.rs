//! Content adapters: what a storage holds, read and hashed.
//!
//! [`HashPool`] owns the hashing threads, which all storages share. [`DirectoryStore`] reads the files below
//! one folder with threads of its own, so that a storage that hangs never holds up the hashing of others.
//!
//! ```text
//! inspect() ──> queue ──> reading threads ──> batches of small files,   ──> hashing threads ──> sink
//!                         (of each store)     pieces of large files         (of the pool)
//! ```

mod beneath;
mod cache;
mod directory;
mod hasher;
mod limiter;
mod num;
mod order;
pub mod path;
mod pool;
mod recipe;
mod recorded;
mod sync;

pub use beneath::{Links, OUTSIDE, Root};
pub use cache::Manners;
pub use directory::{DirectorySettings, DirectoryStore};
pub use limiter::{LARGEST_STEP, Limiter, Turn};
pub use order::{Abandon, Order, Piece};
pub use pool::{HashPool, HashStream, Part, Task};
pub use recipe::{Recipe, Secrets};
