//! The sync and the search for orphans, between a source, a catalogue and storages in memory.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod deleting;
mod following;
mod full_scans;
mod holding;
mod orphans;
mod outages;
mod pacing;
mod support;
mod walking;
