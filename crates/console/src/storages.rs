//! `GET /console/storages`: the configured storages, and what is wrong with them.

use std::collections::BTreeSet;
use std::rc::Rc;

use futures_util::{StreamExt as _, TryFutureExt as _, TryStreamExt as _, stream, try_join};
use maud::{Markup, html};
use stocktake_domain::ports::{ModelSummary, WorkerActivity};
use stocktake_domain::{Condition, ConditionSubject, Model, RecordFilter, State, Timestamp};
use stocktake_web::{in_state, step};

use crate::activity::{self, Rate};
use crate::error::ConsoleError;
use crate::figures::{ago, counted, number};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::query::Address;
use crate::response::{Page, PageResult};
use crate::shown::path;
use crate::tables::{self, figure};
use crate::visit::Visit;
use crate::{Console, StorageFacts};

/// The most storages that are named of those that this service does not have.
const MOST: usize = 20;

/// The most storages whose records are counted at the same time: other requests need connections as well.
const AT_ONCE: usize = 4;

/// `GET /console/storages`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let console = &visit.console;
    let (conditions, failing, workers, known, models) = try_join!(
        step("conditions.conditions", console.conditions.conditions()).err_into(),
        step("catalogue.failure_groups", console.catalogue.failure_groups()).err_into(),
        activity::workers(console),
        step("catalogue.storages", console.catalogue.storages()).err_into(),
        models(console),
    )?;
    let is_closed =
        |storage: &StorageFacts| conditions.iter().any(|condition| is_of(condition, &storage.name));
    let mut storages: Vec<_> = console.settings.storages.iter().zip(models).collect();
    storages.sort_by_key(|(storage, _)| (!is_closed(storage), storage.name.clone()));
    let mut rows = Vec::new();
    for (storage, models) in storages {
        let rate = Rate::of_storage(&workers, &storage.name);
        let failures = failing.iter().filter(|group| group.storage == storage.name);
        let failures = failures.map(|group| group.records).sum();
        let records = models.iter().flat_map(|summary| &summary.states).map(|(_, count)| count).sum();
        let standing = if is_closed(storage) { Standing::Closed } else { Standing::of_open(&models) };
        rows.push(Row { storage, standing, records, failures, rate });
    }
    let others = others(console, known, &workers);
    let first = html! {
        h1 { "Storages" }
        p class="lede" { (sentence(&rows)) }
    };
    let main = html! {
        (head(&first, visit.now, "/console/storages"))
        (closed_notes(&conditions, visit.now, false))
        @if !rows.is_empty() { (table(&rows)) }
        @if !others.is_empty() { (elsewhere(&others)) }
    };
    Ok(Page::new("Storages", Section::Storages, main).into())
}

/// What is known of a storage as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Closed,
    /// Content in it was looked at, and nothing speaks against it.
    Open,
    /// Nobody knows whether it can be read: none of its records was looked at.
    NotRead,
    /// The same, and nobody will: it has no records, or they are switched off.
    NothingToRead,
}

impl Standing {
    /// Of a storage that is not closed, with these counts of its records.
    fn of_open(models: &[ModelSummary]) -> Self {
        let waits = |summary: &ModelSummary| {
            in_state(summary, State::Pending) > 0 || in_state(summary, State::Started) > 0
        };
        if models.iter().any(ModelSummary::was_looked_at) {
            Self::Open
        } else if models.iter().any(waits) {
            Self::NotRead
        } else {
            Self::NothingToRead
        }
    }

    fn shown(self) -> Markup {
        let (class, shape, word) = match self {
            Self::Closed => ("warn nw", Shape::Warn, "Closed"),
            Self::Open => ("state succeeded", Shape::Succeeded, "Open"),
            Self::NotRead => ("state pending", Shape::Pending, "Not read yet"),
            Self::NothingToRead => ("state disabled", Shape::Disabled, "Nothing to read"),
        };
        html! { span class=(class) { (icon(shape, "")) (word) } }
    }
}

