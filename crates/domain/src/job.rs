//! Bulk jobs: marking all records of a selection for recalculation, in the background.

use crate::model::Model;
use crate::selection::Selection;
use crate::time::Timestamp;

/// A bulk job's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// How far a bulk job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Not begun.
    Queued,
    /// Under way.
    Running,
    /// All records of the selection were marked.
    Finished,
    /// Cancelled; what was marked before stays marked.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Finished, Self::Cancelled];

    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

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
