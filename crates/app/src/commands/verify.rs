//! `stocktake verify`: everything that is due, or a selection, in the foreground.

mod coverage;
mod dry_run;
mod limits;
mod queue;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stocktake_diesel_storage::Store;
use stocktake_domain::Timestamp;
use stocktake_worker::{Drained, Engine, Storages};
use tokio_util::sync::CancellationToken;

use crate::args::VerifyArguments;
use crate::lifecycle::interrupted;
use crate::progress::Meter;
use crate::quantities::{count, counted};
use crate::settings::{Loaded, Settings};
use crate::wiring::NoCatalogue;
use crate::{output, wiring};

use super::foreground::Foreground;
use coverage::{NOTHING, Scope};
use limits::Limits;
use report::Report;

/// The exit status when some records failed.
const SOME_FAILED: u8 = 1;

/// The exit status when none failed, but some could not be judged.
const NOT_JUDGED: u8 = 2;

/// How long an interrupted verification may take to say how it stands.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The most due records counted to tell the time left.
const MOST_COUNTED: u64 = 10_000_000;

/// Runs the command.
pub(super) async fn run(
    loaded: &Loaded,
    arguments: &VerifyArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    arguments.check()?;
    let meter = Arc::new(Meter::start("records", None));
    let Some(opened) = stop.run_until_cancelled(open(settings, arguments)).await else {
        return Ok(interrupted("; nothing was asked for yet"));
    };
    let (store, scope) = opened?;
    let storages = wiring::storages(settings)?;
    let engine = engine(settings, arguments, &store, &storages);
    if arguments.dry_run {
        meter.finish();
        let told = dry_run::run(settings, &store, &engine, &storages, &scope, arguments.json);
        let told = stop.run_until_cancelled(told).await;
        return told.unwrap_or_else(|| Ok(interrupted("; nothing was changed")));
    }
    let scheduler = wiring::scheduler(settings, &store);
    let asked = store.clock.now();
    let prepare = queue::prepare(settings, &store, &scheduler, &scope);
    let Some(prepared) = stop.run_until_cancelled(prepare).await else {
        return Ok(interrupted(
            " before anything was read; what is due by now stays due, and stocktake verify reads it",
        ));
    };
    prepared?;
    let due_from = scope.selection.is_some().then_some(asked);
    let counting = || scope.outstanding(&*store.queue, due_from, MOST_COUNTED);
    let total = engine.outlive("counting what is due", |error| Some(error), counting).await?;
    meter.set_totals(Some(total), None);
    let limits = Arc::new(Limits::new(Arc::clone(&meter), arguments, &stop));
    let foreground = Foreground {
        loaded,
        queue: &*store.queue,
        engine: &engine,
        models: &scope.models,
        due_from,
        meter: &meter,
    };
    let drained = tokio::select! {
        drained = foreground.drain(limits.clone(), limits.stop.clone()) => drained,
        never = limits.time_out() => match never {},
    };
    meter.finish();
    let mut drained = drained?;
    if total == 0 {
        let storages = scope.storages_with_records(&*store.catalogue).await?;
        let storages = storages.into_iter().collect::<Vec<_>>();
        drained.closed.extend(engine.unreadable(Some(&storages)).await?);
    }
    let reason = limits.reason().or(stop.is_cancelled().then_some("Interrupted"));
    let done = format!("{} of {}", count(drained.stats.records()), counted(total, "record"));
    let run = Run { loaded, arguments, store: &store, scope: &scope, storages: &storages, asked };
    let tell = || run.tell(drained.clone(), meter.elapsed(), due_from, reason);
    let tell = engine.outlive("telling what was found", |error: &anyhow::Error| error.downcast_ref(), tell);
    if stop.is_cancelled() { last_words(tell, &done).await } else { tell.await }
}

/// Whoever interrupts it wants to know how it stands, and does not wait for that.
async fn last_words(
    tell: impl Future<Output = anyhow::Result<ExitCode>>,
    done: &str,
) -> anyhow::Result<ExitCode> {
    if let Ok(told) = tokio::time::timeout(LAST_WORDS, tell).await {
        told?;
    }
    Ok(interrupted(&format!(
        " after {done}; what was not finished is still due, and stocktake verify goes on with it"
    )))
}

/// The store, and what of it is meant, which is not nothing.
async fn open(settings: &Settings, arguments: &VerifyArguments) -> anyhow::Result<(Store, Scope)> {
    let store = if arguments.dry_run {
        wiring::open_to_read(settings).await
    } else {
        wiring::open_store(settings).await
    };
    let store = store.map_err(nothing_without_catalogue)?;
    let scope = Scope::new(settings, arguments, store.clock.now());
    scope.require_records(settings, &store).await?;
    Ok((store, scope))
}

fn engine(
    settings: &Settings,
    arguments: &VerifyArguments,
    store: &Store,
    storages: &Arc<Storages>,
) -> Arc<Engine> {
    let mut how = wiring::engine_settings(settings);
    how.believe_missing = arguments.believe_missing;
    how.deep = arguments.deep;
    wiring::engine_with(store, Arc::clone(storages), how)
}

/// A verification that has ended.
struct Run<'a> {
    loaded: &'a Loaded,
    arguments: &'a VerifyArguments,
    store: &'a Store,
    scope: &'a Scope,
    storages: &'a Storages,
    /// When it began.
    asked: Timestamp,
}

impl Run<'_> {
    /// Prints the report; the exit status to end with.
    async fn tell(
        &self,
        drained: Drained,
        took: Duration,
        due_from: Option<Timestamp>,
        reason: Option<&str>,
    ) -> anyhow::Result<ExitCode> {
        let left = self.scope.outstanding(&*self.store.queue, due_from, MOST_COUNTED).await?;
        let mut report = self.report(drained).await?;
        report.set_end(took, left, reason);
        output::print(&if self.arguments.json {
            report.json()
        } else {
            report.text(&*self.store.catalogue, self.storages).await?
        })?;
        Ok(status(&report))
    }

    async fn report(&self, drained: Drained) -> anyhow::Result<Report<'_>> {
        let Self { loaded, arguments, store, asked, .. } = *self;
        let models = &self.scope.models;
        let keys = arguments.identifiers.clone().filter(|keys| !keys.is_empty());
        let mut summary = store.catalogue.summary().await?;
        summary.retain(|summary| models.contains(&summary.model));
        let since = arguments.is_narrow().then_some(asked);
        let mut report = Report::new(loaded, drained, summary, since, store.clock.now());
        let old_before = arguments.filters.filter(asked).before;
        report.set_old_before(old_before.filter(|_| arguments.sample.is_none()));
        for model in models {
            report.add_failed(&*store.catalogue, *model, keys.as_ref()).await?;
        }
        Ok(report)
    }
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
