//! The port `Jobs`.

use async_trait::async_trait;

use super::tables::{StoredJob, Tables};
use super::{MemoryStore, storable};
use crate::job::{Job, JobId, JobState, NewJob};
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{Jobs, StoreError};
use crate::selection::{Selection, State};
use crate::time::Timestamp;

#[async_trait]
impl Jobs for MemoryStore {
    async fn enqueue(&self, job: &NewJob) -> Result<Job, StoreError> {
        let now = self.now();
        storable(&job.requested_by, "requested_by")?;
        let enqueue = |tables: &mut Tables| {
            let is_same = |stored: &&StoredJob| {
                let target = (stored.job.model, &stored.selection);
                stored.job.state == JobState::Queued && target == (job.model, &job.selection)
            };
            if let Some(same) = tables.jobs.iter().find(is_same) {
                return (same.job.clone(), true);
            }
            let id = JobId(i64::try_from(tables.jobs.len()).unwrap_or(i64::MAX).saturating_add(1));
            let (made, selection) = (Job::enqueued(id, job, now), job.selection.clone());
            tables.jobs.push(StoredJob { job: made.clone(), selection, marked_to: None });
            (made, true)
        };
        Ok(self.waking_step(enqueue).await)
    }

    async fn list(&self, before: Option<JobId>, limit: u32) -> Result<Vec<Job>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let list = |tables: &mut Tables| {
            let newest = tables.jobs.iter().rev().map(|stored| stored.job.clone());
            newest.filter(|job| before.is_none_or(|before| job.id < before)).take(limit).collect()
        };
        Ok(self.step(list).await)
    }

    async fn open(&self) -> Result<Vec<Job>, StoreError> {
        let open = |tables: &mut Tables| {
            let jobs = tables.jobs.iter().map(|stored| stored.job.clone());
            jobs.filter(|job| !job.state.is_over()).collect()
        };
        Ok(self.step(open).await)
    }

    async fn count_open(&self) -> Result<u64, StoreError> {
        let open =
            |tables: &mut Tables| tables.jobs.iter().filter(|stored| !stored.job.state.is_over()).count();
        Ok(u64::try_from(self.step(open).await).unwrap_or(u64::MAX))
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let get = |tables: &mut Tables| {
            tables.jobs.iter().find(|stored| stored.job.id == id).map(|stored| stored.job.clone())
        };
        Ok(self.step(get).await)
    }

    async fn cancel(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let now = self.now();
        let cancel = |tables: &mut Tables| {
            let job = &mut tables.jobs.iter_mut().find(|stored| stored.job.id == id)?.job;
            if !job.state.is_over() {
                (job.state, job.finished_at) = (JobState::Cancelled, Some(now));
            }
            Some(job.clone())
        };
        Ok(self.step(cancel).await)
    }

    async fn advance(&self, limit: u32) -> Result<Option<Job>, StoreError> {
        let now = self.now();
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        Ok(self.waking_step(|tables: &mut Tables| tables.advance(limit, now)).await)
    }
}

impl Tables {
    /// Marks the model of the oldest open job, or its next batch; also says whether anything was marked.
    fn advance(&mut self, limit: usize, now: Timestamp) -> (Option<Job>, bool) {
        let Some(place) = self.jobs.iter().position(|stored| !stored.job.state.is_over()) else {
            return (None, false);
        };
        let Some(stored) = self.jobs.get(place).cloned() else { return (None, false) };
        let (marked, next) = if stored.selection.is_all() {
            (self.mark_all(stored.job.model, now), None)
        } else {
            self.mark_batch(&stored, limit, now)
        };
        let Some(stored) = self.jobs.get_mut(place) else { return (None, false) };
        let job = &mut stored.job;
        job.marked += marked;
        job.started_at = job.started_at.or(Some(now));
        (job.state, job.finished_at) =
            if next.is_some() { (JobState::Running, None) } else { (JobState::Finished, Some(now)) };
        stored.marked_to = next;
        (Some(stored.job.clone()), marked > 0)
    }

    /// Recalculates the next batch of a job; returns how many records that were, and the key to go on behind.
    fn mark_batch(&mut self, stored: &StoredJob, limit: usize, now: Timestamp) -> (u64, Option<RecordKey>) {
        let StoredJob { job: Job { model, .. }, selection, marked_to } = stored;
        let (mut batch, next) = self.next_batch(*model, selection, marked_to.as_ref(), limit);
        self.retain_recalculated(*model, selection, &mut batch);
        for key in &batch {
            self.recalculate(*model, key, now);
        }
        (u64::try_from(batch.len()).unwrap_or(u64::MAX), next)
    }

    /// Leaves out what a recalculation of the selection is not meant for.
    pub(super) fn retain_recalculated(
        &self,
        model: Model,
        selection: &Selection,
        batch: &mut Vec<RecordKey>,
    ) {
        let is_off =
            |key: &RecordKey| self.record(model, key).is_some_and(|record| record.state() == State::Disabled);
        batch.retain(|key| selection.recalculates_disabled() || !is_off(key));
    }

    /// The next records to mark, and the key to go on behind. A job by keys goes through its keys, whether there are
    /// such records or not.
    pub(super) fn next_batch(
        &self,
        model: Model,
        selection: &Selection,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> (Vec<RecordKey>, Option<RecordKey>) {
        let matching = |selection: &Selection| -> Vec<RecordKey> {
            self.matching(model, selection).into_iter().map(|record| record.key).collect()
        };
        let mut ahead = match &selection.keys {
            Some(keys) => keys.clone(),
            None => matching(selection),
        };
        ahead.retain(|key| after.is_none_or(|after| key > after));
        ahead.sort_unstable();
        ahead.dedup();
        let scanned = self.last_scanned(model, selection, after, limit);
        ahead.retain(|key| scanned.as_ref().is_none_or(|last| key <= last));
        let more = ahead.len() > limit;
        ahead.truncate(limit);
        let next = ahead.last().filter(|_| more).cloned().or(scanned);
        if selection.keys.is_some() {
            ahead = matching(&Selection { keys: Some(ahead), ..selection.clone() });
        }
        (ahead, next)
    }
}
