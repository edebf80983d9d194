//! What the last walk found.

use std::collections::BTreeSet;

use maud::{Markup, html};
use stocktake_domain::{
    Location, Orphan, OrphanWalk, RegistryPiece, StorageOutcome, Timestamp, WalkedStorage,
};
use stocktake_web::step;

use super::listed::{Ended, Listed, PER_PAGE, count_of};
use super::{Progress, address, registries};
use crate::error::ConsoleError;
use crate::figures::{ago, counted, number, short_size, size};
use crate::query::{Address, Fields};
use crate::shown::path;
use crate::tables::{figure, optional, table};
use crate::visit::Visit;

/// The places behind which the two lists of the page begin.
#[derive(Clone, Default)]
pub(super) struct Cursors {
    orphans: Option<Location>,
    pieces: Option<Location>,
}

impl Cursors {
    /// As a link of [`Self::address`] says it.
    pub(super) fn of(query: &Fields) -> Self {
        let place = |storage, path| {
            let (storage, path) = query.exact(storage).zip(query.exact(path))?;
            Some(Location { storage: storage.to_owned(), path: path.to_owned() })
        };
        Self { orphans: place("after_storage", "after"), pieces: place("after_registry", "after_piece") }
    }

    fn address(&self) -> Address {
        let Self { orphans, pieces } = self;
        let with = |address: Address, names: [&str; 2], place: &Option<Location>| {
            let [storage, path] = names;
            let address = address.with(storage, place.as_ref().map(|place| &place.storage));
            address.with(path, place.as_ref().map(|place| &place.path))
        };
        let address = with(address(), ["after_storage", "after"], orphans);
        with(address, ["after_registry", "after_piece"], pieces)
    }
}

/// What a walk found.
pub(super) struct Found {
    walk: OrphanWalk,
    progress: Progress,
    cursors: Cursors,
    orphans: Listed<Orphan>,
    pieces: Listed<RegistryPiece>,
}

impl Found {
    pub(super) async fn read(
        visit: &Visit,
        walk: &OrphanWalk,
        cursors: Cursors,
    ) -> Result<Self, ConsoleError> {
        let walks = &visit.console.orphan_walks;
        let progress = Progress::read(visit, walk).await?;
        let limit = PER_PAGE.saturating_add(1);
        let orphans = walks.orphans(walk.id, cursors.orphans.clone(), limit);
        let orphans = Listed::new(step("orphan_walks.orphans", orphans).await?);
        let pieces = walks.unreferenced(walk.id, cursors.pieces.clone(), limit);
        let pieces = Listed::new(step("orphan_walks.unreferenced", pieces).await?);
        Ok(Self { walk: walk.clone(), progress, cursors, orphans, pieces })
    }

    pub(super) fn sentence(&self, now: Timestamp) -> Markup {
        let Progress { storages, registries } = &self.progress;
        let is_whole = |outcome: &Option<StorageOutcome>| *outcome == Some(StorageOutcome::Searched);
        let walked = storages.iter().filter(|walked| is_whole(&walked.outcome)).count();
        let searched = registries.iter().filter(|searched| is_whole(&searched.outcome)).count();
        let has_orphans = !storages.is_empty() || registries.is_empty();
        let (orphans, pieces) = (self.progress.orphans(), self.progress.unreferenced().unreferenced());
        html! {
            @if has_orphans {
                (counted(orphans.orphans, "orphan")) " of " (short_size(orphans.bytes)) " in " (counted(count_of(walked), "storage"))
                @if !registries.is_empty() { ", and " }
            }
            @if !registries.is_empty() {
                (counted(pieces.pieces, "piece")) " of " (short_size(pieces.bytes)) " that nothing refers to in "
                (counted(count_of(searched), "registry storage"))
            }
            @if let Some(at) = self.walk.finished_at { ", as the walk found that ended " (ago(at, now)) }
            "."
            @match self.not_whole() {
                0 => {}
                1 => " 1 storage was not searched, or not as a whole: its row below says why.",
                many => { " " (many) " storages were not searched, or not as a whole: their rows below say why." }
            }
        }
    }

