//! Asking for records to be read again, however many they are.

use stocktake_domain::ports::{Queue, StoreError};
use stocktake_domain::{Model, Selection};

/// Records looked at in one step.
const STEP: u32 = 10_000;

/// Marks the selected records of a model for recalculation; with a `share`, so many of a million of them.
pub(crate) async fn mark(
    queue: &dyn Queue,
    model: Model,
    selection: &Selection,
    share: Option<u32>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let (next, _) = queue.recalculate_next(model, selection, share, after.take(), STEP).await?;
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}
