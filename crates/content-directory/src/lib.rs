//! Content adapter: the files below a folder.
//!
//! [`DirectoryStore`] has a share of the reading threads, so that a storage that hangs does not hold up others. They
//! claim the jobs of a batch: small files are read into one buffer and hashed together, a large file is hashed as
//! a stream, or directly from the page cache by the hashing threads.
//!
//! ```text
//! inspect() ──> ReaderShare ──> reading threads ─┬──> a buffer of small files  ──> hashing threads ──> sink
//!                                                ├──> chunks of a large file   ──>        of
//!                                                └──> a file in the page cache ──> the HashPool
//! ```

mod cached;
mod list;
mod reader;
mod store;
mod unicode;

pub use store::{DirectorySettings, DirectoryStore};
