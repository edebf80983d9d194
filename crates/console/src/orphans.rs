//! `GET /console/orphans`: content that nothing claims, and what container registries keep though nothing refers to it, as the
//! last walk through the storages found it; `POST …/walk` asks for another walk, `POST …/:id/cancel` cancels it.

mod found;
mod listed;
mod registries;

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::{
    OrphanTotals, OrphanWalk, SearchedRegistry, Timestamp, UnreferencedTotals, WalkId, WalkState,
    WalkedStorage,
};
use stocktake_web::step;

use crate::error::ConsoleError;
use crate::figures::{ago, counted, number, short_size, span};
use crate::frame::{Section, head};
use crate::icons::{Shape, icon};
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::visit::Visit;

use found::{Cursors, Found};

/// Among how many walks the last one that ended well is looked for.
const WALKS: u32 = 50;

fn address() -> Address {
    Address::console().below("orphans")
}

/// `GET /console/orphans`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let walks = &visit.console.orphan_walks;
    let query = visit.query();
    let listed = step("orphan_walks.list", walks.list(WALKS)).await?;
    let newest = listed.first();
    let open = newest.filter(|walk| !walk.state.is_over());
    let done = listed.iter().find(|walk| walk.state == WalkState::Finished);
    let progress = match open {
        Some(walk) => Progress::read(&visit, walk).await?,
        None => Progress::default(),
    };
    let found = match done {
        Some(walk) => Some(Found::read(&visit, walk, Cursors::of(&query)).await?),
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
          @if !visit.console.settings.can_walk() {
            p { "Orphans are found where a GitLab is configured: only its database says to what content belongs. See " code { "[sources.gitlab]" } "." }
            p { "What nothing refers to is found in container registries whose folder or bucket is a storage, of the kind " code { "registry-directory" } " or " code { "registry-bucket" } "." }
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
    if !visit.console.settings.can_walk() {
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

/// How far a walk is.
#[derive(Default)]
pub(crate) struct Progress {
    storages: Vec<WalkedStorage>,
    registries: Vec<SearchedRegistry>,
}

impl Progress {
    async fn read(visit: &Visit, walk: &OrphanWalk) -> Result<Self, ConsoleError> {
        let walks = &visit.console.orphan_walks;
        let storages = step("orphan_walks.storages", walks.storages(walk.id)).await?;
        let registries = step("orphan_walks.registries", walks.registries(walk.id)).await?;
        Ok(Self { storages, registries })
    }

    fn orphans(&self) -> OrphanTotals {
        let mut all = OrphanTotals::default();
        for walked in &self.storages {
            all.add(&walked.totals);
        }
        all
    }

    fn unreferenced(&self) -> UnreferencedTotals {
        let mut all = UnreferencedTotals::default();
        for searched in &self.registries {
            all.add(&searched.totals);
        }
        all
    }

    /// How much was looked at.
    pub(crate) fn looked_at(&self) -> u64 {
        self.orphans().looked_at.saturating_add(self.unreferenced().looked_at)
    }

    /// The storage that is searched now.
    fn current(&self) -> Option<&str> {
        let storage = self.storages.iter().find(|walked| walked.outcome.is_none());
        let registry = self.registries.iter().find(|searched| searched.outcome.is_none());
        storage.map(|walked| &*walked.storage).or(registry.map(|searched| &*searched.storage))
    }
}

/// The walk that waits or runs, which the overview shows too.
pub(crate) async fn open_walk(visit: &Visit) -> Result<Option<(OrphanWalk, Progress)>, ConsoleError> {
    let newest = step("orphan_walks.list", visit.console.orphan_walks.list(1)).await?.into_iter().next();
    let Some(walk) = newest.filter(|walk| !walk.state.is_over()) else { return Ok(None) };
    let progress = Progress::read(visit, &walk).await?;
    Ok(Some((walk, progress)))
}

fn start(visit: &Visit) -> Markup {
    html! {
        form class="row" method="post" action=(address().below("walk")) {
            (visit.form_value())
            button type="submit" class="primary" { "Walk now" }
            span class="soft" { (subject(visit)) " Nothing is changed or deleted." }
        }
    }
}

/// What a walk does.
fn subject(visit: &Visit) -> &'static str {
    match (visit.console.settings.has_source, visit.console.settings.has_registries) {
        (true, false) => "Lists all that lies in the storages, and compares it with the records.",
        (true, true) => {
            "Lists all that lies in the storages, compares it with the records, and looks in container registries for what nothing refers to."
        }
        (false, _) => "Looks in container registries for what nothing refers to.",
    }
}

fn failed(walk: &OrphanWalk, now: Timestamp) -> Markup {
    html! {
        div class="note wrong" {
            (icon(Shape::Failed, "bad"))
            p {
                strong { "The last walk failed" }
                @if let Some(at) = walk.finished_at { " " (ago(at, now)) }
                ": " (walk.problem.as_deref().unwrap_or_default()) ". What an earlier walk found is still below."
            }
        }
    }
}

fn under_way(walk: &OrphanWalk, progress: &Progress, visit: &Visit) -> Markup {
    let (all, unreferenced) = (progress.orphans(), progress.unreferenced().unreferenced());
    let looked_at = progress.looked_at();
    let took = walk.started_at.map(|begun| visit.now.since(begun).as_secs());
    let rate = looked_at.checked_div(took.unwrap_or(0)).map(|rate| format!("{} a second", number(rate)));
    html! {
        section class="block now" aria-labelledby="walk" {
            h2 id="walk" { "Walk " (walk.id.0) ", " @if walk.state == WalkState::Queued { "waits to be begun" } @else { "under way" } }
            div class="row spread" {
                span { "Asked for by " (walk.requested_by) " " (ago(walk.created_at, visit.now)) }
                span { (counted(looked_at, "entry").replace("entrys", "entries")) " looked at" }
                @if visit.console.settings.has_source { span { (counted(all.orphans, "orphan")) ", " (short_size(all.bytes)) } }
                @if visit.console.settings.has_registries {
                    span { (counted(unreferenced.pieces, "piece")) " that nothing refers to, " (short_size(unreferenced.bytes)) }
                }
            }
            progress aria-label="Walk through the storages" {}
            div class="row spread soft" {
                span { @if let Some(storage) = progress.current() { "Now in " (storage) } @else { "Between two storages" } }
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
