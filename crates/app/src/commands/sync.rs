//! `stocktake sync`: the catalogue in line with the configured GitLab, at once.

mod check;

use std::process::ExitCode;

use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_source_sync::{ModelReport, SyncReport};
use tokio_util::sync::CancellationToken;

use crate::args::SyncArguments;
use crate::lifecycle::interrupted;
use crate::output::Text;
use crate::progress::ModelMeters;
use crate::quantities::{count, counted};
use crate::settings::Settings;
use crate::{document, output, wiring};

/// The exit status when a model could not be read, or kept records without a row.
const NOT_ALL: u8 = 1;

/// Runs the command.
pub(super) async fn run(
    settings: &Settings,
    arguments: &SyncArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    if arguments.check {
        let check = check::run(settings, arguments.json);
        return stop.run_until_cancelled(check).await.unwrap_or_else(|| Ok(interrupted("")));
    }
    let store = wiring::open_or_make_store(settings).await?;
    let report = once(settings, &store, arguments, stop).await?;
    if report.stopped {
        return Ok(interrupted("; the next run goes on from here"));
    }
    output::print(&if arguments.json { json(&report) } else { text(&report) })?;
    let all = report.models.iter().all(|model| model.problem.is_none() && model.kept == 0);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// Brings the records of the models in line.
pub(super) async fn once(
    settings: &Settings,
    store: &Store,
    arguments: &SyncArguments,
    stop: CancellationToken,
) -> anyhow::Result<SyncReport> {
    let sync = wiring::sync(settings, store, wiring::source(settings)?)?;
    let meters = ModelMeters::start();
    Ok(sync.once(&arguments.models, arguments.accept_deletions, &meters, stop).await?)
}

/// The report for people.
fn text(report: &SyncReport) -> Text {
    let header = ["model", "rows", "added", "changed", "unchanged", "deleted", "kept"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.models.iter().map(|model| {
        let counts = [model.read, model.added, model.changed, model.unchanged, model.deleted, model.kept];
        let counts = counts.map(count);
        std::iter::once(model.model.name().to_owned()).chain(counts).collect()
    }));
    let mut text = Text::table(&rows, 1);
    for model in &report.models {
        if let Some(reason) = &model.absent {
            text.line("");
            text.line(format!("{} is not there: {reason}", model.model));
        }
        if let Some(problem) = &model.problem {
            text.line("");
            text.line(format!("{} could not be read: {problem}", model.model));
        }
        if model.kept > 0 {
            text.line("");
            text.line(format!(
                "{} records of {} are kept though no row is left of them, because they are too many at once; if \
                 they really are gone: stocktake sync {} --accept-deletions",
                count(model.kept),
                model.model,
                model.model,
            ));
        }
    }
    text.line("");
    text.line(verdict(report));
    text
}

/// Whether the catalogue is in line with the source.
fn verdict(report: &SyncReport) -> String {
    let sum = |of: fn(&ModelReport) -> u64| report.models.iter().map(of).sum::<u64>();
    let names = |is: fn(&ModelReport) -> bool| {
        let found = report.models.iter().filter(|model| is(model));
        found.map(|model| model.model.name()).collect::<Vec<_>>().join(", ")
    };
    let unread = names(|model| model.problem.is_some());
    let kept = sum(|model| model.kept);
    if !unread.is_empty() {
        format!("The catalogue is not in line with the GitLab: {unread} could not be read.")
    } else if kept > 0 {
        let models = names(|model| model.kept > 0);
        format!(
            "The catalogue is not in line with the GitLab: {} of {models} kept though no row is left of them.",
            counted(kept, "record"),
        )
    } else {
        format!(
            "The catalogue is in line with the GitLab: {} read, {} added, {} changed, {} deleted.",
            counted(sum(|model| model.read), "row"),
            count(sum(|model| model.added)),
            count(sum(|model| model.changed)),
            count(sum(|model| model.deleted)),
        )
    }
}

/// The report for programs.
fn json(report: &SyncReport) -> Text {
    let models: Vec<Value> = report.models.iter().map(model).collect();
    document::text(json!({ "models": models, "verdict": verdict(report) }))
}

fn model(report: &ModelReport) -> Value {
    json!({
        "model_name": report.model.name(),
        "rows": report.read,
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "kept": report.kept,
        "absent": report.absent,
        "problem": report.problem,
    })
}
