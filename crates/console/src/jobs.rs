//! `GET /console/jobs`: the bulk jobs; `POST /console/jobs/:id/cancel` cancels one.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{Job, JobId, JobScope, JobState, State, Timestamp};
use stocktake_web::{Snapshot, in_state, step};

use crate::activity;
use crate::error::ConsoleError;
use crate::figures::{ago, counted, number, span};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::tables::{optional, table};
use crate::visit::Visit;

/// How many jobs that have ended are on a page.
const PER_PAGE: u32 = 50;

/// The address of the page.
pub(crate) fn address() -> Address {
    Address::console().below("jobs")
}

/// What a job does, with a link to the records of its model.
pub(crate) fn what(job: &Job) -> Markup {
    let JobScope { state, key_count, filter } = &job.scope;
    let records = Address::console().below("models").below(job.model).with("state", *state);
    html! {
        "Recalculate " a href=(records) { (job.model) }
        @if let Some(state) = state { ", state " (state) }
        @if let Some(keys) = key_count { ", " (counted(*keys, "identifier")) }
        @if !filter.is_empty() { ", " (filter.to_string()) }
        @if job.scope == JobScope::default() { ", all" }
    }
}

/// `GET /console/jobs`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let query = visit.query();
    let before = query.get("before").map(|text| text.parse().map(JobId)).transpose();
    let before = before.map_err(|_| ConsoleError::NotFound)?;
    let open = step("jobs.open", visit.console.jobs.open()).await?;
    let mut listed = step("jobs.list", visit.console.jobs.list(before, PER_PAGE.saturating_add(1))).await?;
    let shown_jobs = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let has_more = listed.len() > shown_jobs;
    listed.truncate(shown_jobs);
    let older = listed.last().filter(|_| has_more).map(|job| address().with("before", Some(job.id.0)));
    let ended: Vec<_> = listed.iter().filter(|job| job.state.is_over()).collect();
    let running = open.iter().filter(|job| job.state == JobState::Running).count();
    let first = html! {
        h1 { "Jobs" }
        p class="lede" { (running) " running, " (open.len() - running) " queued." }
    };
    let snapshot = visit.console.summary.get().await?;
    let workers = activity::workers(&visit.console).await?;
    let main = html! {
        (head(&first, visit.now, "/console/jobs"))
        (shown(query.get("notice")))
        @if open.is_empty() && ended.is_empty() {
            p { "There has been no job yet. The button " b { "Recalculate" } " above a list of records makes one." }
        }
        div class="rows" data-rows="jobs" {
            @if !open.is_empty() { (under_way(&open, &snapshot, &visit)) }
            (activity::table(&workers, visit.now))
            @if !ended.is_empty() { (ended_table(&ended, visit.now)) }
        }
        @if let Some(older) = older { p { a href=(older) { "Older jobs" } } }
    };
    Ok(Page::new("Jobs", Section::Jobs, main).into())
}

/// `POST /console/jobs/:id/cancel`.
pub(crate) async fn cancel(visit: Rc<Visit>, _: Fields) -> PageResult {
    let id = visit.part("id").parse().map(JobId).map_err(|_| ConsoleError::NotFound)?;
    let job = step("jobs.cancel", visit.console.jobs.cancel(id)).await?.ok_or(ConsoleError::NotFound)?;
    let notice = if job.state == JobState::Cancelled { Notice::Cancelled } else { Notice::Over };
    tracing::info!(
        job.id = id.0,
        token.owner = visit.identity.username,
        "job {} cancelled in the console",
        id.0
    );
    Ok(Answer::Redirect(address().with("notice", Some(notice.name()))))
}

fn state(job: &Job) -> Markup {
    let (class, shape, word) = match job.state {
        JobState::Queued => ("queued", Shape::Pending, "Queued"),
        JobState::Running => ("running", Shape::Started, "Running"),
        JobState::Finished => ("finished", Shape::Succeeded, "Finished"),
        JobState::Cancelled => ("cancelled", Shape::Disabled, "Cancelled"),
    };
    html! { span class=(format!("state {class}")) { (icon(shape, "")) (word) } }
}

