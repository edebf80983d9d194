//! Asking for records to be read again, however many they are.

use stocktake_domain::ports::{Queue, StoreError};
use stocktake_domain::{Model, Selection, State};

/// The states of records that are read at all. Pending comes first: what is marked in another state becomes pending.
const SWITCHED_ON: [State; 4] = [State::Pending, State::Started, State::Succeeded, State::Failed];

/// Records looked at in one step.
const STEP: u32 = 10_000;

/// Marks the selected records of a model for recalculation; with a `share`, so many of a million of them. Those that are
/// switched off are marked only if their state is selected: to name a record is not to switch it on.
pub(crate) async fn mark(
    queue: &dyn Queue,
    model: Model,
    selection: &Selection,
    share: Option<u32>,
) -> Result<(), StoreError> {
    if selection.state.is_some() || !selection.recalculates_disabled() {
        return mark_all(queue, model, selection, share).await;
    }
    for state in SWITCHED_ON {
        mark_all(queue, model, &Selection { state: Some(state), ..selection.clone() }, share).await?;
    }
    Ok(())
}

async fn mark_all(
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
