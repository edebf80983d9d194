//! The counts that are kept of the records: who reads them, and who brings them up to date.
//!
//! Nobody who writes records has to think of them. On PostgreSQL triggers add what a statement changes to
//! `record_count_changes`, which [`crate::session::Session::fold_counts`] moves into `record_counts` and `success_slots` now and then; on SQLite see
//! `sqlite/counts.rs`. Either way it happens in the transaction that writes the records.

/// A time of this many bits, in milliseconds, is one slot of successes.
const SLOT_BITS: u32 = 16;

/// The slot of a success at this time, in milliseconds since 1970. Slots are so long that there are few of them, and the oldest
/// success is known to one of them.
pub(crate) const fn slot_of(millis: i64) -> i64 {
    millis >> SLOT_BITS
}

/// Sizes are summed in units of so many bits, and the bytes beside: the sums do not overflow.
pub(crate) const MEBIBYTE_BITS: u32 = 20;
