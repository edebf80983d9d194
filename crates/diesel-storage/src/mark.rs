//! A mark on a model, as it is kept: see [`crate::marks`].

/// The mark on a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// That of the job which made it. Later marks have larger ones.
    pub(crate) number: i64,
    /// Since when what is marked is due, in milliseconds since 1970: later than any lease of the model was claimed before.
    pub(crate) came_at: i64,
}

impl Mark {
    /// The number that a result of a lease answers which was claimed at this time; 0 if there is no mark, or none that came before.
    pub(crate) fn answered_by(this: Option<Self>, claimed_at: i64) -> i64 {
        this.filter(|mark| mark.came_at <= claimed_at).map_or(0, |mark| mark.number)
    }

    /// Whether what it marks is due from this time on to the other one, both included.
    pub(crate) fn is_due_between(self, from: i64, to: i64) -> bool {
        (from..=to).contains(&self.came_at)
    }
}
