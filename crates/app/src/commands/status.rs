//! `stocktake status`: counts by model and state.

use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{Condition, ConditionSubject, FailureKind, State};

use crate::args::StatusArguments;
use crate::output::Text;
use crate::settings::Settings;
use crate::{output, wiring};

/// Runs the command.
pub(super) async fn run(settings: &Settings, arguments: &StatusArguments) -> anyhow::Result<()> {
    let store = wiring::open_store(settings).await?;
    let summary = store.catalogue.summary().await?;
    let conditions = store.conditions.conditions().await?;
    if arguments.json {
        let models: Vec<Value> = summary.iter().map(to_json).collect();
        let conditions: Vec<Value> = conditions.iter().map(condition_to_json).collect();
        return output::print(&Text::json(&json!({ "models": models, "conditions": conditions })));
    }
    if summary.is_empty() {
        output::print_line("no records; `stocktake import` or `stocktake scan` adds some")?;
    } else {
        output::print(&text(&summary))?;
    }
    for condition in &conditions {
        output::print_line(&condition_text(condition))?;
    }
    Ok(())
}

/// What keeps records from being judged, as `GET /api/v1/health` shows it.
fn condition_to_json(condition: &Condition) -> Value {
    let (kind, storage) = match &condition.subject {
        ConditionSubject::Storage(name) => ("storage", Some(name)),
        ConditionSubject::Process => ("process", None),
    };
    json!({
        "kind": kind,
        "storage": storage,
        "host": condition.host,
        "reason": condition.reason,
        "since": condition.since.to_string(),
        "reported_at": condition.reported_at.to_string(),
    })
}

fn condition_text(Condition { subject, host, reason, since, .. }: &Condition) -> String {
    match subject {
        ConditionSubject::Storage(name) => {
            format!("storage {name} cannot be read on {host} since {since}, its records wait: {reason}")
        }
        ConditionSubject::Process => format!("on {host} content cannot be read since {since}: {reason}"),
    }
}

/// One model's counts, as `GET /api/v1/summary` shows them.
pub(super) fn to_json(summary: &ModelSummary) -> Value {
    let states: Map<String, Value> =
        State::ALL.iter().map(|state| (state.name().to_owned(), count(summary, *state).into())).collect();
    let failures: Map<String, Value> = FailureKind::ALL
        .iter()
        .map(|kind| {
            let count = summary.failures.iter().find(|(name, _)| name == kind).map_or(0, |(_, count)| *count);
            (kind.name().to_owned(), count.into())
        })
        .collect();
    json!({
        "model_name": summary.model.name(),
        "model_class": summary.model.class(),
        "records": summary.states.iter().map(|(_, count)| count).sum::<u64>(),
        "states": states,
        "failures": failures,
        "bytes": summary.bytes,
        "metadata_only": summary.metadata_only,
        "mismatched": summary.mismatched,
        "oldest_success": summary.oldest_success.map(|time| time.to_string()),
    })
}

/// The records in this state.
pub(super) fn count(summary: &ModelSummary, state: State) -> u64 {
    summary.states.iter().find(|(name, _)| *name == state).map_or(0, |(_, count)| *count)
}

/// A table of all models.
pub(super) fn text(summary: &[ModelSummary]) -> Text {
    let states = State::ALL.iter().map(|state| state.name());
    let header = std::iter::once("model").chain(states).chain(["bytes", "oldest verification"]);
    let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
    rows.extend(summary.iter().map(|model| {
        let counts = State::ALL.iter().map(|state| count(model, *state).to_string());
        let oldest = model.oldest_success.map_or_else(|| "-".to_owned(), |time| time.to_string());
        std::iter::once(model.model.name().to_owned())
            .chain(counts)
            .chain([HumanBytes(model.bytes).to_string(), oldest])
            .collect()
    }));
    Text::table(&rows, 1)
}
