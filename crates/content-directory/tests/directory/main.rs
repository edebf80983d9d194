//! The store of files below a folder, used through its port.
#![expect(clippy::unwrap_used, clippy::as_conversions, clippy::cast_possible_truncation, reason = "tests")]

mod contract;
mod inspect;
mod list;
mod support;
