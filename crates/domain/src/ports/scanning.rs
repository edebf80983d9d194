//! What an answer may cost where no index finds what matches: a bound on the records that are looked at.

use std::num::NonZeroU32;

use crate::record_filter::RecordFilter;
use crate::selection::Selection;

/// What a record that is looked up by itself costs, in records that are read one after the other (ADR 23).
pub const SCATTERED: u32 = 4;

/// The most records that are looked at for one answer, whether they match or not, so that its cost has a bound whatever the
/// selection. There is no limit above [`ScanLimit::PAGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanLimit(NonZeroU32);

impl ScanLimit {
    /// The limit of an interactive page; ADR 23 has what looking at as many takes.
    pub const PAGE: Self = Self(NonZeroU32::MIN.saturating_add(99_999));

    /// This limit, or [`ScanLimit::PAGE`] if that is less.
    pub const fn new(records: NonZeroU32) -> Self {
        if records.get() < Self::PAGE.records() { Self(records) } else { Self::PAGE }
    }

    /// The number of records.
    pub const fn records(self) -> u32 {
        self.0.get()
    }

    /// How many records are looked at for a selection. Those that are found by a state, a kind of failure or a storage lie
    /// apart, and each costs as much as [`SCATTERED`] of those that follow each other in the order of the keys.
    pub fn records_for(self, selection: &Selection) -> u32 {
        let RecordFilter { kinds, storages, .. } = &selection.filter;
        let is_by_key = selection.state.is_none() && kinds.is_empty() && storages.len() != 1;
        if is_by_key { self.records() } else { (self.records() / SCATTERED).max(1) }
    }
}

/// How far matches are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountLimit {
    /// The most matches that are counted.
    pub matches: u64,
    /// The most records that are looked at for it.
    pub scanned: ScanLimit,
}

impl CountLimit {
    /// As many as [`ScanLimit::PAGE`] lets be found.
    pub const fn page(matches: u64) -> Self {
        Self { matches, scanned: ScanLimit::PAGE }
    }
}

/// How many records match, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The number of matches that were found.
    pub matches: u64,
    /// How far was counted.
    pub to: CountedTo,
}

/// How far matches were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedTo {
    /// To the end: no more match.
    End,
    /// To [`CountLimit::matches`]: more may match.
    MatchLimit,
    /// Over the first [`CountLimit::scanned`] records: more may match.
    ScanLimit,
}
