//! The store of git repositories, used as its port says, on repositories that git made.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod alternates;
mod changing;
mod flips;
mod integrity;
mod list;
mod measure;
mod refs;
mod reftable;
mod storage;
mod support;
