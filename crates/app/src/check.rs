//! What changed in a folder since it was last looked at: `stocktake check`.
//!
//! The baseline is one file with a line for each file of the folder, in the byte order of the paths, which is the order
//! that the folder is listed in too. So both are compared in one pass with bounded memory, and the next baseline is written
//! in the same pass: what an interrupted run has written is taken up by the next, and a finished one replaces the old
//! baseline at once.
//!
//! ```text
//! baseline ────┐
//! listing ─────┼─> Merge ──> batches ──> reading and hashing threads ──> judged in order ─┬─> next baseline
//! interrupted ─┘                                                                          └─> Changes
//! ```

mod baseline;
mod changes;
mod compare;
mod error;
mod merge;

pub(crate) use baseline::{Place, Totals};
pub(crate) use changes::{Changes, Counts};
pub(crate) use compare::{Comparison, Outcome, ReadBefore};
