//! `stocktake status`: counts by model and state, and what is being read.

mod activity;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{ModelSummary, StoreError, first_matching};
use stocktake_domain::{
    Condition, ConditionSubject, EvidenceLevel, FailureKind, Model, RecordFilter, Selection, State, Timestamp,
};
use stocktake_worker::Storages;

use activity::Activity;

use crate::args::StatusArguments;
use crate::findings::{Findings, most_shown};
use crate::output::Text;
use crate::quantities::{age, minute};
use crate::settings::Loaded;
use crate::verdict::{
    Obstacles, Standing, WORST_FIRST, closed_storage, nothing_that_old, shallow, shallow_text,
};
use crate::{document, output, quantities, terminal, wiring};

/// The exit status when a record needs attention, or something keeps records from being judged.
const ATTENTION: u8 = 1;

/// The exit status when no record was ever judged: there is none, or all wait or are switched off.
const NOTHING_JUDGED: u8 = 2;

/// So many failed records are all read to be told; of more, the first.
const MOST_READ: u64 = 10_000;

/// Records read in one step.
const PAGE: u32 = 1_000;

/// The columns of a screen whose size is not known.
const USUAL_COLUMNS: usize = 80;

/// How long after its last report a condition is one of which nobody knows whether it still holds.
const STALE: Duration = Duration::from_secs(600);

/// Runs the command.
pub(super) async fn run(loaded: &Loaded, arguments: &StatusArguments) -> anyhow::Result<ExitCode> {
    let store = wiring::open_to_read(&loaded.settings).await?;
    let now = store.clock.now();
    let filter = arguments.filters.filter(now);
    wiring::check_storages(&loaded.settings, &store, &filter).await?;
    let summary = store.catalogue.summary_of(&filter).await?;
    let mut conditions = store.conditions.conditions().await?;
    conditions.retain(|condition| concerns(condition, &filter));
    let verdict = verdict(loaded, &store, &filter, &summary, &conditions, now).await?;
    let shallow = shallow(&loaded.settings, &store.catalogue.storages().await?);
    let activity = Activity::read(&store).await?;
    let standing = Standing::of(&summary);
    let status = if standing.failed() > 0 || !conditions.is_empty() {
        ExitCode::from(ATTENTION)
    } else if standing.is_unknown() && (filter.before.is_none() || !summary.is_empty()) {
        ExitCode::from(NOTHING_JUDGED)
    } else {
        ExitCode::SUCCESS
    };
    if arguments.json {
        let models: Vec<Value> = summary.iter().map(to_json).collect();
        let conditions: Vec<Value> = conditions.iter().map(condition_to_json).collect();
        let shallow: Vec<Value> = shallow
            .iter()
            .map(|(storage, compared)| json!({ "storage": storage, "compared": compared }))
            .collect();
        let fields = json!({
            "models": models, "conditions": conditions, "shallow_storages": shallow, "activity": activity.json(),
            "verdict": verdict,
        });
        output::print(&document::text(fields))?;
        return Ok(status);
    }
    let columns = terminal::columns(USUAL_COLUMNS);
    let shown = if arguments.all { every_model(summary) } else { summary };
    let mut text = table(&shown, arguments.all, now);
    if text.width() > columns {
        text = paragraphs(&shown, columns, arguments.all, now);
    }
    if !text.is_empty() {
        text.line("");
    }
    let findings = findings(&store, &filter, standing.failed()).await?;
    let findings = findings.text(&*store.catalogue, &Storages::new(), terminal::size(), now).await?;
    if !findings.is_empty() {
        text.append(findings);
        text.line("");
    }
    activity.lines(now).into_iter().for_each(|line| text.line(line));
    for condition in &conditions {
        text.line(condition_text(loaded, condition, now));
    }
    for (storage, compared) in &shallow {
        text.line(shallow_text(storage, compared));
    }
    text.line(verdict);
    output::print(&text)?;
    Ok(status)
}

/// What failed, of the records that the filter means: all, or of very many the first of each kind.
async fn findings(store: &Store, filter: &RecordFilter, failed: u64) -> Result<Findings, StoreError> {
    let most = most_shown(terminal::size());
    let mut findings = Findings::new(most);
    findings.set_total(failed);
    let limit = if failed > MOST_READ { u32::try_from(most).unwrap_or(PAGE) } else { PAGE };
    for kind in WORST_FIRST.into_iter().filter(|kind| filter.kinds.is_empty() || filter.kinds.contains(kind))
    {
        let selection = Selection::filtered(RecordFilter { kinds: vec![kind], ..filter.clone() });
        for model in Model::ALL.into_iter().filter(|_| failed > 0) {
            let mut after = None;
            loop {
                let found = first_matching(&*store.catalogue, model, &selection, after, limit).await?;
                let is_last = u32::try_from(found.len()).is_ok_and(|found| found < limit);
                after = found.last().map(|record| record.key.clone());
                for record in found {
                    findings.add(record);
                }
                if is_last || failed > MOST_READ {
                    break;
                }
            }
        }
    }
    Ok(findings)
}

