//! The domain of Stocktake: what a record is, what state its checksum is in, what a finding means, and
//! the ports through which the rest of the program reaches a catalogue, a work queue and the content.
//!
//! Nothing here knows a database, a protocol or a runtime. Time and randomness come in through
//! [`Clock`] and [`Rng`], so that every rule can be tested without waiting and without luck.

mod acceptance;
mod common_ground;
mod condition;
#[cfg(feature = "contract")]
pub mod contract;
mod digest;
mod digest_rule;
mod failure;
mod job;
mod key;
mod model;
mod named;
mod orphan;
mod path;
mod path_glob;
pub mod ports;
mod quoted;
mod record;
mod record_filter;
mod row_part;
mod selection;
mod session;
mod store_report;
mod time;
mod token;
mod unreferenced;
mod verdict;
mod verification;

pub use acceptance::{Acceptance, NewAcceptance, Replaced, TakenBack};
pub use common_ground::{CommonGround, common_ground};
pub use condition::{Condition, ConditionSubject};
pub use digest::{Algorithm, Algorithms, Digest, Digests, EvidenceLevel, Metadata, ParseDigestError};
pub use digest_rule::{DigestRule, ENCRYPTION_OVERHEAD, KeyData, ParseDigestRuleError};
pub use failure::{
    Failure, FailureCause, FailureKind, JITTER_STEPS, LONGEST_RETRY_DELAY, MAX_FAILURE_CHARS, retry_delay,
};
pub use job::{Job, JobId, JobScope, JobState, NewJob};
pub use key::{KeyError, RecordKey};
pub use model::{Model, ModelKind, ObjectType, UnknownModel};
pub use orphan::{
    Orphan, OrphanTotals, OrphanWalk, SearchedRegistry, StorageOutcome, WalkFindings, WalkId, WalkState,
    WalkedStorage,
};
pub use path::PathText;
pub use path_glob::{ParsePathGlobError, PathGlob};
pub use quoted::{Quoted, QuotedCell, is_unsafe_to_show};
pub use record::{Location, Record, SourceRecord};
pub use record_filter::RecordFilter;
pub use row_part::RowPart;
pub use selection::{Selection, State, UnknownState};
pub use session::{NewSession, Session, SessionDigest, SessionTerms, SessionToken};
pub use store_report::{ReportRules, ReportVerdict, Reported, StoredRecord};
pub use time::{CLOCK_TOLERANCE, Clock, ClockRng, Rng, Timestamp, format_duration, parse_duration};
pub use token::{NewToken, Scope, Token, TokenDigest, TokenId, UnknownScope};
pub use unreferenced::{
    PieceTotals, RegistryPiece, Unreferenced, UnreferencedKind, UnreferencedTotals, Usage,
};
pub use verdict::{
    ContentError, Emptied, Evidence, Measure, NotJudged, Observation, Reference, UnreadableFolder, judge,
    judge_emptied,
};
pub use verification::{
    Baseline, Disabled, Failed, FailureTimes, History, NotDue, Origin, Pending, Stage, Started, Status,
    Succeeded, Verification,
};
