//! Pages of lists, in whatever order.

use super::scanning::ScanLimit;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;
use crate::selection::Selection;

/// So many records are looked at for each one on a page before more are, and no more on the other side of where it begins:
/// what matches is dense as a rule.
const LOOKED_AT_FIRST: u32 = 20;

/// The direction in which a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// After this many matching records. Its cost grows with the number.
    Offset(u64),
    /// At the beginning of the list. Its cost and that of the next two do not depend on the list's length.
    First,
    /// Right after this key in the list's order. The key need not exist.
    After(RecordKey),
    /// Right before this key in the list's order: the page ends next to it. The key need not exist.
    Before(RecordKey),
}

/// What page of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The model.
    pub model: Model,
    /// Which of its records.
    pub selection: Selection,
    /// The list's order.
    pub order: SortOrder,
    /// Where the page begins.
    pub start: PageStart,
    /// The most records on the page, at least 1.
    pub limit: u32,
    /// What limits the records that are looked at for it, see [`PageRequest::scanned_ahead`].
    pub scan_at_most: ScanLimit,
}

impl PageRequest {
    /// A page of the list by ascending key, for which no more records are looked at than [`ScanLimit::PAGE`].
    pub const fn by_key(model: Model, selection: Selection, start: PageStart, limit: u32) -> Self {
        Self { model, selection, order: SortOrder::Ascending, start, limit, scan_at_most: ScanLimit::PAGE }
    }

    /// How many records are looked at ahead of where the page begins, at most: those that an offset passes over, and so many
    /// behind them.
    pub fn scanned_ahead(&self) -> u64 {
        u64::from(self.scan_at_most.records_for(&self.selection)).saturating_add(self.offset())
    }

    /// How many are enough as a rule, and are looked at on the other side at most.
    pub fn scanned_first(&self) -> u64 {
        let first = u64::from(LOOKED_AT_FIRST).saturating_mul(self.limit.into());
        first.saturating_add(self.offset()).min(self.scanned_ahead())
    }

    fn offset(&self) -> u64 {
        match self.start {
            PageStart::Offset(offset) => offset,
            PageStart::First | PageStart::After(_) | PageStart::Before(_) => 0,
        }
    }
}

/// What lies beyond one end of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Beyond {
    /// No matching record.
    #[default]
    Nothing,
    /// Matching records.
    Matches,
    /// Nobody knows: the most records were looked at, up to and including the one with this key.
    NotSearched(RecordKey),
}

/// A page of a list. `records` are in the list's order, also for [`PageStart::Before`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// What comes after the page.
    pub next: Beyond,
    /// What comes before the page.
    pub previous: Beyond,
}

impl Page {
    /// Where the next page of a list by key begins, if there is one or may be one. A page without records may have a next one.
    pub fn after(&self) -> Option<PageStart> {
        edge(&self.next, self.records.last()).map(PageStart::After)
    }

    /// Where the previous page of a list by key ends, if there is one or may be one.
    pub fn before(&self) -> Option<PageStart> {
        edge(&self.previous, self.records.first()).map(PageStart::Before)
    }
}

fn edge(beyond: &Beyond, outermost: Option<&Record>) -> Option<RecordKey> {
    match beyond {
        Beyond::Nothing => None,
        Beyond::Matches => outermost.map(|record| record.key.clone()),
        Beyond::NotSearched(key) => Some(key.clone()),
    }
}
