//! What a look at objects one by one leaves open.

use crate::id::ObjectId;

/// The most missing objects that are remembered.
const MAX_DOUBTS: usize = 100_000;

/// What is not as it should be, unless nothing reaches it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Doubts {
    /// Objects that were not found.
    pub(crate) missing: Vec<ObjectId>,
    /// Whether there are more of them, or an object has another type than one that names it says.
    pub(crate) more: bool,
    /// The first commit that a commit graph names and that was not found, and the graph.
    pub(crate) graph: Option<(ObjectId, Vec<u8>)>,
}

impl Doubts {
    pub(crate) fn add(&mut self, other: &Self) {
        other.missing.iter().for_each(|id| self.add_missing(id));
        self.more |= other.more;
        self.graph = self.graph.take().or_else(|| other.graph.clone());
    }

    pub(crate) fn add_missing(&mut self, id: &ObjectId) {
        if self.missing.len() < MAX_DOUBTS {
            self.missing.push(*id);
        } else {
            self.more = true;
        }
    }
}
