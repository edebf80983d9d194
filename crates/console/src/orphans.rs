//! `GET /console/orphans`: content that nothing claims, as the last walk through the storages found it; `POST …/walk` asks
//! for another walk, `POST …/:id/cancel` cancels it.

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{
    Location, Orphan, OrphanTotals, OrphanWalk, StorageOutcome, Timestamp, WalkId, WalkState, WalkedStorage,
};
use stocktake_web::step;

use crate::error::ConsoleError;
use crate::figures::{ago, counted, number, short_size, size, span};
use crate::frame::{Section, head};
use crate::icons::icon;
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::shown::{path, text};
use crate::tables::{figure, optional, table};
use crate::visit::Visit;

/// How many orphans are on a page.
const PER_PAGE: u32 = 100;

/// Among how many walks the last one that ended well is looked for.
const WALKS: u32 = 50;

fn address() -> Address {
    Address::console().below("orphans")
}

/// `GET /console/orphans`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let walks = &visit.console.orphan_walks;
    let query = visit.query();
    let after = query.get("after_storage").zip(query.get("after"));
    let after = after.map(|(storage, path)| Location { storage: storage.to_owned(), path: path.to_owned() });
    let listed = step("orphan_walks.list", walks.list(WALKS)).await?;
    let newest = listed.first();
    let open = newest.filter(|walk| !walk.state.is_over());
    let done = listed.iter().find(|walk| walk.state == WalkState::Finished);
    let progress = match open {
        Some(walk) => step("orphan_walks.storages", walks.storages(walk.id)).await?,
        None => Vec::new(),
    };
    let found = match done {
        Some(walk) => Some(Found::read(&visit, walk, after).await?),
        None => None,
    };
    let first = html! {
        h1 { "Orphans" }
        p class="lede" { (found.as_ref().map_or_else(|| html! { "No walk has ended yet." }, |found| found.sentence(visit.now))) }
    };
    let main = html! {
        (head(&first, visit.now, "/console/orphans"))
        (shown(query.get("notice")))
        div class="rows" data-rows="orphans" {
          @if !visit.console.settings.has_source {
            p { "Orphans are found where a GitLab is configured: only its database says to what content belongs. See " code { "[sources.gitlab]" } "." }
        } @else {
            @match open {
                Some(walk) => (under_way(walk, &progress, &visit)),
                None => @if visit.may_act() { (start(&visit)) },
            }
            @if let Some(walk) = newest.filter(|walk| walk.state == WalkState::Failed) { (failed(walk, visit.now)) }
        }
        @if let Some(found) = &found { (found.tables()) }
        }
    };
    Ok(Page::new("Orphans", Section::Orphans, main).into())
}

/// `POST /console/orphans/walk`.
pub(crate) async fn walk(visit: Rc<Visit>, _: Fields) -> PageResult {
    if !visit.console.settings.has_source {
        return Err(ConsoleError::NotFound);
    }
    let caller = &visit.identity.username;
    let walk = step("orphan_walks.request", visit.console.orphan_walks.request(caller)).await?;
    let id = walk.id.0;
    tracing::info!(
        walk.id = id,
        token.owner = caller,
        "walk {id} in search of orphans asked for by {caller}"
    );
    Ok(Answer::Redirect(address().with("notice", Some(Notice::Walks.name()))))
}

/// `POST /console/orphans/:id/cancel`.
pub(crate) async fn cancel(visit: Rc<Visit>, _: Fields) -> PageResult {
    let id = visit.part("id").parse().map(WalkId).map_err(|_| ConsoleError::NotFound)?;
    let walk = step("orphan_walks.cancel", visit.console.orphan_walks.cancel(id)).await?;
    let walk = walk.ok_or(ConsoleError::NotFound)?;
    let notice = if walk.state == WalkState::Cancelled { Notice::WalkCancelled } else { Notice::WalkOver };
    let (id, caller) = (id.0, &visit.identity.username);
    tracing::info!(walk.id = id, token.owner = caller, "walk {id} cancelled in the console by {caller}");
    Ok(Answer::Redirect(address().with("notice", Some(notice.name()))))
}

