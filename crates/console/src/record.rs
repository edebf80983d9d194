//! `GET /console/models/:model/:identifier`: one record with everything that is known of it; `POST …/recalculate` reads it
//! again, `POST …/accept` takes its content for good.

mod checksums;
mod note;
mod same;

use std::rc::Rc;

use actix_web::http::StatusCode;
use maud::{Markup, html};
use stocktake_domain::ports::AcceptanceError;
use stocktake_domain::{Condition, ConditionSubject, Failure, Model, Record, RecordKey, State};
use stocktake_web::step;

use crate::command::command;
use crate::error::ConsoleError;
use crate::figures::{ago, counted, moment, size, until};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::notice::{Notice, refused, shown};
use crate::query::{Address, Fields};
use crate::records::{model_of, record_address};
use crate::response::{Answer, Page, PageResult};
use crate::shown::{digest, path};
use crate::storages::closed_notes;
use crate::visit::Visit;

/// `GET /console/models/:model/:identifier`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let notice = shown(visit.query().get("notice"));
    whole(&visit, StatusCode::OK, &notice).await
}

/// `POST …/recalculate`: reads the content now, with whose result the page then shows.
pub(crate) async fn recalculate(visit: Rc<Visit>, _: Fields) -> PageResult {
    let (model, key) = named(&visit)?;
    let console = &visit.console;
    let deadline = console.settings.recalculation_deadline;
    let done = step("recalculation", console.recalculation.recalculate_now(model, &key, deadline)).await?;
    let done = done.ok_or(ConsoleError::NotFound)?;
    let notice = match (done.finished, done.record.state()) {
        (false, _) => Notice::GoesOn,
        (true, State::Succeeded) => Notice::Good,
        (true, State::Failed) => Notice::NotGood,
        (true, _) => Notice::Waits,
    };
    Ok(Answer::Redirect(record_address(&done.record).with("notice", Some(notice.name()))))
}

/// `POST …/accept`: reads the content now, and takes it for good.
pub(crate) async fn accept(visit: Rc<Visit>, _: Fields) -> PageResult {
    let (model, key) = named(&visit)?;
    let caller = &visit.identity.username;
    match step("acceptance", visit.console.acceptance.accept_now(model, &key, caller)).await {
        Ok(Some(record)) => {
            tracing::info!(
                token.owner = caller,
                "{caller} accepted the content of {model} {key} in the console"
            );
            Ok(Answer::Redirect(record_address(&record).with("notice", Some(Notice::Accepted.name()))))
        }
        Ok(None) => Err(ConsoleError::NotFound),
        Err(AcceptanceError::Store(error)) => Err(error.into()),
        Err(AcceptanceError::Refused(reason)) => {
            let notice = refused(&html! { "The content was not accepted: " (reason) });
            whole(&visit, StatusCode::CONFLICT, &notice).await
        }
    }
}

/// The record that the path names.
fn named(visit: &Visit) -> Result<(Model, RecordKey), ConsoleError> {
    let key = visit.part("identifier").parse().map_err(|_| ConsoleError::NotFound)?;
    Ok((model_of(visit)?, key))
}

async fn whole(visit: &Visit, status: StatusCode, notice: &Markup) -> PageResult {
    let (model, key) = named(visit)?;
    let record = step("catalogue.get", visit.console.catalogue.get(model, &key)).await?;
    let record = record.ok_or(ConsoleError::NotFound)?;
    let mut conditions = step("conditions.conditions", visit.console.conditions.conditions()).await?;
    conditions.retain(|condition| is_of(condition, &record.location.storage));
    let same = same::section(visit, &record).await?;
    let first = html! {
        nav class="crumbs" aria-label="Breadcrumb" {
            ol { li { a href="/console" { "Overview" } } li { a href=(Address::console().below("models").below(model)) { (model) } } }
        }
        h1 { (model) " " (key) }
    };
    let main = html! {
        (head(&first, visit.now, &record_address(&record).to_string()))
        (notice)
        (closed_notes(&conditions, visit.now, true))
        (note::note(&record))
        @if visit.may_act() { (actions(visit, &record)) }
        div class="main" {
            div class="stack" { (checksums::section(&record)) (same) }
            div class="stack" {
                (facts(&record, visit))
                (commands(visit, &record))
            }
        }
    };
    let page = Page::new(format!("{model} {key}"), Section::Overview, main);
    Ok(Page { status, ..page }.into())
}

