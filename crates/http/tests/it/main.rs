//! Tests over real connections.
#![expect(clippy::unwrap_used, reason = "tests")]

mod connections;
mod hostile;
mod log;
mod raw;
mod server;
mod support;
