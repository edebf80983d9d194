//! The suite of the port [`SyncState`](crate::ports::SyncState).

pub mod batches;
pub mod deletions;
pub mod leader;