fn under_way(jobs: &[Job], snapshot: &Snapshot, visit: &Visit) -> Markup {
    let mut columns = vec![
        ("Job", ""),
        ("State", "flag"),
        ("What", "all"),
        ("Marked so far", "n w"),
        ("Rate", "n w"),
        ("Time left", "n w"),
        ("Asked by", "w"),
    ];
    if visit.may_act() {
        columns.push(("Cancel", "act"));
    }
    let rows = html! { @for job in jobs { (open_row(job, snapshot, visit)) } };
    html! {
        section class="block" {
            h2 { "Under way" }
            (table("cards", "Jobs that run or wait", &columns, &rows))
        }
    }
}

fn open_row(job: &Job, snapshot: &Snapshot, visit: &Visit) -> Markup {
    let id = job.id.0;
    let cancel = address().below(id).below("cancel");
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (id) }
            td class="flag" role="cell" { (state(job)) }
            td class="all" role="cell" { p { (what(job)) } }
            td class="n w" data-l="Marked so far" role="cell" { (number(job.marked)) }
            td class="n w" data-l="Rate" role="cell" { (rate(job, visit.now)) }
            td class="n w" data-l="Time left" role="cell" { (left(job, snapshot, visit.now)) }
            td class="w" data-l="Asked by" role="cell" { (job.requested_by) " " (ago(job.created_at, visit.now)) }
            @if visit.may_act() {
                td class="act" role="cell" {
                    form method="post" action=(cancel) {
                        (visit.form_value())
                        button type="submit" class="small" { "Cancel" span class="hush" { " job " (id) } }
                    }
                }
            }
        }
    }
}

/// How many records a second were marked since the job began.
fn rate(job: &Job, now: Timestamp) -> String {
    let seconds = job.started_at.map_or(0, |begun| now.since(begun).as_secs());
    if job.marked == 0 {
        return "none yet".to_owned();
    }
    format!("{} records/s", number(job.marked / seconds.max(1)))
}

/// How long the job will take from now on, if that can be told.
fn left(job: &Job, snapshot: &Snapshot, now: Timestamp) -> String {
    let Some(records) = ahead(job, snapshot) else { return "not known".to_owned() };
    let seconds = job.started_at.map_or(0, |begun| now.since(begun).as_secs());
    match records.saturating_mul(seconds.max(1)).checked_div(job.marked) {
        Some(left) => format!("about {}", span(left)),
        None => "not known".to_owned(),
    }
}

/// How many records the job has not come to, where that is known without counting them.
fn ahead(job: &Job, snapshot: &Snapshot) -> Option<u64> {
    let JobScope { state, key_count, filter } = &job.scope;
    if !filter.is_empty() {
        return None;
    }
    if let Some(keys) = key_count {
        return keys.checked_sub(job.marked);
    }
    let summary = snapshot.models.iter().find(|summary| summary.model == job.model)?;
    match *state {
        // What is marked is pending, and was something else. All of a data type are marked at once.
        Some(State::Pending | State::Started) | None => None,
        Some(state) => Some(in_state(summary, state)),
    }
}

fn ended_table(jobs: &[&Job], now: Timestamp) -> Markup {
    let columns = [
        ("Job", ""),
        ("State", "flag"),
        ("What", "all"),
        ("Records marked", "n"),
        ("Took", "nw"),
        ("Ended", "nw"),
        ("Asked by", ""),
    ];
    let rows = html! {
        @for job in jobs {
            tr role="row" {
                th scope="row" role="rowheader" { (job.id.0) }
                td class="flag" role="cell" { (state(job)) }
                td class="all" role="cell" { (what(job)) }
                td class="n" data-l="Records marked" role="cell" { (number(job.marked)) }
                (took(job))
                (optional(job.finished_at.map(|at| ago(at, now)).as_ref(), "Ended", "nw"))
                td data-l="Asked by" role="cell" { (job.requested_by) }
            }
        }
    };
    html! {
        section class="block stack" {
            h2 { "Ended" }
            (table("cards", "Jobs that ended, newest first", &columns, &rows))
        }
    }
}

fn took(job: &Job) -> Markup {
    let took = job.started_at.zip(job.finished_at).map(|(begun, ended)| span(ended.since(begun).as_secs()));
    optional(took.map(|took| html! { (took) }).as_ref(), "Took", "nw")
}
