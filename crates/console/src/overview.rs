//! `GET /console`: whether all is well, and if not, what is wrong and where.

mod days;
mod empty;
mod tables;

use std::rc::Rc;

use futures_util::{TryFutureExt as _, try_join};
use maud::{Markup, html};
use stocktake_domain::ports::{DayResults, FailureGroup, ModelSummary, ModelSyncState, WorkerActivity};
use stocktake_domain::{Condition, ConditionSubject, Job, Model, OrphanWalk, State, Timestamp};
use stocktake_web::{Snapshot, in_state, step};

use crate::activity::{self, Rate};
use crate::figures::{counted, number, share, span};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::jobs::what;
use crate::orphans;
use crate::response::{Page, PageResult};
use crate::storages::closed_notes;
use crate::visit::Visit;
use crate::words::{badge, faint};

/// What the page shows.
struct Overview<'a> {
    snapshot: &'a Snapshot,
    totals: Totals,
    conditions: &'a [Condition],
    jobs: &'a [Job],
    syncs: &'a [ModelSyncState],
    failing: &'a [FailureGroup],
    results: &'a [DayResults],
    workers: &'a [WorkerActivity],
    walk: Option<&'a (OrphanWalk, orphans::Progress)>,
    storages: usize,
    now: Timestamp,
}

/// Sums over all models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    records: u64,
    succeeded: u64,
    failed: u64,
    pending: u64,
    started: u64,
    disabled: u64,
    /// Pending and started records whose last attempt failed.
    rereading: u64,
}

impl Totals {
    fn of(models: &[ModelSummary]) -> Self {
        let sum = |state| models.iter().map(|model| in_state(model, state)).sum();
        Self {
            records: models.iter().flat_map(|model| &model.states).map(|(_, count)| count).sum(),
            succeeded: sum(State::Succeeded),
            failed: sum(State::Failed),
            pending: sum(State::Pending),
            started: sum(State::Started),
            disabled: sum(State::Disabled),
            rereading: models.iter().flat_map(|model| &model.rereading).map(|(_, count)| count).sum(),
        }
    }

    /// Records whose last attempt failed.
    const fn attention(self) -> u64 {
        self.failed.saturating_add(self.rereading)
    }

    /// The answer to "is all well?".
    fn verdict(self) -> String {
        match self.attention() {
            1 => "1 record needs attention".to_owned(),
            many if many > 1 => format!("{} records need attention", number(many)),
            _ if self.succeeded == self.records => match self.records {
                1 => "The only record is verified".to_owned(),
                all => format!("All {} records verified", number(all)),
            },
            _ => format!("{} of {} records verified", number(self.succeeded), number(self.records)),
        }
    }

    /// The same as a silhouette: what was not read is no good news.
    const fn shape(self) -> (Shape, &'static str) {
        if self.attention() > 0 {
            (Shape::Failed, "bad")
        } else if self.succeeded.saturating_add(self.disabled) == self.records && self.succeeded > 0 {
            (Shape::Succeeded, "")
        } else {
            (Shape::Pending, "")
        }
    }

    /// What is to be said besides.
    fn besides(self) -> String {
        let mut sentences = Vec::new();
        if self.attention() > 0 {
            let verified = (number(self.succeeded), counted(self.records, "record"));
            sentences.push(format!("{} of {} verified.", verified.0, verified.1));
        }
        let waiting = self.pending.saturating_add(self.started).saturating_sub(self.rereading);
        if waiting > 0 {
            sentences.push(format!("{} still to be read.", number(waiting)));
        }
        if self.rereading > 0 {
            sentences.push(format!("{} that failed are being read again.", number(self.rereading)));
        }
        if self.disabled > 0 {
            sentences.push(format!("{} switched off.", number(self.disabled)));
        }
        sentences.join(" ")
    }
}

/// `GET /console`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let console = &visit.console;
    let (snapshot, conditions, jobs, syncs, failing, results, workers, walk) = try_join!(
        console.summary.get().err_into(),
        step("conditions.conditions", console.conditions.conditions()).err_into(),
        step("jobs.open", console.jobs.open()).err_into(),
        step("sync_state.states", console.sync_state.states()).err_into(),
        step("catalogue.failure_groups", console.catalogue.failure_groups()).err_into(),
        step("catalogue.results_by_day", console.catalogue.results_by_day(days::SHOWN)).err_into(),
        activity::workers(console),
        orphans::open_walk(&visit),
    )?;
    let overview = Overview {
        totals: Totals::of(&snapshot.models),
        snapshot: &snapshot,
        conditions: &conditions,
        jobs: &jobs,
        syncs: &syncs,
        failing: &failing,
        results: &results,
        workers: &workers,
        walk: walk.as_ref(),
        storages: console.settings.storages.len(),
        now: visit.now,
    };
    if overview.totals.records == 0 {
        let main = empty::main(&console.settings, snapshot.as_of);
        return Ok(Page::new("No records yet", Section::Overview, main).into());
    }
    let title = overview.totals.verdict();
    Ok(Page::new(title, Section::Overview, overview.main()).into())
}

