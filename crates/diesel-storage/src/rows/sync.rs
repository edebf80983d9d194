//! Rows of `syncs`.

use diesel::prelude::{AsChangeset, Insertable, Queryable};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Round, SyncState};

use super::codes::{model_code, model_of};
use super::{storable_size, unsigned};
use crate::error::Fault;
use crate::key;
use crate::schema::syncs;

/// A row of `syncs`.
#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = syncs, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct SyncRow {
    pub(crate) model: i16,
    read_to: Option<Vec<u8>>,
    read_at: Option<i64>,
    touched_to: Option<i64>,
    round_at: Option<Vec<u8>>,
    round_records: i64,
    round_deleted: i64,
    round_kept: i64,
    round_due_at: Option<i64>,
    round_ended_at: Option<i64>,
    problem: Option<String>,
}

impl SyncRow {
    /// The row of a state.
    pub(crate) fn new(state: &SyncState) -> Result<Self, Fault> {
        let round = &state.round;
        Ok(Self {
            model: model_code(state.model),
            read_to: state.read_to.as_ref().map(key::encode),
            read_at: state.read_at.map(Timestamp::millis),
            touched_to: state.touched_to.map(Timestamp::millis),
            round_at: round.at.as_ref().map(key::encode),
            round_records: storable_size(round.records, "records")?,
            round_deleted: storable_size(round.deleted, "deleted")?,
            round_kept: storable_size(round.kept, "kept")?,
            round_due_at: round.due_at.map(Timestamp::millis),
            round_ended_at: round.ended_at.map(Timestamp::millis),
            // What a system said may hold a NUL, which PostgreSQL refuses.
            problem: state.problem.as_ref().map(|problem| problem.replace('\0', "\u{fffd}")),
        })
    }

    /// The state.
    pub(crate) fn into_state(self) -> Result<SyncState, Fault> {
        let key = |bytes: Option<Vec<u8>>| bytes.map(|bytes| key::decode(&bytes)).transpose();
        Ok(SyncState {
            model: model_of(self.model)?,
            read_to: key(self.read_to)?,
            read_at: self.read_at.map(Timestamp::from_millis),
            touched_to: self.touched_to.map(Timestamp::from_millis),
            round: Round {
                at: key(self.round_at)?,
                records: unsigned(self.round_records, "round_records")?,
                deleted: unsigned(self.round_deleted, "round_deleted")?,
                kept: unsigned(self.round_kept, "round_kept")?,
                due_at: self.round_due_at.map(Timestamp::from_millis),
                ended_at: self.round_ended_at.map(Timestamp::from_millis),
            },
            problem: self.problem,
        })
    }
}
