//! Bringing the catalogue in line with a source of records, and finding what lies in storages without a record.
//!
//! [`SourceSync`] reads the source page by page and applies what it says to the catalogue. A look at all rows of a
//! model is a *full scan*: it finds what was added, changed and deleted, page by page, each with all rows of a range of
//! keys. [`SourceSync::once`] does a full scan of each model at once; [`SourceSync::run`] looks for new and changed rows every
//! minute, and spreads its full scans over a day.
//!
//! How far each model is stands in the catalogue's database, in the same transaction as the records, so that a kill
//! at any moment loses nothing. What keeps records from being deleted by mistake is in `full_scan.rs`.
//!
//! [`search`] compares what storages hold with what records and rows claim, looks in container registries for what nothing refers
//! to, and changes nothing. [`OrphanWalker`] does so in the background when somebody asks for it.

mod engine;
mod full_scan;
mod highwater;
mod leader;
mod once;
mod orphans;
mod outage;
mod page;
mod registries;
mod report;
mod schedule;
mod search;
mod search_watcher;
mod telemetry;
mod walks;

pub use engine::{SourceSync, SyncParts, SyncSettings};
pub use orphans::{
    OrphanError, OrphanParts, OrphanReport, OrphanSettings, OrphanWatcher, StorageOrphans, orphans,
};
pub use outage::SyncError;
pub use report::{ModelReport, SyncProgress, SyncReport, never_read};
pub use search::{SearchParts, SearchReport, SearchSettings, has_registries, search};
pub use search_watcher::SearchWatcher;
pub use walks::{OrphanWalker, WalkerParts};
