//! `GET /console/sync`: how far the sync with the source is, data type by data type.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::ports::{FullScan, ModelSyncState};
use stocktake_domain::{Model, Timestamp};
use stocktake_web::step;

use crate::figures::{ago, counted, number, until};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::query::Address;
use crate::response::{Page, PageResult};
use crate::tables::{self, figure, optional};
use crate::visit::Visit;

/// `GET /console/sync`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let console = &visit.console;
    let mut states = step("sync_state.states", console.sync_state.states()).await?;
    let snapshot = console.summary.get().await?;
    let records = |model: Model| -> u64 {
        let summary = snapshot.models.iter().find(|summary| summary.model == model);
        summary.map_or(0, |summary| summary.states.iter().map(|(_, count)| count).sum())
    };
    if !states.is_empty() {
        complete(&mut states);
    }
    // What cannot be read comes first, then what was never read, then as the API lists the data types.
    states.sort_by_key(|state| (state.problem.is_none(), state.last_read().is_some()));
    let first = html! { h1 { "Sources" } p class="lede" { (sentence(&states)) } };
    let main = html! {
        (head(&first, visit.now, "/console/sync"))
        @if states.is_empty() {
            p { "With " code { "[sources.gitlab]" } " in the configuration, the records of a GitLab are read from its database and kept in line with it." }
        } @else {
            (table(&states, &records, visit.now))
        }
    };
    Ok(Page::new("Sources", Section::Sources, main).into())
}

/// Adds the data types that no sync has come to yet.
fn complete(states: &mut Vec<ModelSyncState>) {
    let is_known = |model: &Model| states.iter().any(|state| state.model == *model);
    let unknown: Vec<_> = Model::ALL.into_iter().filter(|model| !is_known(model)).collect();
    states.extend(unknown.into_iter().map(ModelSyncState::new));
}

/// How far the sync is.
fn sentence(states: &[ModelSyncState]) -> String {
    let many = |is_meant: &dyn Fn(&ModelSyncState) -> bool| {
        let many = states.iter().filter(|state| is_meant(state)).count();
        counted(u64::try_from(many).unwrap_or(u64::MAX), "data type")
    };
    let never_read = |state: &ModelSyncState| state.problem.is_none() && state.last_read().is_none();
    let sentence = if states.is_empty() {
        return "Nothing was ever synced.".to_owned();
    } else if states.iter().all(|state| state.problem.is_none()) {
        format!("{} synced, without a problem.", many(&|state| !never_read(state)))
    } else {
        format!("{} could not be read when last tried.", many(&|state| state.problem.is_some()))
    };
    if states.iter().any(never_read) {
        format!("{sentence} {} not read yet.", many(&never_read))
    } else {
        sentence
    }
}

fn table(states: &[ModelSyncState], records: &dyn Fn(Model) -> u64, now: Timestamp) -> Markup {
    let columns = [
        ("Data type", ""),
        ("State", "flag"),
        ("Records", "n"),
        ("New rows read", ""),
        ("Changes read", ""),
        ("Last full scan", ""),
        ("Next full scan", ""),
        ("New", "n"),
        ("Changed", "n"),
        ("Deleted", "n"),
        ("Kept", "n"),
    ];
    let rows = html! { @for state in states { (row(state, records(state.model), now)) } };
    let caption = "The sync of each data type, those with a problem first";
    html! {
        section aria-label="Data types" data-rows="sources" {
            p class="soft" { "New, changed, deleted and kept records are counted since the last full scan of the data type began." }
            (tables::table("cards", caption, &columns, &rows))
        }
    }
}

fn row(state: &ModelSyncState, records: u64, now: Timestamp) -> Markup {
    let ModelSyncState { model, read_to: _, read_at, changes_read_to, full_scan, problem } = state;
    let was_read = state.last_read().is_some();
    let count = |label, count| figure(label, count, &html! { (number(count)) });
    let since = |at: &Option<Timestamp>, label| optional(at.map(|at| ago(at, now)).as_ref(), label, "");
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(Address::console().below("models").below(model)) { (model) } }
            td class="flag" role="cell" {
                @match problem {
                    Some(problem) => { span class="warn nw" { (icon(Shape::Warn, "")) "Not read" } p { (problem) } }
                    None if was_read => span class="state succeeded" { (icon(Shape::Succeeded, "")) "Read" },
                    None => span class="state pending" { (icon(Shape::Pending, "")) "Not read yet" },
                }
                @if full_scan.kept > 0 { p class="soft" { "Records are kept for which the source has no rows: they are too many to delete at once." } }
            }
            td class="n" data-l="Records" role="cell" { (number(records)) }
            (since(read_at, "New rows read"))
            (since(changes_read_to, "Changes read"))
            (since(&full_scan.ended_at, "Last full scan"))
            (optional(next(full_scan, now).as_ref(), "Next full scan", ""))
            (count("New", full_scan.added))
            (count("Changed", full_scan.changed))
            (count("Deleted", full_scan.deleted))
            (count("Kept", full_scan.kept))
        }
    }
}

/// When the next full scan begins, or the one under way goes on.
fn next(full_scan: &FullScan, now: Timestamp) -> Option<Markup> {
    let is_under_way = full_scan.at.is_some();
    let at = full_scan.due_at?;
    Some(html! { @if is_under_way { "under way, goes on " } (until(at, now)) })
}
