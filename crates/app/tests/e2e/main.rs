//! The real program against real files, on SQLite and on PostgreSQL, from outside: command line, signals,
//! HTTP.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure is a failed test"
)]

#[macro_use]
mod support;

mod accept;
mod catalogue;
mod check;
mod commands;
mod configuration;
mod damage;
mod documents;
mod encryption;
mod exits;
mod filters;
mod gitlab;
mod imports;
mod jobs;
mod kills;
mod kinds;
mod looks;
mod others;
mod outages;
mod pagination;
mod reading;
mod recalculation;
mod registry_bucket;
mod reports;
mod repositories;
mod resources;
mod scans;
mod screens;
mod sessions;
mod shortages;
mod stopping;
mod stores;
mod tokens;
mod verify;
mod waiting;
mod walks;
mod witnesses;
mod workers;