    /// How many storages were not searched as a whole.
    fn not_whole(&self) -> usize {
        let Progress { storages, registries } = &self.progress;
        let walked = storages.iter().filter(|walked| !ended(walked).is_whole).map(|walked| &walked.storage);
        let searched = registries.iter().filter(|searched| !registries::ended(searched).is_whole);
        walked.chain(searched.map(|searched| &searched.storage)).collect::<BTreeSet<_>>().len()
    }

    pub(super) fn tables(&self) -> Markup {
        let asked_at = self.walk.created_at;
        let next_orphans = self
            .orphans
            .last()
            .map(|orphan| Cursors { orphans: Some(orphan.location.clone()), ..self.cursors.clone() });
        let next_pieces =
            self.pieces.last().map(|found| Cursors { pieces: Some(place_of(found)), ..self.cursors.clone() });
        html! {
            @if !self.progress.storages.is_empty() { (storages_table(&self.progress.storages)) }
            @if !self.orphans.rows.is_empty() {
                section class="block stack" {
                    h2 { "Orphans" }
                    p class="soft" {
                        "The first 10,000 of each storage are kept; " code { "stocktake orphans --format csv" }
                        " lists all. Look at one before you delete it: a backup or another program may own it."
                    }
                    (orphans_table(&self.orphans, asked_at))
                    (next_page(next_orphans))
                }
            }
            @if !self.progress.registries.is_empty() { (registries::found(&self.progress.registries)) }
            @if !self.pieces.rows.is_empty() {
                section class="block stack" {
                    h2 { "Unreferenced in registries" }
                    p class="soft" {
                        "The first 10,000 of each registry are kept; " code { "stocktake orphans --format csv" }
                        " lists all. The registry’s own garbage collection removes blobs; a client may still pull a manifest by its digest."
                    }
                    (registries::pieces(&self.pieces, asked_at))
                    (next_page(next_pieces))
                }
            }
        }
    }
}

fn next_page(cursors: Option<Cursors>) -> Markup {
    html! {
        @if let Some(cursors) = cursors {
            nav class="row spread" aria-label="Pages" { span {} a class="button" rel="next" href=(cursors.address()) { "Next page" } }
        }
    }
}

fn place_of(RegistryPiece { storage, piece }: &RegistryPiece) -> Location {
    Location { storage: storage.clone(), path: piece.path.clone() }
}

fn storages_table(storages: &[WalkedStorage]) -> Markup {
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
    let rows = html! { @for walked in storages { (storage_row(walked)) } };
    html! {
        section class="block" {
            h2 { "Storages" }
            (table("cards dense", "What the walk found in each storage", &columns, &rows))
        }
    }
}

fn orphans_table(orphans: &Listed<Orphan>, now: Timestamp) -> Markup {
    let has_sizes = orphans.rows.iter().any(|orphan| orphan.size.is_some());
    let mut columns = vec![("Storage", ""), ("Path", "all")];
    if has_sizes {
        columns.push(("Size", "n"));
    }
    columns.push(("Changed", ""));
    let rows = html! { @for orphan in &orphans.rows { (orphan_row(orphan, has_sizes, now)) } };
    table("cards", &orphans.caption("orphan"), &columns, &rows)
}

/// How the search of a storage ended.
fn ended(walked: &WalkedStorage) -> Ended<'_> {
    Ended::of(walked.outcome.as_ref(), walked.totals.looked_at, walked.totals.skipped)
}

fn storage_row(walked: &WalkedStorage) -> Markup {
    let totals = &walked.totals;
    let count = |label, count| figure(label, count, &html! { (number(count)) });
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (walked.storage) }
            (ended(walked).cell())
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
            th scope="row" role="rowheader" { (orphan.location.storage) }
            td class="all" role="cell" { (path(&orphan.location.path)) }
            @if has_sizes { (optional(orphan.size.map(size).as_ref(), "Size", "n")) }
            (optional(orphan.modified_at.map(|at| ago(at, now)).as_ref(), "Changed", ""))
        }
    }
}
