//! The ports: what the domain needs of the world, to be implemented by adapters.
//!
//! Rules for all of them:
//!
//! * A look-up that finds nothing is `Ok(None)`, not an error.
//! * "Now" is the database's time, whatever the clock of the host that asks; only spans of time go over the ports. A span
//!   that ends at a moment is over *at* that moment: of a lease, a leader lease and a token the end does not belong to it
//!   any more, and a retry time has come.
//! * A time further in the future than the rules allow ([`crate::Timestamp::latest_end`]) was written by a clock that was
//!   ahead, and counts as now: such a lease is over, such a retry is due, and such a success is too old.
//! * Each method is one atomic step. A caller may drop the future at any moment: the step is then done or not done,
//!   never half.
//! * A number beyond `i64::MAX`, and a text with a NUL character, is refused as [`StoreError::Internal`] whose source
//!   names the field, and nothing is written; only in what a system said (the text of a failure, the problem of a model)
//!   NUL characters are replaced by U+FFFD. Every other text comes back as it was.
//!
//! What the documentation of a port says is what the suite of `contract` (a feature for tests) asserts of each adapter.

mod acceptance;
mod catalogue;
mod conditions;
mod content;
mod error;
mod matching;
mod orphan_walks;
mod page;
mod queue;
mod recalculation;
mod scan_basis;
mod scanning;
mod sessions;
mod sorting;
mod source;
mod storage_check;
mod sync_state;
mod tokens;

pub use acceptance::{AcceptanceError, ContentAcceptance};
pub use catalogue::{
    Amount, Applied, Catalogue, CountDifference, DayResults, FailureGroup, ImportError, ModelSummary,
    NumberedRecord, OLDEST_SUCCESS_WITHIN, PathStream, RecordBatch, ReportApplied, ReportedRecord,
    SourceRecordStream, Witness, numbered,
};
pub use conditions::{Announcement, Conditions, StorageShare, WorkerActivity};
pub use content::{
    ContentStore, Extent, Found, FoundStream, Inspection, InspectionSink, ListError, MountBelow, NoContent,
    ProbedStorage, StorageAddress, UsageStream, Watch, is_at_or_below,
};
pub use error::{Outage, StoreError, Unavailable};
pub use matching::{Pages, first_matching};
pub use orphan_walks::OrphanWalks;
pub use page::{Beyond, Page, PageRequest, PageStart, SortOrder};
pub use queue::{
    ClaimFilter, ClaimedRecord, Holder, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, Results,
    SCANNED_FOR_EACH, WakeSignal, WorkerId,
};
pub use recalculation::{Jobs, Recalculated, Recalculation};
pub use scan_basis::{ScanBasis, numbered_behind};
pub use scanning::{CountLimit, Counted, CountedTo, SCATTERED, ScanLimit};
pub use sessions::Sessions;
pub use sorting::{SortField, SortLimit, SortPosition, SortedPage, SortedPageRequest, SortedStart};
pub use source::{Claim, ModelCheck, Readable, Source, SourceCheck, SourceError, SourcePage};
pub use storage_check::StorageCheck;
pub use sync_state::{FullScan, ModelSyncState, ScannedRange, SyncApplied, SyncBatch, SyncState};
pub use tokens::{Authority, AuthorityError, Credential, Identity, NameTaken, Tokens};

#[cfg(any(test, feature = "mocks"))]
pub use {
    acceptance::MockContentAcceptance, catalogue::MockCatalogue, conditions::MockConditions,
    content::MockContentStore, queue::MockQueue, queue::MockWakeSignal, recalculation::MockJobs,
    recalculation::MockRecalculation, sessions::MockSessions, source::MockSource,
    storage_check::MockStorageCheck, sync_state::MockSyncState, tokens::MockAuthority, tokens::MockTokens,
};
