//! Pages of lists, in whatever order.

use crate::record::Record;

/// The direction in which a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// A page of a list. `records` are in the list's order, also for [`PageStart::Before`](super::PageStart::Before).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Whether matching records come after the page.
    pub has_next: bool,
    /// Whether matching records come before the page.
    pub has_previous: bool,
}
