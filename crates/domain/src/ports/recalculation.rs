//! Recalculation: of one record while somebody waits for it, and of many by bulk jobs.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::job::{Job, JobId, NewJob};
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;

/// A record after a recalculation was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalculated {
    /// The record as it now is.
    pub record: Record,
    /// Whether the calculation ended; if not, it goes on in the background.
    pub finished: bool,
}

/// The recalculation of one record while somebody waits for it.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Recalculation: Send + Sync {
    /// Recalculates the record now and waits for the result, at the longest for `patience`. `None` if there
    /// is no such record. A caller that stops waiting does not stop the calculation.
    async fn recalculate_now(
        &self,
        model: Model,
        key: &RecordKey,
        patience: Duration,
    ) -> Result<Option<Recalculated>, StoreError>;
}

/// Bulk jobs, kept as rows so that they survive a restart. The keys that a job is about are read only where it is advanced, so
/// that looking at jobs takes no memory for them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Keeps a new job, whatever the number of records it is about, and wakes whoever advances jobs. If a job of the same
    /// model and filter has not begun, nothing is kept and that one is returned, since it does the same; of two that are
    /// asked for at the same moment, both may be kept.
    async fn enqueue(&self, job: &NewJob) -> Result<Job, StoreError>;

    /// The newest jobs before `before` (exclusive; all, if `None`), newest first, at most `limit`.
    async fn list(&self, before: Option<JobId>, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// The jobs that are not over, oldest first.
    async fn open(&self) -> Result<Vec<Job>, StoreError>;

    /// How many jobs are not over.
    async fn count_open(&self) -> Result<u64, StoreError>;

    /// One job.
    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Cancels a job that is not over; one that is over stays as it is. Returns the job as it then is; `None` if there is
    /// none. What was marked stays marked.
    async fn cancel(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Takes the oldest open job that nobody else is advancing a step further, and keeps its progress, in one transaction.
    /// Wakes waiting workers. `None` if there is no such job.
    ///
    /// A job about a whole model ([`crate::Selection::is_all`]) makes one *mark* on the model in its first step, however many records
    /// there are: from then on, all that succeeded are pending for everybody ([`crate::Verification::expire`]), so that no attempt
    /// is counted, and so is what leases hold. What failed becomes pending in the same way, several thousand records in each step, and
    /// what is pending stays so; with the last failed record the job is finished. The mark comes at a time that is later than the claim
    /// of every lease of the model, and results of leases that were claimed before are void. A marked record is due then. A job that
    /// begins after one with a larger number has made its mark makes none.
    ///
    /// Of any other job the next `limit` records at most are recalculated ([`crate::Verification::recalculate`]); the last
    /// batch finishes it. The batches follow the keys, so that each record is marked once at most, and whether it matches is
    /// decided when the job comes to it. A job by keys goes through `limit` of its keys at a time, whether there are such
    /// records or not. A job about as many records as `limit`, or none, ends in one step. What is switched off is passed over
    /// unless it is meant ([`crate::Selection::recalculates_disabled`]).
    async fn advance(&self, limit: u32) -> Result<Option<Job>, StoreError>;
}