impl Overview<'_> {
    fn main(&self) -> Markup {
        let totals = self.totals;
        let (shape, class) = totals.shape();
        let first = html! {
            h1 class="verdict" { (icon(shape, class)) span data-live="verdict" { (totals.verdict()) } }
            p class="lede" {
                span data-live="besides" { (totals.besides()) }
                @if totals.attention() > 0 { " " a class="live" href="/console/findings" { "Findings" } }
            }
        };
        html! {
            (head(&first, self.snapshot.as_of, "/console"))
            (closed_notes(self.conditions, self.now, true))
            (self.states())
            div class="two" data-rows="condition" {
                div class="stack" {
                    @if !self.failing.is_empty() {
                        (tables::by_storage(self.failing))
                        (tables::by_model(self.failing))
                    }
                }
                div class="stack" {
                    (self.running())
                    (self.condition())
                }
            }
            (tables::models(&self.snapshot.models, self.failing, self.results, self.now))
            (days::table_of_days(self.results, self.now))
        }
    }

    fn states(&self) -> Markup {
        let totals = self.totals;
        let rows = [
            (
                State::Succeeded,
                totals.succeeded,
                format!("{} of {}", share(totals.succeeded, totals.records), number(totals.records)),
            ),
            (State::Failed, totals.failed, String::new()),
            (State::Pending, totals.pending, String::new()),
            (State::Started, totals.started, String::new()),
            (State::Disabled, totals.disabled, String::new()),
        ];
        html! {
            dl class="totals" {
                @for (state, count, besides) in rows {
                    div {
                        // What there is none of asks for nothing.
                        dt { @if count > 0 { (badge(state)) } @else { (faint(state)) } }
                        dd class=[(state == State::Failed && count > 0).then_some("failed")] data-live=(format!("total-{state}")) {
                            (number(count))
                        }
                        @if !besides.is_empty() { dd class="soft" data-live=(format!("share-{state}")) { (besides) } }
                    }
                }
            }
        }
    }

    /// What runs: reading, jobs, a walk.
    fn running(&self) -> Markup {
        let totals = self.totals;
        let left = totals.pending.saturating_add(totals.started);
        let rate = Rate::of(self.workers);
        let is_reading = left > 0 && !self.workers.is_empty();
        html! {
            section class="block now" aria-labelledby="now" {
                h2 id="now" { "Running now" }
                @if is_reading {
                    (reading(totals.records.saturating_sub(totals.disabled), left, rate))
                }
                @for job in self.jobs {
                    div class="row spread" {
                        span { a href="/console/jobs" { "Job " (job.id.0) } ", " (what(job)) }
                        span { (number(job.marked)) " marked" }
                    }
                }
                @if let Some((walk, progress)) = self.walk {
                    div class="row spread" {
                        span { a href="/console/orphans" { "Walk " (walk.id.0) } " through the storages" }
                        span { (number(progress.looked_at())) " looked at" }
                    }
                }
                @if !is_reading && left > 0 {
                    p { (icon(Shape::Warn, "warn")) "Nobody reads: no worker runs, and " (number(left)) " are to be read." }
                } @else if !is_reading && self.jobs.is_empty() && self.walk.is_none() {
                    p class="soft" { "Nothing. All that is due was read." }
                }
            }
        }
    }

    fn condition(&self) -> Markup {
        let of_storage = |condition: &&Condition| matches!(condition.subject, ConditionSubject::Storage(_));
        let mut closed: Vec<_> =
            self.conditions.iter().filter(of_storage).map(|condition| &condition.subject).collect();
        closed.dedup();
        let processes: Vec<_> = self.conditions.iter().filter(|condition| !of_storage(condition)).collect();
        html! {
            section class="block" aria-labelledby="cond" {
                h2 id="cond" { "Condition" }
                dl class="facts" {
                    div {
                        dt { "Storages" }
                        dd {
                            @if closed.is_empty() {
                                span class="state succeeded" { (icon(Shape::Succeeded, "")) "None closed" }
                            } @else {
                                a class="warn" href="/console/storages" { (icon(Shape::Warn, "")) (closed.len()) " closed" }
                            }
                            ", " (counted(u64::try_from(self.storages).unwrap_or(u64::MAX), "storage")) " configured"
                        }
                    }
                    div { dt { a href="/console/jobs#workers" { "Workers" } } dd { (activity::line(self.workers, self.now)) } }
                    @for process in processes {
                        div {
                            dt { "Process" }
                            dd { span class="warn" { (icon(Shape::Warn, "")) "on " (process.host) } ": " (process.reason) }
                        }
                    }
                    @if !self.syncs.is_empty() { div { dt { a href="/console/sync" { "Sync" } } dd { (self.sync()) } } }
                }
            }
        }
    }

    fn sync(&self) -> Markup {
        let problems: Vec<_> =
            self.syncs.iter().filter_map(|sync| Some((sync.model, sync.problem.as_deref()?))).collect();
        let oldest = self.syncs.iter().filter_map(|sync| sync.read_at).min();
        let read = self.syncs.iter().filter(|sync| sync.problem.is_some() || sync.last_read().is_some());
        let unread = Model::ALL.len().saturating_sub(read.count());
        let scanned = self.syncs.iter().filter_map(|sync| sync.full_scan.ended_at).min();
        let ago = |at| span(self.now.since(at).as_secs());
        html! {
            @if problems.is_empty() {
                span class="state succeeded" { (icon(Shape::Succeeded, "")) "No problem" }
            } @else {
                span class="warn" { (icon(Shape::Warn, "")) (counted(u64::try_from(problems.len()).unwrap_or(u64::MAX), "problem")) }
            }
            @if unread > 0 { "; " (counted(u64::try_from(unread).unwrap_or(u64::MAX), "data type")) " not read yet" }
            @if let Some(oldest) = oldest { "; new rows read " (ago(oldest)) " ago" }
            @if let Some(scanned) = scanned { "; full scan ended " (ago(scanned)) " ago" }
            @for (model, problem) in problems { p { (model) ": " (problem) } }
        }
    }
}

