//! The store of git repositories, used through its port, on repositories made by git.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod alternates;
mod changing;
mod contract;
mod flips;
mod integrity;
mod list;
mod measure;
mod refs;
mod reftable;
mod storage;
mod support;