fn is_of(condition: &Condition, storage: &str) -> bool {
    matches!(&condition.subject, ConditionSubject::Storage(name) if name == storage)
}

fn actions(visit: &Visit, record: &Record) -> Markup {
    let action = |name: &str| record_address(record).below(name);
    html! {
        div class="acts" {
            form method="post" action=(action("recalculate")) {
                (visit.form_value())
                button type="submit" class="primary" { "Recalculate" }
            }
            @if may_be_accepted(record) {
                details class="confirm" {
                    summary { "Accept content…" }
                    form class="stack" method="post" action=(action("accept")) {
                        (visit.form_value())
                        (replacement(record))
                        p { button type="submit" { "Accept content" } }
                    }
                }
            }
        }
    }
}

fn may_be_accepted(record: &Record) -> bool {
    record.status.last_failure().is_some_and(Failure::may_be_accepted)
}

/// What accepting replaces, and by what.
fn replacement(record: &Record) -> Markup {
    let until_now = record.expected.or(record.history().baseline().map(|good| good.digest));
    let found = record.status.last_failure().and_then(Failure::calculated);
    html! {
        p { "What lies in the storage now becomes the good content of this record. It is read once more, and replaces what counted until now:" }
        dl class="facts" {
            @if let Some(known) = until_now { div { dt { "Until now" } dd { (digest(&known)) } } }
            @if let Some(bytes) = record.file_size { div { dt { "Until now" } dd { (counted(bytes, "byte")) } } }
            div {
                dt { "From now on" }
                dd {
                    @match found {
                        Some(found) => { (digest(&found)) " " span class="soft" { "if it is still what was found last" } },
                        None => "the digest and the size of what is read",
                    }
                }
            }
        }
        p { "What was recorded when it was stored is no longer compared." }
    }
}

fn facts(record: &Record, visit: &Visit) -> Markup {
    let (history, now) = (record.history(), visit.now);
    html! {
        section class="block" aria-labelledby="facts" {
            h2 id="facts" { "Record" }
            dl class="facts" {
                div {
                    dt { "Storage" }
                    dd {
                        a href="/console/storages" { (record.location.storage) }
                        @if !visit.console.settings.has_storage(&record.location.storage) {
                            p class="warn" { (icon(Shape::Warn, "")) "Not in the configuration of this service" }
                        }
                    }
                }
                div { dt { "Path" } dd { (path(&record.location.path)) } }
                @if let Some(owner) = &record.owner { div { dt { "Owner" } dd { (owner) } } }
                @if let Some(bytes) = record.file_size {
                    div { dt { "Size" } dd { (size(bytes)) " " small { (counted(bytes, "byte")) " recorded" } } }
                }
                @if let Some(at) = record.created_at { div { dt { "Created" } dd { (moment(at)) } } }
                @if let Some(at) = history.last_checksum_at() { div { dt { "Last check" } dd { (ago(at, now)) } } }
                @if let Some(good) = history.baseline() { div { dt { "Last good" } dd { (ago(good.at, now)) } } }
                @if let Some(since) = history.failing_since() { div { dt { "First failure" } dd { (ago(since, now)) } } }
                @if history.retry_count > 0 { div { dt { "Attempts" } dd { (history.retry_count) " failed since it was last good" } } }
                @if let Some(at) = record.status.retry_at() { div { dt { "Next retry" } dd { (until(at, now)) } } }
                @if record.accepted { div { dt { "Accepted" } dd { "An administrator took other content than the recorded for good." } } }
                @if record.mutable || record.model.is_mutable() { div { dt { "May change" } dd { "Its content may rightly change." } } }
            }
        }
    }
}

fn commands(visit: &Visit, record: &Record) -> Markup {
    let (model, key) = (record.model, &record.key);
    let base = visit.base_url();
    let put = format!(
        "curl -X PUT -H \"PRIVATE-TOKEN: $TOKEN\" {base}/api/v4/admin/data_management/{model}/{key}/checksum"
    );
    html! {
        section class="block" aria-labelledby="cli" {
            h2 id="cli" { "The same on a command line" }
            (command(&format!("stocktake verify {model} --identifiers {key}"), "the command that recalculates"))
            @if may_be_accepted(record) {
                (command(&format!("stocktake accept {model} {key}"), "the command that accepts"))
            }
            (command(&put, "the request"))
        }
    }
}