/// The walk that waits or runs, which the overview shows too.
pub(crate) async fn open_walk(visit: &Visit) -> Result<Option<(OrphanWalk, OrphanTotals)>, ConsoleError> {
    let walks = &visit.console.orphan_walks;
    let newest = step("orphan_walks.list", walks.list(1)).await?.into_iter().next();
    let Some(walk) = newest.filter(|walk| !walk.state.is_over()) else { return Ok(None) };
    let storages = step("orphan_walks.storages", walks.storages(walk.id)).await?;
    Ok(Some((walk, totals(&storages))))
}

fn totals(storages: &[WalkedStorage]) -> OrphanTotals {
    let mut all = OrphanTotals::default();
    for walked in storages {
        all.add(&walked.totals);
    }
    all
}

fn start(visit: &Visit) -> Markup {
    html! {
        form class="row" method="post" action=(address().below("walk")) {
            (visit.form_value())
            button type="submit" class="primary" { "Walk now" }
            span class="soft" { "Lists all that lies in the storages, and compares it with the records. Nothing is changed or deleted." }
        }
    }
}

fn failed(walk: &OrphanWalk, now: Timestamp) -> Markup {
    html! {
        div class="note wrong" {
            (icon("failed", "bad"))
            p {
                strong { "The last walk failed" }
                @if let Some(at) = walk.finished_at { " " (ago(at, now)) }
                ": " (text(walk.problem.as_deref().unwrap_or_default())) ". What an earlier walk found is still below."
            }
        }
    }
}

fn under_way(walk: &OrphanWalk, storages: &[WalkedStorage], visit: &Visit) -> Markup {
    let all = totals(storages);
    let took = walk.started_at.map(|begun| visit.now.since(begun).as_secs());
    let now_in = storages.iter().find(|walked| walked.outcome.is_none());
    let rate = all.looked_at.checked_div(took.unwrap_or(0)).map(|rate| format!("{} a second", number(rate)));
    html! {
        section class="block now" aria-labelledby="walk" {
            h2 id="walk" { "Walk " (walk.id.0) ", " @if walk.state == WalkState::Queued { "waits to be begun" } @else { "under way" } }
            div class="row spread" {
                span { "Asked for by " (text(&walk.requested_by)) " " (ago(walk.created_at, visit.now)) }
                span { (counted(all.looked_at, "entry").replace("entrys", "entries")) " looked at" }
                span { (counted(all.orphans, "orphan")) ", " (short_size(all.bytes)) }
            }
            progress aria-label="Walk through the storages" {}
            div class="row spread soft" {
                span { @if let Some(walked) = now_in { "Now in " (text(&walked.storage)) } @else { "Between two storages" } }
                @if let Some(rate) = rate { span { (rate) } }
                @if let Some(took) = took { span { "since " (span(took)) } }
            }
            @if visit.may_act() {
                form method="post" action=(address().below(walk.id.0).below("cancel")) {
                    (visit.form_value())
                    button type="submit" class="small" { "Cancel" span class="hush" { " walk " (walk.id.0) } }
                }
            }
        }
    }
}

/// What a walk found.
struct Found {
    walk: OrphanWalk,
    storages: Vec<WalkedStorage>,
    orphans: Vec<Orphan>,
    next: Option<Location>,
}

impl Found {
    async fn read(visit: &Visit, walk: &OrphanWalk, after: Option<Location>) -> Result<Self, ConsoleError> {
        let walks = &visit.console.orphan_walks;
        let storages = step("orphan_walks.storages", walks.storages(walk.id)).await?;
        let page = walks.orphans(walk.id, after, PER_PAGE.saturating_add(1));
        let mut orphans = step("orphan_walks.orphans", page).await?;
        let shown = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
        let has_next = orphans.len() > shown;
        orphans.truncate(shown);
        let next = orphans.last().filter(|_| has_next).map(|orphan| orphan.location.clone());
        Ok(Self { walk: walk.clone(), storages, orphans, next })
    }

