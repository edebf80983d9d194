//! The tables of the overview: failures by storage and by data type, and all data types.

use maud::{Markup, html};
use stocktake_domain::ports::{DayResults, FailureGroup, ModelSummary};
use stocktake_domain::{FailureKind, Model, State, Timestamp};
use stocktake_web::in_state;

use super::days;
use crate::figures::{age, number, share, size};
use crate::query::Address;
use crate::tables::{figure, optional, table, with_foot};
use crate::words::kind_word;

fn findings() -> Address {
    Address::console().below("findings")
}

fn linked(count: u64, address: &Address, class: &str) -> Markup {
    html! { a class=[(!class.is_empty()).then_some(class)] href=(address) { (number(count)) } }
}

/// The records of a model.
fn records(model: Model, state: Option<State>) -> Address {
    Address::console().below("models").below(model).with("state", state)
}

/// Failed records of each storage, by kind.
pub(super) fn by_storage(failing: &[FailureGroup]) -> Markup {
    let mut names: Vec<&str> = failing.iter().map(|group| group.storage.as_str()).collect();
    names.dedup();
    let rows: Vec<_> = names
        .into_iter()
        .map(|name| {
            let groups: Vec<_> = failing.iter().filter(|group| group.storage == name).collect();
            (html! { (name) }, findings().with("storage", Some(name)), groups)
        })
        .collect();
    by_kind("storage", "Storage", &rows)
}

/// Failed records of each data type, by kind.
pub(super) fn by_model(failing: &[FailureGroup]) -> Markup {
    let rows: Vec<_> = Model::ALL
        .into_iter()
        .map(|model| {
            let groups: Vec<_> = failing.iter().filter(|group| group.model == model).collect();
            (html! { (model) }, findings().with("model", Some(model)), groups)
        })
        .filter(|(_, _, groups)| !groups.is_empty())
        .collect();
    by_kind("data type", "Data type", &rows)
}

/// Failed records by what they have in common, which each row names and leads to, and by kind.
fn by_kind(what: &str, column: &str, rows: &[(Markup, Address, Vec<&FailureGroup>)]) -> Markup {
    let mut columns = vec![(column, "")];
    columns.extend(FailureKind::ALL.map(|kind| (kind_word(kind), "n")));
    columns.push(("All", "n"));
    let sum =
        |groups: &mut dyn Iterator<Item = &FailureGroup>| groups.map(|group| group.records).sum::<u64>();
    let line = |name: &Markup, address: Option<&Address>, groups: &[&FailureGroup]| {
        let cell = |label: &str, count: u64, kind: Option<FailureKind>| {
            let address = address.map(|address| address.clone().with("kind", kind.map(FailureKind::name)));
            let shown =
                address.map_or_else(|| html! { (number(count)) }, |address| linked(count, &address, ""));
            figure(label, count, &shown)
        };
        html! {
            tr role="row" {
                th scope="row" role="rowheader" {
                    @match address { Some(address) => a href=(address) { (name) }, None => (name) }
                }
                @for kind in FailureKind::ALL {
                    (cell(kind_word(kind), sum(&mut groups.iter().copied().filter(|group| group.kind == kind)), Some(kind)))
                }
                (cell("All", sum(&mut groups.iter().copied()), None))
            }
        }
    };
    let all: Vec<&FailureGroup> = rows.iter().flat_map(|(.., groups)| groups).copied().collect();
    let body = html! { @for (name, address, groups) in rows { (line(name, Some(address), groups)) } };
    let foot = html! { @if rows.len() > 1 { (line(&html! { "All" }, None, &all)) } };
    let caption = format!("Number of failed records of each {what}, by kind");
    html! {
        section class="block" {
            h2 { "Failures by " (what) " and kind" }
            (with_foot("cards dense", &caption, &columns, &body, &foot))
        }
    }
}

/// All data types that have records, those with failures first, then those with the most records.
pub(super) fn models(
    models: &[ModelSummary],
    failing: &[FailureGroup],
    results: &[DayResults],
    now: Timestamp,
) -> Markup {
    let failures = |model: Model| {
        failing.iter().filter(|group| group.model == model).map(|group| group.records).sum::<u64>()
    };
    let mut rows: Vec<_> =
        models.iter().map(|summary| (count(summary), summary)).filter(|(count, _)| *count > 0).collect();
    rows.sort_by_key(|(count, summary)| (u64::MAX - failures(summary.model), u64::MAX - count));
    let names = [
        "Records",
        "Succeeded",
        "Failed",
        "Pending",
        "Started",
        "Disabled",
        "Size",
        "Oldest check",
        "Verified",
        "Last 30 days",
    ];
    let mut columns = vec![("Data type", "")];
    columns.extend(names.map(|name| (name, "n")));
    let rows = html! { @for (count, summary) in rows { (row(count, summary, results, now)) } };
    html! {
        section class="block" data-rows="models" {
            h2 { "Data types" }
            (table("cards dense", "Records of each data type by state", &columns, &rows))
        }
    }
}

fn row(count: u64, summary: &ModelSummary, results: &[DayResults], now: Timestamp) -> Markup {
    let of = |state| in_state(summary, state);
    let cell = |label, state, class| {
        figure(label, of(state), &linked(of(state), &records(summary.model, Some(state)), class))
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(records(summary.model, None)) { (summary.model) } }
            (figure("Records", count, &html! { (number(count)) }))
            (figure("Succeeded", of(State::Succeeded), &html! { (number(of(State::Succeeded))) }))
            (cell("Failed", State::Failed, "failed"))
            (cell("Pending", State::Pending, ""))
            (cell("Started", State::Started, ""))
            (cell("Disabled", State::Disabled, ""))
            (figure("Size", summary.bytes, &size(summary.bytes)))
            (optional(summary.oldest_success.map(|oldest| age(oldest, now)).as_ref(), "Oldest check", "n"))
            td class="n" data-l="Verified" role="cell" { (share(of(State::Succeeded), count)) }
            td class="n all" role="cell" { (days::strip(results, summary.model, now)) }
        }
    }
}

fn count(summary: &ModelSummary) -> u64 {
    summary.states.iter().map(|(_, count)| count).sum()
}
