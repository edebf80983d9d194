//! The console as a browser sees it, over a database in memory.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod access;
mod actions;
mod activity;
mod errors;
mod gitlabs_page;
mod orphans;
mod pages;
mod sources;
mod support;
