//! Bulk jobs, kept as rows so that they survive a restart.

use async_trait::async_trait;

use super::StoreError;
use crate::job::{Job, JobId, NewJob};
use crate::time::Timestamp;

/// Bulk jobs, kept as rows so that they survive a restart.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Keeps a new job, whatever the number of records it is about, and wakes whoever advances jobs.
    async fn enqueue(&self, job: &NewJob, now: Timestamp) -> Result<Job, StoreError>;

    /// The newest jobs before `before` (all, if `None`), newest first.
    async fn list(&self, before: Option<JobId>, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// The jobs that are not over, oldest first.
    async fn open(&self) -> Result<Vec<Job>, StoreError>;

    /// One job.
    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Cancels a job that is not over; one that is over stays as it is. `None` if there is none.
    async fn cancel(&self, id: JobId, now: Timestamp) -> Result<Option<Job>, StoreError>;

    /// Recalculates the next `limit` records at most of the oldest open job that nobody else is advancing,
    /// and keeps its progress, in one transaction; the last batch finishes the job. Wakes waiting workers.
    /// `None` if there is no such job.
    async fn advance(&self, limit: u32, now: Timestamp) -> Result<Option<Job>, StoreError>;
}
