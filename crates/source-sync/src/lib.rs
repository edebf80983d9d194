//! Bringing the catalogue in line with a source of records, and finding what lies in storages without a record.
//!
//! [`Sync`] reads the source page by page and applies what it says to the catalogue. One look at all rows of a
//! model is a *round*: it finds what was added, changed and deleted, page by page, each with all rows of a range of
//! keys. [`Sync::once`] does a round of each model at once; [`Sync::run`] looks for new and touched rows every
//! minute, and spreads its rounds over a day.
//!
//! How far each model is stands in the catalogue's database, in the same transaction as the records, so that a kill
//! at any moment loses nothing. What keeps records from being deleted by mistake is in `round.rs`.
//!
//! [`orphans`] compares what storages hold with what records and rows claim, and changes nothing.

mod engine;
mod highwater;
mod hold;
mod once;
mod orphans;
mod outage;
mod reading;
mod report;
mod round;
mod schedule;
mod telemetry;

pub use engine::{Sync, SyncParts, SyncSettings};
pub use orphans::{
    Orphan, OrphanError, OrphanParts, OrphanReport, OrphanSettings, OrphanTotals, OrphanWatcher,
    StorageOrphans, StorageOutcome, orphans,
};
pub use outage::SyncError;
pub use report::{ModelReport, SyncProgress, SyncReport, never_read};
