//! The port `SyncState`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::tables::Tables;
use super::{MemoryStore, entries, storable, storable_number, without_nul};
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{ModelSyncState, ScannedRange, StoreError, SyncApplied, SyncBatch, SyncState, WorkerId};
use crate::record::SourceRecord;
use crate::time::Timestamp;

#[async_trait]
impl SyncState for MemoryStore {
    async fn acquire_leader_lease(
        &self,
        instance: &WorkerId,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        storable(&instance.0, "leader")?;
        let acquire = |tables: &mut Tables| {
            let is_over = |until: Timestamp| until <= now || until > now.latest_end(duration);
            let free =
                tables.leader.as_ref().is_none_or(|(leader, until)| leader == instance || is_over(*until));
            if free {
                tables.leader = Some((instance.clone(), now.after(duration)));
            }
            free
        };
        Ok(self.step(acquire).await)
    }

    async fn release_leader_lease(&self, instance: &WorkerId) -> Result<(), StoreError> {
        storable(&instance.0, "leader")?;
        self.step(|tables: &mut Tables| {
            tables.leader.take_if(|(leader, _)| leader == instance);
        })
        .await;
        Ok(())
    }

    async fn states(&self) -> Result<Vec<ModelSyncState>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.states.values().cloned().collect()).await)
    }

    async fn apply(
        &self,
        instance: &WorkerId,
        batch: SyncBatch,
        state: &ModelSyncState,
    ) -> Result<Option<SyncApplied>, StoreError> {
        let now = self.now();
        storable(&instance.0, "leader")?;
        let scan = &state.full_scan;
        for number in [scan.records, scan.added, scan.changed, scan.deleted, scan.kept] {
            storable_number(number, "full_scan")?;
        }
        batch.records.iter().try_for_each(entries::check)?;
        let latest: BTreeMap<RecordKey, SourceRecord> =
            batch.records.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let apply = |tables: &mut Tables| {
            let leads =
                tables.leader.as_ref().is_some_and(|(leader, until)| leader == instance && *until > now);
            if !leads {
                return (None, false);
            }
            let (deleted, kept) = batch
                .scanned_range
                .as_ref()
                .map_or((0, 0), |range| tables.delete_missing(state.model, range, &latest));
            let entries = latest.into_values().collect();
            let (applied, due) = tables.apply_entries(state.model, entries, true, now);
            let problem = state.problem.as_deref().map(without_nul);
            let mut kept_state = ModelSyncState { problem, ..state.clone() };
            kept_state.full_scan.count(&applied);
            tables.states.insert(state.model, kept_state);
            (Some(SyncApplied { applied, deleted, kept }), due)
        };
        Ok(self.waking_step(apply).await)
    }
}

impl Tables {
    /// Deletes the source's records of the range for which it has no row, unless they are too many. Returns how many
    /// were deleted, and how many kept.
    fn delete_missing(
        &mut self,
        model: Model,
        range: &ScannedRange,
        rows: &BTreeMap<RecordKey, SourceRecord>,
    ) -> (u64, u64) {
        let scanned = |key: &RecordKey| {
            range.after.as_ref().is_none_or(|after| key > after)
                && range.to.as_ref().is_none_or(|to| key <= to)
        };
        let records = self.records.get(&model).into_iter().flatten();
        let missing =
            records.filter(|(key, row)| row.from_source && scanned(key) && !rows.contains_key(*key));
        let missing: Vec<RecordKey> = missing.map(|(key, _)| key.clone()).collect();
        let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        if count > range.most_deleted {
            return (0, count);
        }
        for key in &missing {
            self.leave_leases(model, key);
            self.records.entry(model).or_default().remove(key);
        }
        (count, 0)
    }
}
