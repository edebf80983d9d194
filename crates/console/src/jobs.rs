//! `GET /console/jobs`: the bulk jobs; `POST /console/jobs/:id/cancel` cancels one.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{Job, JobId, JobState, NewJob, Selection, Timestamp};
use stocktake_web::step;

use crate::error::ConsoleError;
use crate::figures::{ago, counted, number, span};
use crate::frame::{Section, head};
use crate::icons::icon;
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::shown::text;
use crate::visit::Visit;

/// How many jobs that have ended are on a page.
const PER_PAGE: u32 = 50;

/// The address of the page.
pub(crate) fn address() -> Address {
    Address::console().below("jobs")
}

/// What a job does, with a link to the records of its model.
pub(crate) fn what(request: &NewJob) -> Markup {
    let selection = &request.selection;
    let records = Address::console().below("models").below(request.model).with("state", selection.state);
    html! {
        "Recalculate " a href=(records) { (request.model) }
        @if let Some(state) = selection.state { ", state " (state) }
        @if let Some(keys) = &selection.keys { ", " (counted(u64::try_from(keys.len()).unwrap_or(u64::MAX), "identifier")) }
        @if !selection.filter.is_empty() { ", " (text(&selection.filter.to_string())) }
        @if *selection == Selection::default() { ", all" }
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
    let main = html! {
        (head(&first, visit.now, "/console/jobs"))
        (shown(query.get("notice")))
        @if open.is_empty() && ended.is_empty() {
            p { "There has been no job yet. The button " b { "Recalculate" } " above a list of records makes one." }
        }
        @if !open.is_empty() { (under_way(&open, &visit)) }
        @if !ended.is_empty() { (ended_table(&ended, visit.now)) }
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
        JobState::Queued => ("queued", "pending", "Queued"),
        JobState::Running => ("running", "started", "Running"),
        JobState::Finished => ("finished", "succeeded", "Finished"),
        JobState::Cancelled => ("cancelled", "disabled", "Cancelled"),
    };
    html! { span class=(format!("state {class}")) { (icon(shape, "")) (word) } }
}

fn under_way(jobs: &[Job], visit: &Visit) -> Markup {
    html! {
        section class="block" {
            h2 { "Under way" }
            table class="cards" role="table" {
                caption class="hush" { "Jobs that run or wait" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Job" }
                        th scope="col" class="flag" role="columnheader" { "State" }
                        th scope="col" class="all" role="columnheader" { "What" }
                        th scope="col" class="n w" role="columnheader" { "Marked so far" }
                        th scope="col" class="n w" role="columnheader" { "Rate" }
                        th scope="col" class="w" role="columnheader" { "Asked by" }
                        @if visit.may_act() { th scope="col" class="act" role="columnheader" { span class="hush" { "Cancel" } } }
                    }
                }
                tbody role="rowgroup" {
                    @for job in jobs { (open_row(job, visit)) }
                }
            }
        }
    }
}

fn open_row(job: &Job, visit: &Visit) -> Markup {
    let id = job.id.0;
    let cancel = address().below(id).below("cancel");
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (id) }
            td class="flag" role="cell" { (state(job)) }
            td class="all" role="cell" { p { (what(&job.request)) } }
            td class="n w" data-l="Marked so far" role="cell" { span data-live=(format!("marked-{id}")) { (number(job.marked)) } }
            td class="n w" data-l="Rate" role="cell" { span data-live=(format!("rate-{id}")) { (rate(job, visit.now)) } }
            td class="w" data-l="Asked by" role="cell" { (text(&job.request.requested_by)) " " (ago(job.created_at, visit.now)) }
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

fn ended_table(jobs: &[&Job], now: Timestamp) -> Markup {
    html! {
        section class="block stack" {
            h2 { "Ended" }
            table class="cards" role="table" {
                caption class="hush" { "Jobs that ended, newest first" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Job" }
                        th scope="col" class="flag" role="columnheader" { "State" }
                        th scope="col" class="all" role="columnheader" { "What" }
                        th scope="col" class="n" role="columnheader" { "Records marked" }
                        th scope="col" class="nw" role="columnheader" { "Took" }
                        th scope="col" class="nw" role="columnheader" { "Ended" }
                        th scope="col" role="columnheader" { "Asked by" }
                    }
                }
                tbody role="rowgroup" {
                    @for job in jobs {
                        tr role="row" {
                            th scope="row" role="rowheader" { (job.id.0) }
                            td class="flag" role="cell" { (state(job)) }
                            td class="all" role="cell" { (what(&job.request)) }
                            td class="n" data-l="Records marked" role="cell" { (number(job.marked)) }
                            (took(job))
                            @match job.finished_at {
                                Some(at) => td class="nw" data-l="Ended" role="cell" { (ago(at, now)) },
                                None => td class="nw none" data-l="Ended" role="cell" {},
                            }
                            td data-l="Asked by" role="cell" { (text(&job.request.requested_by)) }
                        }
                    }
                }
            }
        }
    }
}

fn took(job: &Job) -> Markup {
    html! {
        @match (job.started_at, job.finished_at) {
            (Some(begun), Some(ended)) => td class="nw" data-l="Took" role="cell" { (span(ended.since(begun).as_secs())) },
            _ => td class="nw none" data-l="Took" role="cell" {},
        }
    }
}
