//! What the content adapters share.
//!
//! An adapter splits a call of `ContentStore::inspect` into the jobs of a [`Batch`], which reading threads or tasks
//! claim one by one. The threads are those of a [`ReaderPool`], of which each storage has a share. What they read goes to the hashing threads of a [`HashPool`], small content several
//! at a time and large content as a [`HashStream`]; a [`HashPlan`] says which digests to calculate, and whether
//! to decrypt first. The observation goes from the hashing thread to the caller's sink.
//!
//! ```text
//! inspect() ──> Batch ──> Jobs, claimed by readers of the ReaderPool ──> HashPool: HashPlan, Hasher ──> sink
//! list()    ──> walk ──> chunks of entries in path order ──> stream
//! ```
//!
//! Files are opened beneath a [`Root`] and nowhere else. A layout that can lie in a folder or in a bucket is read through a
//! [`tree::FileTree`].

mod batch;
mod beneath;
mod buffers;
mod digester;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hash_plan;
mod hasher;
mod locked;
mod mounts;
pub mod num;
pub mod page_cache;
pub mod path;
mod pool;
mod reader_pool;
mod recorded;
pub mod storage_root;
pub mod threads;
pub mod tree;
pub mod walk;

pub use batch::{Batch, CANCELLATION_POLL, CancelGuard, Job};
pub use beneath::{Links, NOT_REGULAR, OUTSIDE, RegularFile, Root};
pub use buffers::{BUFFER_BYTES, Buffer, BufferPool};
pub use file::read_at;
pub use hash_plan::{HashPlan, Secrets};
pub use hasher::Hasher;
pub use locked::locked_folder;
pub use pool::{HashPool, HashStream, PIECE_BYTES, Part, Pieces};
pub use reader_pool::{ReadTask, ReaderPool, ReaderShare};
