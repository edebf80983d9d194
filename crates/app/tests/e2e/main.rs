//! The real program against real files, on SQLite and on PostgreSQL, from outside: command line, signals,
//! HTTP.

#[macro_use]
mod support;

mod accept;
mod catalogue;
mod commands;
mod configuration;
mod imports;
mod jobs;
mod outages;
mod pagination;
mod recalculation;
mod scans;
mod stopping;
mod tokens;
mod verify;
mod workers;
