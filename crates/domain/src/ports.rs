//! The ports: what the domain needs of the world, to be implemented by adapters.
//!
//! Rules for all of them: a look-up that finds nothing is `Ok(None)`, not an error; time comes in as a
//! parameter; each method is one atomic step, and a caller that vanishes half way leaves nothing half done.

mod authority;
mod catalogue;
mod content;
mod jobs;
mod queue;
mod recalculation;
mod source;
mod sync_state;
mod tokens;

pub use authority::{Authority, AuthorityError, Credential, Identity};
pub use catalogue::{
    Applied, Catalogue, ImportError, ModelSummary, Page, PageRequest, PageStart, PathStream, SortOrder,
    SourceRecordStream,
};
pub use content::{ContentStore, Extent, Found, FoundStream, Inspection, InspectionSink, ListError, Watch};
pub use jobs::Jobs;
pub use queue::{
    ClaimFilter, ClaimedRecord, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, WakeSignal,
    WorkerId,
};
pub use recalculation::{Recalculated, Recalculation};
pub use source::{Claim, Readable, Source, SourceError, SourcePage};
pub use sync_state::{FullScan, ModelSyncState, ScannedRange, SyncApplied, SyncBatch, SyncState};
pub use tokens::{NameTaken, Tokens};

#[cfg(any(test, feature = "mocks"))]
pub use {
    authority::MockAuthority, catalogue::MockCatalogue, content::MockContentStore, jobs::MockJobs,
    queue::MockQueue, queue::MockWakeSignal, recalculation::MockRecalculation, source::MockSource,
    sync_state::MockSyncState, tokens::MockTokens,
};

/// Why a store of ours could not do what was asked; each variant tells the caller what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or does not answer in time. Try again later.
    #[error("the database is unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database's schema is not the one this program needs. Migrate, or use the matching program.
    #[error("the database schema is not current: {0}")]
    Schema(String),
    /// A fault of ours or of the stored data. Trying again does not help; the source says more.
    #[error("the database refused or returned something unexpected")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}
