//! What adapters need to reach other machines, each thing once: TLS, HTTP clients, connections to PostgreSQL,
//! retries, rate limits, and error texts with their causes.
//!
//! Nothing here owns a runtime: what waits, waits inside the caller's tokio runtime. Randomness comes from the
//! caller as a function, so that tests decide it. The crate knows no other crate of the workspace.

pub mod error;
pub mod http;
pub mod outage;
pub mod pace;
pub mod postgres;
pub mod rate_limit;
pub mod retry;
pub mod tls;
