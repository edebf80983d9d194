//! Bringing the queue up to date, so that all that is due or was asked for is in it.

use std::convert::Infallible;

use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{Queue, StoreError};
use stocktake_domain::{Model, NewJob, Selection, Timestamp};
use stocktake_worker::Scheduler;

use crate::settings::Settings;

/// Who asked, in the list of bulk jobs.
const REQUESTED_BY: &str = "stocktake verify";

/// Records made due, or looked at for their age, in one step.
const STEP: u32 = 10_000;

/// Marks the selection (or, without one, what has become due by now) and ends bulk jobs under way.
pub(super) async fn prepare(
    settings: &Settings,
    store: &Store,
    scheduler: &Scheduler,
    models: &[Model],
    selection: Option<&Selection>,
) -> anyhow::Result<()> {
    store.queue.reap(settings.verification.lease).await?;
    match selection {
        Some(selection) => enqueue(store, models, selection).await?,
        None => make_due(settings, &*store.queue, models).await?,
    }
    scheduler.run_jobs().await?;
    Ok(())
}

/// Cancels the bulk jobs of this command that are not over, which it asked for at or after this time.
pub(super) async fn cancel(store: &Store, asked: Timestamp) -> Result<(), StoreError> {
    for job in store.jobs.open().await? {
        if job.request.requested_by == REQUESTED_BY && job.created_at >= asked {
            store.jobs.cancel(job.id).await?;
        }
    }
    Ok(())
}

async fn enqueue(store: &Store, models: &[Model], selection: &Selection) -> anyhow::Result<()> {
    for model in models {
        let job =
            NewJob { model: *model, selection: selection.clone(), requested_by: REQUESTED_BY.to_owned() };
        store.jobs.enqueue(&job).await?;
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

/// Frees what dead workers hold, again and again, so that a drain does not wait for it for ever.
pub(super) async fn keep_reaping(settings: &Settings, queue: &dyn Queue) -> Infallible {
    loop {
        tokio::time::sleep(settings.worker.poll).await;
        if let Err(error) = queue.reap(settings.verification.lease).await {
            tracing::warn!(error = error.to_string(), "leases that ran out cannot be ended now");
        }
    }
}
