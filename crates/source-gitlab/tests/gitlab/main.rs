//! The source over real databases, with rows of all models and all their special cases.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod authority;
mod checking;
mod claims;
mod connecting;
mod contract;
mod decomposed;
mod pages;
mod rights;
mod schemas;
mod support;
