//! Lists in another order than that of the keys.

use std::cmp::Ordering;
use std::num::NonZeroU32;

use super::page::{Page, SortOrder};
use super::scanning::ScanLimit;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;
use crate::selection::Selection;

/// What a list is sorted by. Most of these values change with each attempt, and no index is kept for them: what matches is
/// sorted when it is asked for, if it is no more than a [`SortLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    /// When the last attempt ended ([`crate::History::last_checksum_at`]).
    LastCheck,
    /// The size in bytes ([`Record::file_size`]).
    Size,
    /// When the record began to fail ([`crate::History::failing_since`]).
    FirstFailure,
}

impl SortField {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LastCheck, Self::Size, Self::FirstFailure];

    /// What the record is sorted by, in milliseconds or bytes; `None` if it has none.
    pub fn value(self, record: &Record) -> Option<i64> {
        match self {
            Self::LastCheck => record.history().last_checksum_at().map(crate::Timestamp::millis),
            Self::Size => record.file_size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
            Self::FirstFailure => record.history().failing_since().map(crate::Timestamp::millis),
        }
    }

    /// Where the record stands in a list that is sorted by this.
    pub fn position(self, record: &Record) -> SortPosition {
        SortPosition { value: self.value(record), key: record.key.clone() }
    }
}

/// A place in a sorted list. No record need be there: one that has moved or gone since leaves the place what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortPosition {
    /// What is sorted by, see [`SortField::value`].
    pub value: Option<i64>,
    /// The key, by which those of one value are sorted.
    pub key: RecordKey,
}

impl SortPosition {
    /// How two places of one list follow each other: by value and then by key, both in this order; and those without a value
    /// behind all others, whatever the order.
    pub fn compare(&self, other: &Self, order: SortOrder) -> Ordering {
        let directed = |ordering: Ordering| match order {
            SortOrder::Ascending => ordering,
            SortOrder::Descending => ordering.reverse(),
        };
        let lacks = self.value.is_none().cmp(&other.value.is_none());
        lacks.then_with(|| directed((self.value, &self.key).cmp(&(other.value, &other.key))))
    }
}

/// Where a page of a sorted list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortedStart {
    /// At the beginning of the list.
    First,
    /// Right after this place.
    After(SortPosition),
    /// Right before this place: the page ends next to it.
    Before(SortPosition),
}

/// The most records that are sorted for one page, so that its cost has a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortLimit(NonZeroU32);

impl SortLimit {
    /// The limit of an interactive page; ADR 22 has what sorting as many takes.
    pub const PAGE: Self = Self(NonZeroU32::MIN.saturating_add(99_999));

    /// Another limit.
    pub const fn new(records: NonZeroU32) -> Self {
        Self(records)
    }

    /// The number of records.
    pub const fn records(self) -> u32 {
        self.0.get()
    }
}

/// What page of a sorted list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedPageRequest {
    /// The model.
    pub model: Model,
    /// Which of its records.
    pub selection: Selection,
    /// What they are sorted by.
    pub field: SortField,
    /// In which order, see [`SortPosition::compare`].
    pub order: SortOrder,
    /// Where the page begins.
    pub start: SortedStart,
    /// The most records on the page, at least 1.
    pub limit: u32,
    /// How many records may match for them to be sorted.
    pub sorted_at_most: SortLimit,
    /// How many records may be looked at to find them.
    pub scan_at_most: ScanLimit,
}

/// A page of a sorted list, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortedPage {
    /// The page.
    Page(Page),
    /// More records match than the request lets be sorted.
    TooMany,
    /// More records would have to be looked at than the request lets, to know what matches.
    NotSearched,
}
