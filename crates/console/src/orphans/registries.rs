//! What the last walk found in container registries.

use maud::{Markup, html};
use stocktake_domain::{RegistryPiece, SearchedRegistry, Timestamp, UnreferencedKind};

use super::listed::{Ended, Listed};
use crate::figures::{ago, number, short_size, size};
use crate::shown::path;
use crate::tables::{figure, optional, table};

/// What was found in each registry.
pub(super) fn found(registries: &[SearchedRegistry]) -> Markup {
    let mut columns = vec![("Storage", ""), ("Walk", "flag"), ("Looked at", "n")];
    columns.extend(UnreferencedKind::ALL.map(|kind| (column(kind), "n")));
    columns.extend([("Bytes", "n"), ("Too new", "n"), ("Skipped", "n")]);
    let rows = html! { @for searched in registries { (registry_row(searched)) } };
    html! {
        section class="block" {
            h2 { "Registries" }
            (table("cards dense", "What the walk found in each container registry", &columns, &rows))
        }
    }
}

/// How the search of a registry ended.
pub(super) fn ended(searched: &SearchedRegistry) -> Ended<'_> {
    let SearchedRegistry { outcome, totals, .. } = searched;
    Ended::of(outcome.as_ref(), totals.looked_at, totals.skipped)
}

fn registry_row(searched: &SearchedRegistry) -> Markup {
    let SearchedRegistry { storage, totals, .. } = searched;
    let count = |label, count| figure(label, count, &html! { (number(count)) });
    let pieces = |kind| {
        let found = totals.of(kind);
        let shown =
            html! { data value=(found.pieces) title=(short_size(found.bytes)) { (number(found.pieces)) } };
        figure(column(kind), found.pieces, &shown)
    };
    let bytes = totals.unreferenced().bytes;
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (storage) }
            (ended(searched).cell())
            (count("Looked at", totals.looked_at))
            @for kind in UnreferencedKind::ALL { (pieces(kind)) }
            (figure("Bytes", bytes, &size(bytes)))
            (count("Too new", totals.young))
            (count("Skipped", totals.skipped))
        }
    }
}

/// The list of what nothing refers to.
pub(super) fn pieces(pieces: &Listed<RegistryPiece>, now: Timestamp) -> Markup {
    let columns = [("Storage", ""), ("Path", "all"), ("What", ""), ("Size", "n"), ("Changed", "")];
    let rows = html! { @for found in &pieces.rows { (piece_row(found, now)) } };
    table("cards", &pieces.caption("piece"), &columns, &rows)
}

fn piece_row(RegistryPiece { storage, piece }: &RegistryPiece, now: Timestamp) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (storage) }
            td class="all" role="cell" { (path(&piece.path)) }
            td data-l="What" role="cell" { (described(piece.kind)) }
            td class="n" data-l="Size" role="cell" { (size(piece.size)) }
            (optional(piece.modified_at.map(|at| ago(at, now)).as_ref(), "Changed", ""))
        }
    }
}

/// The column in which pieces of a kind are counted.
const fn column(kind: UnreferencedKind) -> &'static str {
    match kind {
        UnreferencedKind::Blob => "Blobs",
        UnreferencedKind::Manifest => "Untagged manifests",
        UnreferencedKind::BlobOfUntagged => "Their blobs",
        UnreferencedKind::Upload => "Unfinished uploads",
    }
}

/// What a piece of a kind is.
const fn described(kind: UnreferencedKind) -> &'static str {
    match kind {
        UnreferencedKind::Blob => "Blob that no manifest names",
        UnreferencedKind::Manifest => "Manifest that no tag reaches",
        UnreferencedKind::BlobOfUntagged => "Blob of such manifests alone",
        UnreferencedKind::Upload => "Unfinished upload",
    }
}
