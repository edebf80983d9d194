//! Rows of the tables, and how they become values of the domain and back.

mod acceptance;
mod check_value;
mod codes;
mod failure;
mod filter;
mod orphan;
mod record;
mod registry;
mod seen;
mod sync_state;
mod token;
mod values;
mod work;

pub(crate) use acceptance::{AcceptanceRow, AcceptedColumns, NewAcceptanceRow};
pub(crate) use codes::{
    DISABLED, FAILED, PENDING, SUCCEEDED, failure_kind_code, failure_kind_of, job_state_code, model_code,
    model_of, state_of, stored_state_code, walk_state_code,
};
pub(crate) use failure::{CAUSES_WITH_TEXT, failure_cause};
pub(crate) use orphan::{OrphanRow, WalkRow, WalkedStorageRow};
pub(crate) use record::{
    BaselineColumns, ON_STAGED_KEY, OwnColumns, RECORD, RecordRow, RecordSql, ResultColumns, ResultRow,
    STAGED, SourceColumns, StagedRow, StagedSql,
};
pub(crate) use registry::{PieceRow, SearchedRegistryRow};
pub(crate) use seen::Seen;
pub(crate) use sync_state::SyncRow;
pub(crate) use token::{NewTokenRow, TokenRow};
pub(crate) use values::{digest_bytes, digest_of, lengths, storable, storable_size, unsigned};
pub(crate) use work::{
    JOB, JobRow, JobSql, JobTargetRow, LEASE, LeaseEnd, LeaseEnds, LeaseRow, LeaseSql, NewJobRow, NewLeaseRow,
};
