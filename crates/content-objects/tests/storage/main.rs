//! Object storage against a real S3 server, and with what networks do between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod access;
mod contract;
mod faults;
mod keys;
mod metadata;
mod others;
mod reading;
mod role;
mod support;
mod tls;
