//! `GET /console/storages`: the configured storages, and what is wrong with them.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::ports::{FailureGroup, WorkerActivity};
use stocktake_domain::{Condition, ConditionSubject, Timestamp};
use stocktake_web::step;

use crate::StorageFacts;
use crate::activity::{self, Rate};
use crate::figures::{ago, counted, number};
use crate::frame::{Section, head};
use crate::icons::icon;
use crate::query::Address;
use crate::response::{Page, PageResult};
use crate::shown::{path, text};
use crate::tables::{self, figure};
use crate::visit::Visit;

/// `GET /console/storages`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let console = &visit.console;
    let conditions = step("conditions.conditions", console.conditions.conditions()).await?;
    let failing = step("catalogue.failure_groups", console.catalogue.failure_groups()).await?;
    let workers = activity::workers(console).await?;
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
        @if !storages.is_empty() { (table(&storages, &is_closed, &failing, &workers)) }
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

fn table(
    storages: &[&StorageFacts],
    is_closed: &dyn Fn(&StorageFacts) -> bool,
    failing: &[FailureGroup],
    workers: &[WorkerActivity],
) -> Markup {
    let columns = [
        ("Storage", ""),
        ("State", "flag"),
        ("Kind", ""),
        ("Root or bucket", "all"),
        ("Failures", "n"),
        ("Read now", "n"),
        ("Limit", "n"),
        ("Hours, UTC", ""),
        ("Readers", "n"),
    ];
    let failures = |storage: &StorageFacts| {
        failing.iter().filter(|group| group.storage == storage.name).map(|group| group.records).sum()
    };
    let rows = html! {
        @for storage in storages {
            (row(storage, is_closed(storage), failures(storage), Rate::of_storage(workers, &storage.name)))
        }
    };
    html! {
        section aria-label="Storages" data-rows="storages" {
            (tables::table("cards dense", "All storages, closed ones first", &columns, &rows))
        }
    }
}

fn row(storage: &StorageFacts, is_closed: bool, failures: u64, rate: Rate) -> Markup {
    let findings = Address::console().below("findings").with("storage", Some(&storage.name));
    let failed = html! { a class="failed" href=(findings) { (number(failures)) } };
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
            (figure("Failures", failures, &failed))
            (figure("Read now", rate.bytes, &html! { (rate.bytes_text()) }))
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
