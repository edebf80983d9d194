//! `GET /console/findings`: the records of all data types whose last attempt failed; `/console/findings.csv` and `.json` are
//! the same, whole, to save.

mod download;
mod groups;
mod wanted;

use std::collections::BTreeSet;
use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::ports::FailureGroup;
use stocktake_domain::{FailureKind, Model, Record, Timestamp};
use stocktake_web::step;

use crate::figures::{ago, counted, size};
use crate::frame::{Section, head};
use crate::query::Address;
use crate::records::record_address;
use crate::response::{Page, PageResult};
use crate::shown::path;
use crate::storages::closed_notes;
use crate::tables::{self, optional};
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
    let all = step("catalogue.failure_groups", console.catalogue.failure_groups()).await?;
    let wanted: Vec<_> = all.iter().filter(|group| query.means(group)).cloned().collect();
    let conditions = step("conditions.conditions", console.conditions.conditions()).await?;
    let selection = query.selection();
    let walk =
        selection.records(&*console.catalogue, query.model, query.after.clone(), PER_PAGE.saturating_add(1));
    let mut records = step("findings", walk).await?;
    let shown = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let has_next = records.len() > shown;
    records.truncate(shown);
    let next = records
        .last()
        .filter(|_| has_next)
        .map(|last| query.address().with("after_model", Some(last.model)).with("after", Some(&last.key)));
    let groups = if query.after.is_none() {
        groups::section(&visit, &wanted).await?
    } else {
        html! {}
    };
    let first = html! { h1 { "Findings" } p class="lede" { (groups::sentence(&wanted, query.model)) } };
    let main = html! {
        (head(&first, visit.now, &query.address().to_string()))
        (filter_form(&query, &all))
        (closed_notes(&conditions, visit.now, true))
        div class="rows" data-rows="findings" {
            (groups)
            @for group in records.chunk_by(|one, other| one.model == other.model) { (table(group, visit.now)) }
        }
        @if let Some(next) = next { nav class="row spread" aria-label="Pages" { span {} a class="button" rel="next" href=(next) { "Next page" } } }
    };
    Ok(Page::new("Findings", Section::Findings, main).into())
}

fn filter_form(query: &Query, groups: &[FailureGroup]) -> Markup {
    let file = |name: &str| query.on(Address::console().below(name));
    let (storage, kind) = (query.filter.storages.first(), query.filter.kinds.first());
    let mut storages: Vec<&String> = groups.iter().map(|group| &group.storage).chain(storage).collect();
    storages.sort_unstable();
    storages.dedup();
    let models = groups.iter().map(|group| group.model).chain(query.model).collect::<BTreeSet<Model>>();
    html! {
        form class="fields" method="get" action="/console/findings" aria-label="Filter findings" {
            div class="broad" {
                label for="g-storage" { "Storage" }
                select id="g-storage" name="storage" {
                    option value="" { "Any" }
                    @for name in storages { option value=(name) selected[storage == Some(name)] { (name) } }
                }
            }
            div {
                label for="g-kind" { "Kind of failure" }
                select id="g-kind" name="kind" {
                    option value="" { "Any" }
                    @for of in FailureKind::ALL { option value=(of.name()) selected[kind == Some(&of)] { (kind_word(of)) } }
                }
            }
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
    let mut columns = vec![("Record", ""), ("State", "flag"), ("Content", "all"), ("Storage", "")];
    if has_owner {
        columns.push(("Owner", ""));
    }
    columns.extend([("Size", "n"), ("Last check", ""), ("What to do", "all")]);
    let rows = html! { @for record in records { (row(record, has_owner, now)) } };
    html! {
        section class="block" {
            h2 { a href=(Address::console().below("models").below(model)) { (model) } }
            (tables::table("cards", &format!("{all} of {model} on this page"), &columns, &rows))
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
            td data-l="Storage" role="cell" { (record.location.storage) }
            @if has_owner { (optional(record.owner.as_ref().map(|owner| html! { (owner) }).as_ref(), "Owner", "")) }
            (optional(record.file_size.map(size).as_ref(), "Size", "n"))
            (optional(record.history().last_checksum_at().map(|at| ago(at, now)).as_ref(), "Last check", ""))
            td class="all" role="cell" { @if let Some(failure) = record.status.last_failure() { (advice(failure)) } }
        }
    }
}