/// How far the reading of all records is that are not switched off.
fn reading(records: u64, left: u64, rate: Rate) -> Markup {
    let read = records.saturating_sub(left);
    html! {
        div class="row spread" {
            span { "Verification of what is due" }
            span { (share(read, records)) }
        }
        progress value=(read) max=(records) aria-label="Records read" { (share(read, records)) }
        div class="row spread soft" {
            span { (number(left)) " to read" }
            span { (rate.records_text()) ", " (rate.bytes_text()) }
            span { @if let Some(time) = rate.time_for(left) { "about " (time) " left" } @else { "time left not known yet" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(succeeded: u64, failed: u64, pending: u64, rereading: u64) -> Totals {
        let records = succeeded + failed + pending;
        Totals { records, succeeded, failed, pending, rereading, ..Totals::default() }
    }

    #[test]
    fn the_verdict_is_one_sentence() {
        for (totals, verdict, besides) in [
            (totals(12_403, 0, 0, 0), "All 12,403 records verified", ""),
            (totals(1, 0, 0, 0), "The only record is verified", ""),
            (totals(0, 1, 0, 0), "1 record needs attention", "0 of 1 record verified."),
            (
                totals(5, 30, 1, 1),
                "31 records need attention",
                "5 of 36 records verified. 1 that failed are being read again.",
            ),
            (totals(5, 0, 2, 0), "5 of 7 records verified", "2 still to be read."),
        ] {
            assert_eq!((totals.verdict().as_str(), totals.besides().as_str()), (verdict, besides));
        }
    }

    #[test]
    fn only_what_was_verified_is_good_news() {
        let off = Totals { disabled: 2, records: 7, ..totals(5, 0, 0, 0) };
        let all_off = Totals { disabled: 2, records: 2, ..Totals::default() };
        for (totals, shape) in [
            (totals(5, 0, 0, 0), Shape::Succeeded),
            (off, Shape::Succeeded),
            (totals(5, 0, 1, 0), Shape::Pending),
            (totals(0, 0, 29, 0), Shape::Pending),
            (all_off, Shape::Pending),
            (totals(5, 1, 0, 0), Shape::Failed),
            (totals(5, 0, 1, 1), Shape::Failed),
        ] {
            assert_eq!(totals.shape().0, shape, "{totals:?}");
        }
    }
}