/// The answer to "is all well?" of the records that the filter means; an error if it means none.
async fn verdict(
    loaded: &Loaded,
    store: &Store,
    filter: &RecordFilter,
    summary: &[ModelSummary],
    conditions: &[Condition],
    now: Timestamp,
) -> anyhow::Result<String> {
    if !summary.is_empty() || filter.is_empty() {
        let interval = loaded.settings.verification.reverify_after;
        return Ok(Standing::of(summary).sentence(interval, now, &Obstacles::of(conditions)));
    }
    let of_any_age = RecordFilter { before: None, ..filter.clone() };
    let Some(before) = filter.before else { bail!("no record matches the filters") };
    if store.catalogue.summary_of(&of_any_age).await?.is_empty() {
        bail!("no record matches the filters");
    }
    Ok(nothing_that_old(before, now))
}

/// Whether it may keep a record from being judged that the filter means.
fn concerns(condition: &Condition, filter: &RecordFilter) -> bool {
    match &condition.subject {
        ConditionSubject::Storage(name) => filter.storages.is_empty() || filter.storages.contains(name),
        ConditionSubject::Process => true,
    }
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

fn condition_text(
    loaded: &Loaded,
    Condition { subject, host, reason, since, reported_at }: &Condition,
    now: Timestamp,
) -> String {
    // Whoever reports it does so again with each attempt. A process that is gone reports and ends nothing.
    let looked = if now.since(*reported_at) < STALE {
        format!("last {}", age(*reported_at, now))
    } else {
        format!("last {}, and nobody has looked since: stocktake verify does", age(*reported_at, now))
    };
    let seen = format!("Seen on {host} since {} ({}), {looked}.", minute(*since), age(*since, now));
    match subject {
        ConditionSubject::Storage(name) => {
            format!("{} {seen}", closed_storage(loaded, name, reason, None))
        }
        ConditionSubject::Process => {
            format!("A process cannot read content: {}. {seen}", reason.trim_end_matches('.'))
        }
    }
}

/// One model's counts, as `GET /api/v1/summary` shows them.
pub(super) fn to_json(summary: &ModelSummary) -> Value {
    let states: Map<String, Value> =
        State::ALL.iter().map(|state| (state.name().to_owned(), count(summary, *state).into())).collect();
    let kinds = |counts: &[(FailureKind, u64)]| -> Map<String, Value> {
        let count =
            |kind| counts.iter().filter(|(known, _)| *known == kind).map(|(_, count)| count).sum::<u64>();
        FailureKind::ALL.iter().map(|kind| (kind.name().to_owned(), count(*kind).into())).collect()
    };
    let evidence: Map<String, Value> = EvidenceLevel::ALL
        .iter()
        .map(|level| (level.name().to_owned(), summary.resting_on(*level).into()))
        .collect();
    json!({
        "model_name": summary.model.name(),
        "model_class": summary.model.class(),
        "records": summary.states.iter().map(|(_, count)| count).sum::<u64>(),
        "states": states,
        "failures": kinds(&summary.failures),
        "rereading": kinds(&summary.rereading),
        "good_before": summary.good_before,
        "bytes": summary.bytes,
        "metadata_only": summary.metadata_only(),
        "evidence": evidence,
        "mismatched": summary.mismatched,
        "oldest_success": summary.oldest_success.map(|time| time.to_string()),
    })
}

/// The records in this state.
pub(super) fn count(summary: &ModelSummary, state: State) -> u64 {
    summary.states.iter().find(|(name, _)| *name == state).map_or(0, |(_, count)| *count)
}

/// All models, also those without records.
fn every_model(summary: Vec<ModelSummary>) -> Vec<ModelSummary> {
    let mut summary = summary.into_iter().peekable();
    let of =
        |model| summary.next_if(|summary| summary.model == model).unwrap_or_else(|| ModelSummary::new(model));
    Model::ALL.into_iter().map(of).collect()
}

/// One value of a model.
struct Cell {
    name: &'static str,
    text: String,
    is_nothing: bool,
}

fn cells(model: &ModelSummary, now: Timestamp) -> Vec<Cell> {
    let states = State::ALL.into_iter().map(|state| {
        let number = count(model, state);
        Cell { name: state.name(), text: quantities::count(number), is_nothing: number == 0 }
    });
    let number = model.rereading.iter().map(|(_, count)| count).sum();
    let again = Cell { name: "failed before", text: quantities::count(number), is_nothing: number == 0 };
    let good = model.good_before;
    let good = Cell { name: "good before", text: quantities::count(good), is_nothing: good == 0 };
    let bytes =
        Cell { name: "bytes", text: HumanBytes(model.bytes).to_string(), is_nothing: model.bytes == 0 };
    let oldest = model.oldest_success;
    let age = oldest.map_or_else(|| "-".to_owned(), |oldest| age(oldest, now));
    states
        .chain([again, good, bytes, Cell { name: "oldest success", text: age, is_nothing: oldest.is_none() }])
        .collect()
}

/// A line for each model. Columns in which nothing is are left out, unless they are to be shown.
fn table(summary: &[ModelSummary], with_zeros: bool, now: Timestamp) -> Text {
    let models: Vec<Vec<Cell>> = summary.iter().map(|model| cells(model, now)).collect();
    let shown = |column: &usize| {
        let mut cells = models.iter().filter_map(|cells| cells.get(*column));
        with_zeros || cells.any(|cell| !cell.is_nothing)
    };
    let columns: Vec<usize> = (0..models.first().map_or(0, Vec::len)).filter(shown).collect();
    let row = |name: &str, cells: &[Cell], text: fn(&Cell) -> String| {
        let cells = columns.iter().filter_map(|column| cells.get(*column)).map(text);
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let header = models.first().map(|cells| row("model", cells, |cell| cell.name.to_owned()));
    let rows = summary
        .iter()
        .zip(&models)
        .map(|(summary, cells)| row(summary.model.name(), cells, |cell| cell.text.clone()));
    Text::table(&header.into_iter().chain(rows).collect::<Vec<_>>(), 1)
}

/// The same for a screen that is too narrow for it: a paragraph for each model.
fn paragraphs(summary: &[ModelSummary], columns: usize, with_zeros: bool, now: Timestamp) -> Text {
    let mut text = Text::default();
    for model in summary {
        text.line(format!("{}:", model.model));
        let mut line = String::new();
        let cells = cells(model, now).into_iter().filter(|cell| with_zeros || !cell.is_nothing);
        for Cell { name, text: value, .. } in cells {
            let part = if name == "bytes" { value } else { format!("{name} {value}") };
            if !line.is_empty() && line.chars().count() + part.chars().count() + 4 > columns {
                text.line(format!("  {line},"));
                line.clear();
            }
            line = if line.is_empty() { part } else { format!("{line}, {part}") };
        }
        text.line(format!("  {line}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(states: &[(State, u64)]) -> Vec<ModelSummary> {
        let model =
            ModelSummary { states: states.to_vec(), ..ModelSummary::new(Model::DependencyProxyManifests) };
        vec![ModelSummary { bytes: 1 << 40, oldest_success: Some(Timestamp::from_millis(0)), ..model }]
    }

    #[test]
    fn columns_of_zeros_are_left_out() {
        let now = Timestamp::from_millis(180_000);
        let some = summary(&[(State::Succeeded, 1_234_567)]);
        assert_eq!(
            table(&some, false, now).to_string(),
            "model                       succeeded     bytes  oldest success\n\
             dependency_proxy_manifests  1,234,567  1.00 TiB   3 minutes ago\n"
        );
        let all = table(&every_model(some), true, now).to_string();
        assert_eq!(all.lines().count(), 1 + Model::ALL.len());
        assert!(all.contains("pending") && all.contains("uploads"), "{all}");
    }

    #[test]
    fn a_narrow_screen_has_paragraphs() {
        let states = State::ALL.map(|state| (state, 1_000_000));
        let now = Timestamp::from_millis(180_000);
        for columns in [40, 80] {
            let text = paragraphs(&summary(&states), columns, false, now);
            assert!(text.width() <= columns, "{text}");
            assert!(text.to_string().contains("oldest success 3 minutes ago"), "{text}");
            let none = [ModelSummary::new(Model::Uploads)];
            assert_eq!(paragraphs(&none, columns, false, now).to_string(), "uploads:\n  \n");
            let zeros = paragraphs(&none, columns, true, now);
            assert!(zeros.width() <= columns && zeros.to_string().contains("pending 0"), "{zeros}");
        }
    }
}
