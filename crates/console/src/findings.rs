//! `GET /console/findings`: the records of all data types whose last attempt failed; `/console/findings.csv` and `.json` are
//! the same, whole, to save.

mod download;
mod wanted;

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{FailureKind, Model, Record, Timestamp};
use stocktake_web::{FindingsSelection, of_kind, step};

use crate::figures::{ago, counted, number, size};
use crate::frame::{Section, head};
use crate::query::Address;
use crate::records::{optional, record_address};
use crate::response::{Page, PageResult};
use crate::shown::{path, text};
use crate::storages::closed_notes;
use crate::visit::Visit;
use crate::words::{advice, badge, kind_word, short_failure};
use wanted::Query;

pub(crate) use download::{csv, json};

/// How many records are on a page.
const PER_PAGE: u32 = 100;

/// `GET /console/findings`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let query = Query::read(&visit.query())?;
    let console = &visit.console;
    let snapshot = console.summary.get().await?;
    let conditions = step("conditions.conditions", console.conditions.conditions()).await?;
    let walk = FindingsSelection::Findings.records(
        &*console.catalogue,
        query.model,
        query.after.clone(),
        PER_PAGE.saturating_add(1),
    );
    let mut records = step("findings", walk).await?;
    let shown = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let has_next = records.len() > shown;
    records.truncate(shown);
    let next = records
        .last()
        .filter(|_| has_next)
        .map(|last| query.address().with("after_model", Some(last.model)).with("after", Some(&last.key)));
    let wanted =
        snapshot.models.iter().filter(|summary| query.model.is_none_or(|model| model == summary.model));
    let wanted: Vec<_> = wanted.collect();
    let of = |kind| {
        wanted
            .iter()
            .map(|summary| of_kind(&summary.failures, kind) + of_kind(&summary.rereading, kind))
            .sum()
    };
    let kinds: Vec<(FailureKind, u64)> =
        FailureKind::ALL.into_iter().map(|kind| (kind, of(kind))).filter(|(_, count)| *count > 0).collect();
    let first = html! { h1 { "Findings" } p class="lede" { (sentence(&kinds, query.model)) } };
    let main = html! {
        (head(&first, visit.now, &query.address().to_string()))
        (filter_form(&query, snapshot.models.iter().map(|summary| summary.model)))
        (closed_notes(&conditions, visit.now, true))
        @for group in records.chunk_by(|one, other| one.model == other.model) { (table(group, visit.now)) }
        @if let Some(next) = next { nav class="row spread" aria-label="Pages" { span {} a class="button" rel="next" href=(next) { "Next page" } } }
    };
    Ok(Page::new("Findings", Section::Findings, main).into())
}

fn sentence(kinds: &[(FailureKind, u64)], model: Option<Model>) -> String {
    let all: u64 = kinds.iter().map(|(_, count)| count).sum();
    let scope = model.map_or_else(|| "over all data types".to_owned(), |model| format!("of {model}"));
    if all == 0 {
        return format!("No failed record {scope}.");
    }
    let parts =
        kinds.iter().map(|(kind, count)| format!("{} {}", number(*count), kind_word(*kind).to_lowercase()));
    let failed =
        if all == 1 { "1 failed record".to_owned() } else { format!("{} failed records", number(all)) };
    format!("{failed} {scope}: {}.", parts.collect::<Vec<_>>().join(", "))
}

fn filter_form(query: &Query, models: impl Iterator<Item = Model>) -> Markup {
    let file = |name: &str| Address::console().below(name).with("model", query.model);
    html! {
        form class="fields" method="get" action="/console/findings" aria-label="Filter findings" {
            div class="broad" {
                label for="g-model" { "Data type" }
                select id="g-model" name="model" {
                    option value="" { "Any" }
                    @for model in models { option value=(model) selected[query.model == Some(model)] { (model) } }
                }
            }
            div { button type="submit" class="primary" { "Filter" } }
            div class="broad row" {
                a class="button" href=(file("findings.csv")) download { "Download CSV" } " "
                a class="button" href=(file("findings.json")) download { "Download JSON" }
            }
        }
    }
}

fn table(records: &[Record], now: Timestamp) -> Markup {
    let Some(model) = records.first().map(|record| record.model) else { return html! {} };
    let has_owner = records.iter().any(|record| record.owner.is_some());
    let all = counted(u64::try_from(records.len()).unwrap_or(u64::MAX), "record");
    html! {
        section class="block" {
            h2 { a href=(Address::console().below("models").below(model)) { (model) } }
            table class="cards" role="table" {
                caption class="hush" { (all) " of " (model) " on this page" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Record" }
                        th scope="col" class="flag" role="columnheader" { "State" }
                        th scope="col" class="all" role="columnheader" { "Content" }
                        th scope="col" role="columnheader" { "Storage" }
                        @if has_owner { th scope="col" role="columnheader" { "Owner" } }
                        th scope="col" class="n" role="columnheader" { "Size" }
                        th scope="col" role="columnheader" { "Last check" }
                        th scope="col" class="all" role="columnheader" { "What to do" }
                    }
                }
                tbody role="rowgroup" { @for record in records { (row(record, has_owner, now)) } }
            }
        }
    }
}

fn row(record: &Record, has_owner: bool, now: Timestamp) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(record_address(record)) { (record.key) } }
            td class="flag" role="cell" { (badge(record.state())) }
            td class="all" role="cell" {
                p { (path(&record.location.path)) }
                @if let Some(failure) = record.status.last_failure() { p class="bad" { (short_failure(failure)) } }
            }
            td data-l="Storage" role="cell" { (text(&record.location.storage)) }
            @if has_owner { (optional(record.owner.as_deref().map(text).as_ref(), "Owner", "")) }
            (optional(record.file_size.map(size).as_ref(), "Size", "n"))
            (optional(record.history().last_checksum_at().map(|at| ago(at, now)).as_ref(), "Last check", ""))
            td class="all" role="cell" { @if let Some(failure) = record.status.last_failure() { (advice(failure)) } }
        }
    }
}
