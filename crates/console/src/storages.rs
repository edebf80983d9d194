//! `GET /console/storages`: the configured storages, and what is wrong with them.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{Condition, ConditionSubject, Timestamp};
use stocktake_web::step;

use crate::StorageFacts;
use crate::figures::{ago, counted};
use crate::frame::{Section, head};
use crate::icons::icon;
use crate::response::{Page, PageResult};
use crate::shown::{path, text};
use crate::visit::Visit;

/// `GET /console/storages`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let console = &visit.console;
    let conditions = step("conditions.conditions", console.conditions.conditions()).await?;
    let mut storages: Vec<_> = console.settings.storages.iter().collect();
    let is_closed =
        |storage: &StorageFacts| conditions.iter().any(|condition| is_of(condition, &storage.name));
    storages.sort_by_key(|storage| (!is_closed(storage), storage.name.clone()));
    let closed = storages.iter().filter(|storage| is_closed(storage)).count();
    let first = html! {
        h1 { "Storages" }
        p class="lede" {
            @match (storages.len(), closed) {
                (0, _) => "No storage is configured.",
                (all, 0) => { (counted(u64::try_from(all).unwrap_or(u64::MAX), "storage")) ", none closed." }
                (all, closed) => { (closed) " of " (all) " closed." }
            }
        }
    };
    let main = html! {
        (head(&first, visit.now, "/console/storages"))
        (closed_notes(&conditions, visit.now, false))
        @if !storages.is_empty() { (table(&storages, &is_closed)) }
    };
    Ok(Page::new("Storages", Section::Storages, main).into())
}

fn is_of(condition: &Condition, name: &str) -> bool {
    matches!(&condition.subject, ConditionSubject::Storage(storage) if storage == name)
}

/// What keeps records from being judged, and what that means for them.
pub(crate) fn closed_notes(conditions: &[Condition], now: Timestamp, with_link: bool) -> Markup {
    html! {
        @for condition in conditions {
            @if let ConditionSubject::Storage(name) = &condition.subject {
                div class="note closed" {
                    (icon("warn", "warn"))
                    p {
                        strong { "Storage " (text(name)) " is closed" }
                        " on " (text(&condition.host)) " since " (ago(condition.since, now)) ": " (text(&condition.reason))
                        ". None of its records is judged: they keep their last result and wait."
                        @if with_link { " " a class="live" href="/console/storages" { "Storages" } }
                    }
                }
            }
        }
    }
}

fn table(storages: &[&StorageFacts], is_closed: &dyn Fn(&StorageFacts) -> bool) -> Markup {
    html! {
        section aria-label="Storages" {
            table class="cards dense" role="table" {
                caption class="hush" { "All storages, closed ones first" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Storage" }
                        th scope="col" class="flag" role="columnheader" { "State" }
                        th scope="col" role="columnheader" { "Kind" }
                        th scope="col" class="all" role="columnheader" { "Root or bucket" }
                        th scope="col" class="n" role="columnheader" { "Limit" }
                        th scope="col" role="columnheader" { "Hours, UTC" }
                        th scope="col" class="n" role="columnheader" { "Readers" }
                    }
                }
                tbody role="rowgroup" {
                    @for storage in storages { (row(storage, is_closed(storage))) }
                }
            }
        }
    }
}

fn row(storage: &StorageFacts, is_closed: bool) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (text(&storage.name)) }
            td class="flag" role="cell" {
                @if is_closed {
                    span class="warn nw" { (icon("warn", "")) "Closed" }
                } @else {
                    span class="state succeeded" { (icon("succeeded", "")) "Open" }
                }
            }
            td data-l="Kind" role="cell" { (text(&storage.kind)) }
            td class="all" role="cell" { (path(&storage.place)) }
            td class=(if storage.limit.is_some() { "n" } else { "n zero" }) data-l="Limit" role="cell" {
                (storage.limit.as_deref().unwrap_or("No limit"))
            }
            td class=[storage.hours.is_none().then_some("zero")] data-l="Hours, UTC" role="cell" {
                (storage.hours.as_deref().unwrap_or("Always"))
            }
            td class="n" data-l="Readers" role="cell" { (storage.readers) }
        }
    }
}
