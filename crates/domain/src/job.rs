//! Bulk jobs: marking all records of a selection for recalculation, in the background.

use crate::model::Model;
use crate::named::named;
use crate::record_filter::RecordFilter;
use crate::selection::{Selection, State};
use crate::time::Timestamp;

/// A bulk job's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

named! {
    /// How far a bulk job is.
    pub enum JobState {
        /// Not begun.
        Queued = "queued",
        /// Under way.
        Running = "running",
        /// All records of the selection were marked: those of a whole model by one mark, any others batch by batch.
        Finished = "finished",
        /// Cancelled; what was marked before stays marked.
        Cancelled = "cancelled",
    }
    /// The name in answers.
    fn name;
}

impl JobState {
    /// Whether nothing more will happen to the job.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

/// A bulk job to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The model whose records are meant.
    pub model: Model,
    /// Which of them. The state is looked at when the job comes to the record.
    pub selection: Selection,
    /// Who asked: the token's owner, or the command.
    pub requested_by: String,
}

/// Which records a bulk job is about, without their keys, of which there may be a hundred thousand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobScope {
    /// Only records in this state.
    pub state: Option<State>,
    /// Only records that were named by so many keys.
    pub key_count: Option<u64>,
    /// Only records with this in common.
    pub filter: RecordFilter,
}

impl From<&Selection> for JobScope {
    fn from(selection: &Selection) -> Self {
        let key_count = selection.keys.as_ref().map(|keys| u64::try_from(keys.len()).unwrap_or(u64::MAX));
        Self { state: selection.state, key_count, filter: selection.filter.clone() }
    }
}

/// A bulk job with its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The number.
    pub id: JobId,
    /// The model whose records are meant.
    pub model: Model,
    /// Which of them.
    pub scope: JobScope,
    /// Who asked.
    pub requested_by: String,
    /// How far it is.
    pub state: JobState,
    /// Records marked so far; of a job about a whole model, all that were not switched off.
    pub marked: u64,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When its first records were marked.
    pub started_at: Option<Timestamp>,
    /// When it was finished or cancelled.
    pub finished_at: Option<Timestamp>,
}

impl Job {
    /// The job of this number as it is when it is enqueued.
    pub fn enqueued(id: JobId, job: &NewJob, now: Timestamp) -> Self {
        Self {
            id,
            model: job.model,
            scope: JobScope::from(&job.selection),
            requested_by: job.requested_by.clone(),
            state: JobState::Queued,
            marked: 0,
            created_at: now,
            started_at: None,
            finished_at: None,
        }
    }
}
