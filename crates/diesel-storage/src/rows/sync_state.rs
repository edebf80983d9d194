//! Rows of `sync_states`.

use diesel::prelude::{AsChangeset, Insertable, Queryable, Selectable};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Applied, FullScan, ModelSyncState};

use super::codes::{model_code, model_of};
use super::values::{storable_size, unsigned};
use crate::error::DbError;
use crate::key;
use crate::schema::sync_states;

/// A row of `sync_states`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sync_states, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct SyncRow {
    pub(crate) model: i16,
    read_to: Option<Vec<u8>>,
    read_at: Option<i64>,
    changes_read_to: Option<i64>,
    full_scan_at: Option<Vec<u8>>,
    full_scan_records: i64,
    full_scan_added: i64,
    full_scan_changed: i64,
    full_scan_deleted: i64,
    full_scan_kept: i64,
    full_scan_due_at: Option<i64>,
    full_scan_ended_at: Option<i64>,
    problem: Option<String>,
}

impl SyncRow {
    /// The row of a state.
    pub(crate) fn new(state: &ModelSyncState) -> Result<Self, DbError> {
        let full_scan = &state.full_scan;
        Ok(Self {
            model: model_code(state.model),
            read_to: state.read_to.as_ref().map(key::encode),
            read_at: state.read_at.map(Timestamp::millis),
            changes_read_to: state.changes_read_to.map(Timestamp::millis),
            full_scan_at: full_scan.at.as_ref().map(key::encode),
            full_scan_records: storable_size(full_scan.records, "records")?,
            full_scan_added: storable_size(full_scan.added, "added")?,
            full_scan_changed: storable_size(full_scan.changed, "changed")?,
            full_scan_deleted: storable_size(full_scan.deleted, "deleted")?,
            full_scan_kept: storable_size(full_scan.kept, "kept")?,
            full_scan_due_at: full_scan.due_at.map(Timestamp::millis),
            full_scan_ended_at: full_scan.ended_at.map(Timestamp::millis),
            // What a system said may hold a NUL, which PostgreSQL refuses.
            problem: state.problem.as_ref().map(|problem| problem.replace('\0', "\u{fffd}")),
        })
    }

    /// Counts what a batch changed.
    pub(crate) fn count(&mut self, applied: &Applied) {
        let more = |count: i64, of: u64| count.saturating_add(i64::try_from(of).unwrap_or(i64::MAX));
        self.full_scan_added = more(self.full_scan_added, applied.added);
        self.full_scan_changed = more(self.full_scan_changed, applied.changed);
    }

    /// The state.
    pub(crate) fn into_state(self) -> Result<ModelSyncState, DbError> {
        let key = |bytes: Option<Vec<u8>>| bytes.map(|bytes| key::decode(&bytes)).transpose();
        Ok(ModelSyncState {
            model: model_of(self.model)?,
            read_to: key(self.read_to)?,
            read_at: self.read_at.map(Timestamp::from_millis),
            changes_read_to: self.changes_read_to.map(Timestamp::from_millis),
            full_scan: FullScan {
                at: key(self.full_scan_at)?,
                records: unsigned(self.full_scan_records, "full_scan_records")?,
                added: unsigned(self.full_scan_added, "full_scan_added")?,
                changed: unsigned(self.full_scan_changed, "full_scan_changed")?,
                deleted: unsigned(self.full_scan_deleted, "full_scan_deleted")?,
                kept: unsigned(self.full_scan_kept, "full_scan_kept")?,
                due_at: self.full_scan_due_at.map(Timestamp::from_millis),
                ended_at: self.full_scan_ended_at.map(Timestamp::from_millis),
            },
            problem: self.problem,
        })
    }
}
