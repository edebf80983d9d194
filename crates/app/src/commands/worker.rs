//! `stocktake worker`: the checksum worker alone.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::lifecycle::Tasks;
use crate::settings::Settings;
use crate::wiring;

/// Runs the command until a signal.
pub(super) async fn run(settings: &Settings, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let store = wiring::wait_for_store(&wiring::store_settings(settings), &stop).await?;
    let Some(store) = store else { return Ok(ExitCode::SUCCESS) };
    let engine = wiring::engine(settings, &store, wiring::storages(settings)?);
    let scheduler = wiring::scheduler(settings, &store);
    let mut tasks = Tasks::new(stop.clone());
    let token = stop.clone();
    tasks.spawn("scheduler", async move {
        scheduler.run(token).await;
        Ok(())
    });
    tasks.spawn("worker", async move {
        engine.run(stop).await;
        Ok(())
    });
    tracing::info!("working");
    Ok(tasks.finish().await)
}
