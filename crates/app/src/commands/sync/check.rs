//! `stocktake sync --check`: what would be read from where, without reading it.

use std::process::ExitCode;

use serde_json::{Value, json};
use stocktake_domain::ports::{ModelCheck, Readable, SourceCheck};

use super::NOT_ALL;
use crate::output::Text;
use crate::quantities::counted;
use crate::settings::Settings;
use crate::{document, output, wiring};

/// Checks the configured GitLab, and prints the result.
pub(super) async fn run(settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = wiring::source(settings)?.check().await?;
    output::print(&if as_json { json(&found) } else { text(&found) })?;
    Ok(if is_good(&found) { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// Whether all that GitLab has can be read, and is understood.
fn is_good(found: &SourceCheck) -> bool {
    let SourceCheck { models, not_understood, missing_rights } = found;
    not_understood.is_empty() && missing_rights.is_empty() && models.iter().all(is_known)
}

/// Whether the rows of a model can be read, if there are any, and all places of its content are known.
fn is_known(model: &ModelCheck) -> bool {
    match model.readable {
        Readable::Yes { .. } => model.unknown.is_empty(),
        Readable::Absent(_) => true,
        Readable::No(_) => false,
    }
}

/// What is wrong with a model: sentences.
fn problems(model: &ModelCheck) -> Vec<&str> {
    match &model.readable {
        Readable::Yes { .. } => model.unknown.iter().map(String::as_str).collect(),
        Readable::Absent(_) => Vec::new(),
        Readable::No(why) => vec![why.as_str()],
    }
}

fn absent(model: &ModelCheck) -> Option<&str> {
    match &model.readable {
        Readable::Absent(why) => Some(why.as_str()),
        Readable::Yes { .. } | Readable::No(_) => None,
    }
}

/// The result for people.
fn text(found: &SourceCheck) -> Text {
    let mut rows = vec![["model", "rows from", "content in"].map(str::to_owned).to_vec()];
    let dash = || "-".to_owned();
    rows.extend(found.models.iter().map(|model| {
        let storages = if model.storages.is_empty() { dash() } else { model.storages.join(", ") };
        vec![model.model.name().to_owned(), model.rows.clone().unwrap_or_else(dash), storages]
    }));
    let mut text = Text::table(&rows, 3);
    for model in &found.models {
        if let Some(reason) = absent(model) {
            text.line(format!("{} is not there: {reason}", model.model));
        }
        for problem in problems(model) {
            text.line(format!("{}: {problem}", model.model));
        }
    }
    for table in &found.not_understood {
        text.line(format!("{table} records files, and no rule knows whose they are"));
    }
    for column in &found.missing_rights {
        text.line(format!("{column} may not be read; grant the rights: stocktake grants ROLE"));
    }
    text.line("");
    text.line(verdict(found));
    text
}

/// Whether a sync would read everything.
fn verdict(found: &SourceCheck) -> String {
    if is_good(found) {
        let readable = found.models.iter().filter(|model| model.rows.is_some()).count();
        let readable = counted(u64::try_from(readable).unwrap_or(u64::MAX), "model");
        return format!("All is understood: {readable} can be read. Read them: stocktake sync");
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let SourceCheck { models, not_understood, missing_rights } = found;
    let models = models.iter().filter(|model| !is_known(model)).count();
    let [models, tables, rights] =
        [(models, "model"), (not_understood.len(), "table"), (missing_rights.len(), "right")]
            .map(|(number, thing)| counted(count(number), thing));
    format!("Not all can be read: {models} with a problem, {tables} not understood, {rights} missing.")
}

/// The result for programs.
fn json(found: &SourceCheck) -> Text {
    let models: Vec<Value> = found.models.iter().map(model).collect();
    document::text(json!({
        "models": models,
        "not_understood": found.not_understood,
        "missing_rights": found.missing_rights,
        "verdict": verdict(found),
    }))
}

fn model(found: &ModelCheck) -> Value {
    json!({
        "model_name": found.model.name(),
        "rows": found.rows,
        "storages": found.storages,
        "absent": absent(found),
        "problems": problems(found),
    })
}