/// Whether all is well with the storages.
fn sentence(rows: &[Row<'_>]) -> String {
    let of = |standing| rows.iter().filter(|row| row.standing == standing).count();
    let all = counted(u64::try_from(rows.len()).unwrap_or(u64::MAX), "storage");
    let closed = match (rows.len(), of(Standing::Closed)) {
        (0, _) => return "No storage is configured.".to_owned(),
        (_, 0) => format!("{all}, none closed"),
        (_, closed) => format!("{closed} of {all} closed"),
    };
    match of(Standing::NotRead) {
        0 => format!("{closed}."),
        not_read => format!("{closed}, {not_read} not read yet."),
    }
}

/// What is shown of a storage.
struct Row<'a> {
    storage: &'a StorageFacts,
    standing: Standing,
    records: u64,
    failures: u64,
    rate: Rate,
}

/// A storage in which records lie, and which this service does not have.
struct Other {
    name: String,
    /// Whether a worker has it.
    is_announced: bool,
}

fn others(console: &Console, known: Vec<(Model, String)>, workers: &[WorkerActivity]) -> Vec<Other> {
    let names: BTreeSet<String> = known.into_iter().map(|(_, storage)| storage).collect();
    let others = names.into_iter().filter(|name| !console.settings.has_storage(name));
    let announced = |name: &str| {
        let mut shares = workers.iter().flat_map(|worker| &worker.announcement.storages);
        shares.any(|share| share.storage == name)
    };
    others.map(|name| Other { is_announced: announced(&name), name }).collect()
}

/// What is said of these.
fn elsewhere(others: &[Other]) -> Markup {
    let left_out = others.len().saturating_sub(MOST);
    html! {
        section class="block stack" aria-labelledby="others" {
            h2 id="others" { "Not in the configuration of this service" }
            p class="soft" { "Records lie in these storages. They are read by workers that have them, and by nobody else." }
            ul {
                @for Other { name, is_announced } in others.iter().take(MOST) {
                    li {
                        (name) ": "
                        @if *is_announced { "a worker has it" }
                        @else { span class="warn" { (icon(Shape::Warn, "")) "no worker has it" } }
                    }
                }
            }
            @if left_out > 0 { p class="soft" { "And " (counted(u64::try_from(left_out).unwrap_or(u64::MAX), "other")) "." } }
        }
    }
}

/// The counts of the records that lie in each configured storage, in the order of the configuration.
async fn models(console: &Console) -> Result<Vec<Vec<ModelSummary>>, ConsoleError> {
    let counts = console.settings.storages.iter().map(|storage| async {
        let filter = RecordFilter { storages: vec![storage.name.clone()], ..RecordFilter::default() };
        step("catalogue.summary_of", console.catalogue.summary_of(&filter)).await
    });
    Ok(stream::iter(counts).buffered(AT_ONCE).try_collect().await?)
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
                    (icon(Shape::Warn, "warn"))
                    p {
                        strong { "Storage " (name) " is closed" }
                        " on " (condition.host) " since " (ago(condition.since, now)) ": " (condition.reason)
                        ". None of its records is judged: they keep their last result and wait."
                        @if with_link { " " a class="live" href="/console/storages" { "Storages" } }
                    }
                }
            }
        }
    }
}

fn table(storages: &[Row<'_>]) -> Markup {
    let columns = [
        ("Storage", ""),
        ("State", "flag"),
        ("Kind", ""),
        ("Root or bucket", "all"),
        ("Records", "n"),
        ("Failures", "n"),
        ("Read now", "n"),
        ("Limit", "n"),
        ("Hours, UTC", ""),
        ("Readers", "n"),
    ];
    let rows = html! { @for storage in storages { (row(storage)) } };
    html! {
        section aria-label="Storages" data-rows="storages" {
            (tables::table("cards dense", "All storages, closed ones first", &columns, &rows))
        }
    }
}

fn row(row: &Row<'_>) -> Markup {
    let Row { storage, standing, records, failures, rate } = row;
    let findings = Address::console().below("findings").with("storage", Some(&storage.name));
    let failed = html! { a class="failed" href=(findings) { (number(*failures)) } };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (storage.name) }
            td class="flag" role="cell" { (standing.shown()) }
            td data-l="Kind" role="cell" { (storage.kind) }
            td class="all" role="cell" { (path(&storage.place)) }
            (figure("Records", *records, &html! { (number(*records)) }))
            (figure("Failures", *failures, &failed))
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
