//! `stocktake verify`: everything that is due, or a selection, in the foreground.

mod coverage;
mod queue;
mod report;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use stocktake_diesel_storage::Store;
use stocktake_domain::{Model, Selection, Timestamp};
use stocktake_worker::{Drained, Progress};
use tokio_util::sync::CancellationToken;

use crate::args::VerifyArguments;
use crate::lifecycle::interrupted;
use crate::progress::Meter;
use crate::quantities::{count, counted};
use crate::settings::Loaded;
use crate::wiring::NoCatalogue;
use crate::{output, wiring};

use coverage::{NOTHING, Scope};
use report::Report;

/// The exit status when some records failed.
const SOME_FAILED: u8 = 1;

/// The exit status when none failed, but some could not be judged.
const NOT_JUDGED: u8 = 2;

/// The most due records counted to tell the time left.
const MOST_COUNTED: u64 = 10_000_000;

/// Runs the command.
pub(super) async fn run(
    loaded: &Loaded,
    arguments: &VerifyArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    let selection = selection(arguments)?;
    let scope = Scope {
        models: models(arguments),
        storages: settings.worker.storages.clone(),
        selection: selection.clone().unwrap_or_default(),
    };
    let meter = Arc::new(Meter::start("records", None));
    let open = async {
        let store = wiring::open_store(settings).await.map_err(nothing_without_catalogue)?;
        scope.require_records(settings, &store).await?;
        anyhow::Ok(store)
    };
    let Some(store) = stop.run_until_cancelled(open).await else {
        return Ok(interrupted("; nothing was asked for yet"));
    };
    let store = store?;
    let mut how = wiring::engine_settings(settings);
    how.believe_missing = arguments.believe_missing;
    how.deep = arguments.deep;
    let engine = wiring::engine_with(&store, wiring::storages(settings)?, how);
    let scheduler = wiring::scheduler(settings, &store);
    let asked = store.clock.now();
    let prepare = queue::prepare(settings, &store, &scheduler, &scope.models, selection.as_ref());
    let Some(prepared) = stop.run_until_cancelled(prepare).await else {
        queue::cancel(&store, asked).await?;
        return Ok(interrupted(
            " before anything was read; what is due by now stays due, and stocktake verify reads it",
        ));
    };
    prepared?;
    let due_from = selection.is_some().then_some(asked);
    let total = scope.outstanding(&*store.queue, due_from, MOST_COUNTED).await?;
    meter.set_totals(Some(total), None);
    let progress: Arc<dyn Progress> = meter.clone();
    let drained = tokio::select! {
        drained = engine.drain(&scope.models, due_from, progress, stop.clone()) => drained,
        never = queue::keep_reaping(settings, &*store.queue) => match never {},
    };
    meter.finish();
    let drained = drained?;
    if stop.is_cancelled() {
        let (done, total) = (count(drained.stats.records()), counted(total, "record"));
        return Ok(interrupted(&format!(
            " after {done} of {total}; what was not finished is still due, and stocktake verify goes on with it"
        )));
    }
    let left = scope.outstanding(&*store.queue, due_from, MOST_COUNTED).await?;
    let mut report = report(loaded, &store, arguments, &scope.models, asked, drained).await?;
    report.set_end(meter.elapsed(), left);
    output::print(&if arguments.json { report.json() } else { report.text(&*store.catalogue).await? })?;
    Ok(status(&report))
}

fn status(report: &Report) -> ExitCode {
    if report.has_failed() {
        ExitCode::from(SOME_FAILED)
    } else if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_JUDGED)
    }
}

/// Says of a catalogue that is not there what that means here.
fn nothing_without_catalogue(error: anyhow::Error) -> anyhow::Error {
    if error.is::<NoCatalogue>() { error.context(NOTHING) } else { error }
}

fn models(arguments: &VerifyArguments) -> Vec<Model> {
    Model::ALL
        .into_iter()
        .filter(|model| arguments.models.is_empty() || arguments.models.contains(model))
        .collect()
}

/// What is to be recalculated; `None`: what is due.
fn selection(arguments: &VerifyArguments) -> anyhow::Result<Option<Selection>> {
    let keys = arguments.identifiers.clone().filter(|keys| !keys.is_empty());
    if keys.is_some() && arguments.models.len() != 1 {
        bail!("--identifiers needs exactly one model");
    }
    let is_wanted = arguments.all || keys.is_some() || arguments.state.is_some();
    Ok(is_wanted.then_some(Selection { state: arguments.state, keys }))
}

async fn report<'a>(
    loaded: &'a Loaded,
    store: &Store,
    arguments: &VerifyArguments,
    models: &[Model],
    asked: Timestamp,
    drained: Drained,
) -> anyhow::Result<Report<'a>> {
    let is_narrow = arguments.identifiers.is_some() || arguments.state.is_some();
    let keys = arguments.identifiers.clone().filter(|keys| !keys.is_empty());
    let mut summary = store.catalogue.summary().await?;
    summary.retain(|summary| models.contains(&summary.model));
    let since = is_narrow.then_some(asked);
    let mut report = Report::new(loaded, drained, summary, since, store.clock.now());
    for model in models {
        report.add_failed(&*store.catalogue, *model, keys.as_ref()).await?;
    }
    Ok(report)
}
