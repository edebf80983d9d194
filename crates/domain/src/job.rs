//! Bulk jobs: marking all records of a selection for recalculation, in the background.

use crate::model::Model;
use crate::named::named;
use crate::selection::Selection;
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
        /// All records of the selection were marked.
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

/// A bulk job with its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The number.
    pub id: JobId,
    /// What was asked.
    pub request: NewJob,
    /// How far it is.
    pub state: JobState,
    /// Records marked so far.
    pub marked: u64,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When its first batch was marked.
    pub started_at: Option<Timestamp>,
    /// When it was finished or cancelled.
    pub finished_at: Option<Timestamp>,
}
