//! Both kinds of registry storage against a real registry, which is filled over its own API and damaged on its
//! disk; the faults of networks come from a proxy in between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "tests")]

mod access;
mod contract;
mod damage;
mod faults;
mod good;
mod listing;
mod manners;
mod support;
mod tag_lists;
