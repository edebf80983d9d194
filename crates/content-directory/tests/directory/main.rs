//! The store of files below a folder, used as its port says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod inspect;
mod list;
mod support;
