//! Bringing the queue up to date, so that all that is due or was asked for is in it.

use stocktake_diesel_storage::Store;
use stocktake_domain::Model;
use stocktake_domain::ports::{Queue, StoreError};
use stocktake_worker::Scheduler;

use super::coverage::Scope;
use crate::recalculation;
use crate::settings::Settings;

/// Records made due, or looked at for their age, in one step.
const STEP: u32 = 10_000;

/// Marks the selection (or, without one, what has become due by now) and ends bulk jobs under way. What was marked stays due
/// if it is interrupted.
pub(super) async fn prepare(
    settings: &Settings,
    store: &Store,
    scheduler: &Scheduler,
    scope: &Scope,
) -> anyhow::Result<()> {
    store.queue.reap(settings.verification.lease).await?;
    scheduler.run_jobs().await?;
    match &scope.selection {
        Some(selection) => {
            for model in &scope.models {
                recalculation::mark(&*store.queue, *model, selection, scope.sample).await?;
            }
        }
        None => make_due(settings, &*store.queue, &scope.models).await?,
    }
    Ok(())
}

async fn make_due(settings: &Settings, queue: &dyn Queue, models: &[Model]) -> Result<(), StoreError> {
    while queue.retry_failed(models, STEP).await? > 0 {}
    let age = settings.verification.reverify_after;
    for model in models {
        let mut after = None;
        loop {
            let (next, _) = queue.expire_succeeded(*model, after, age, STEP).await?;
            if next.is_none() {
                break;
            }
            after = next;
        }
    }
    Ok(())
}