    fn sentence(&self, now: Timestamp) -> Markup {
        let all = totals(&self.storages);
        let walked = self.storages.iter().filter(|walked| walked.outcome == Some(StorageOutcome::Searched));
        let walked = counted(u64::try_from(walked.count()).unwrap_or(u64::MAX), "storage");
        html! {
            (counted(all.orphans, "orphan")) " of " (short_size(all.bytes)) " in " (walked)
            @if let Some(at) = self.walk.finished_at { ", as the walk found that ended " (ago(at, now)) }
            "."
        }
    }

    fn tables(&self) -> Markup {
        let columns = [
            ("Storage", ""),
            ("Walk", "flag"),
            ("Looked at", "n"),
            ("Orphans", "n"),
            ("Bytes", "n"),
            ("GitLab’s own", "n"),
            ("Too new", "n"),
            ("Not understood", "n"),
            ("Skipped", "n"),
        ];
        let rows = html! { @for walked in &self.storages { (storage_row(walked)) } };
        let kept = u64::try_from(self.orphans.len()).unwrap_or(u64::MAX);
        let has_sizes = self.orphans.iter().any(|orphan| orphan.size.is_some());
        let mut listed = vec![("Storage", ""), ("Path", "all")];
        if has_sizes {
            listed.push(("Size", "n"));
        }
        listed.push(("Changed", ""));
        let lines =
            html! { @for orphan in &self.orphans { (orphan_row(orphan, has_sizes, self.walk.created_at)) } };
        let next = self
            .next
            .as_ref()
            .map(|last| address().with("after_storage", Some(&last.storage)).with("after", Some(&last.path)));
        html! {
            section class="block" {
                h2 { "Storages" }
                (table("cards dense", "What the walk found in each storage", &columns, &rows))
            }
            @if !self.orphans.is_empty() {
                section class="block stack" {
                    h2 { "Orphans" }
                    p class="soft" {
                        "The first 10,000 of each storage are kept; " code { "stocktake orphans --format csv" }
                        " lists all. Look at one before you delete it: a backup or another program may own it."
                    }
                    (table("cards", &format!("{} on this page", counted(kept, "orphan")), &listed, &lines))
                    @if let Some(next) = next { nav class="row spread" aria-label="Pages" { span {} a class="button" rel="next" href=(next) { "Next page" } } }
                }
            }
        }
    }
}

fn storage_row(walked: &WalkedStorage) -> Markup {
    let totals = &walked.totals;
    let count = |label, count| figure(label, count, &html! { (number(count)) });
    let (is_well, word, reason) = match walked.outcome.as_ref() {
        None | Some(StorageOutcome::Searched) if totals.skipped > 0 => (false, "In part", None),
        None | Some(StorageOutcome::Searched) => (true, "Whole", None),
        Some(StorageOutcome::NotConfigured) => (false, "Not configured", None),
        Some(StorageOutcome::Unused(reason)) => (true, "Not used", Some(reason)),
        Some(StorageOutcome::Failed(reason)) => (false, "In part", Some(reason)),
        Some(StorageOutcome::Disordered(reason)) => (false, "Not reliable", Some(reason)),
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (text(&walked.storage)) }
            td class="flag" role="cell" {
                @if is_well {
                    span class="state succeeded" { (icon("succeeded", "")) (word) }
                } @else {
                    span class="warn nw" { (icon("warn", "")) (word) }
                }
                @if let Some(reason) = reason { p class="soft" { (text(reason)) } }
            }
            (count("Looked at", totals.looked_at))
            (count("Orphans", totals.orphans))
            (figure("Bytes", totals.bytes, &size(totals.bytes)))
            (count("GitLab’s own", totals.internal))
            (count("Too new", totals.young))
            (count("Not understood", totals.not_understood))
            (count("Skipped", totals.skipped))
        }
    }
}

fn orphan_row(orphan: &Orphan, has_sizes: bool, now: Timestamp) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (text(&orphan.location.storage)) }
            td class="all" role="cell" { (path(&orphan.location.path)) }
            @if has_sizes { (optional(orphan.size.map(size).as_ref(), "Size", "n")) }
            (optional(orphan.modified_at.map(|at| ago(at, now)).as_ref(), "Changed", ""))
        }
    }
}
