//! The worker and the scheduler at work, on a queue in memory.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod accepting;
mod draining;
mod findings;
mod leases;
mod not_judged;
mod observing;
mod outages;
mod recalculating;
mod scheduling;
mod stopping;
mod storages;
mod support;
