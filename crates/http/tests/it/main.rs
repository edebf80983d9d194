//! Tests over real connections.
#![expect(clippy::unwrap_used, reason = "tests")]

mod log;
mod server;
mod support;
