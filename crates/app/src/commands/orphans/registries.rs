//! What was found in container registries, and what is said of it.

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use stocktake_domain::{PieceTotals, SearchedRegistry, StorageOutcome, UnreferencedKind};

use super::{NOT_ALL, NOTHING};
use crate::quantities::counted;

/// The exit status that comes of it: 0 if all was looked at.
pub(super) fn status_of(searched: &[SearchedRegistry]) -> u8 {
    let is_nothing =
        |registry: &SearchedRegistry| problem(registry).is_some() && registry.totals.looked_at == 0;
    if !searched.is_empty() && searched.iter().all(is_nothing) {
        NOTHING
    } else if searched.iter().all(is_whole) {
        0
    } else {
        NOT_ALL
    }
}

/// Why a registry was not searched to its end.
fn problem(registry: &SearchedRegistry) -> Option<&str> {
    match registry.outcome.as_ref()? {
        StorageOutcome::Searched => None,
        StorageOutcome::NotConfigured => Some("no storage of this name is configured"),
        StorageOutcome::Unused(reason)
        | StorageOutcome::Failed(reason)
        | StorageOutcome::Disordered(reason) => Some(reason),
    }
}

fn is_whole(registry: &SearchedRegistry) -> bool {
    problem(registry).is_none() && registry.totals.skipped == 0
}

/// The kinds of which pieces were found.
fn found(registry: &SearchedRegistry) -> impl Iterator<Item = (UnreferencedKind, PieceTotals)> {
    let all = UnreferencedKind::ALL.map(|kind| (kind, registry.totals.of(kind)));
    all.into_iter().filter(|(_, totals)| totals.pieces > 0)
}

/// What was found in a registry, for people, a line for each kind.
pub(super) fn lines(registry: &SearchedRegistry) -> Vec<String> {
    let SearchedRegistry { storage, totals, .. } = registry;
    let of_kind = |(kind, PieceTotals { pieces, bytes })| {
        let (noun, what) = described(kind);
        format!("{storage}: {}, {}, {what}", counted(pieces, noun), HumanBytes(bytes))
    };
    let mut lines: Vec<_> = found(registry).map(of_kind).collect();
    if totals.young > 0 {
        lines.push(format!("{storage}: {} too young to be judged", HumanCount(totals.young)));
    }
    if let Some(problem) = problem(registry) {
        lines.push(format!("{storage} was not searched to its end: {problem}"));
    }
    lines
}

/// The same as a value.
pub(super) fn value(registry: &SearchedRegistry) -> Value {
    let of_kind = |(kind, PieceTotals { pieces, bytes }): (UnreferencedKind, _)| json!({ "kind": kind.name(), "count": pieces, "bytes": bytes });
    json!({
        "storage": registry.storage,
        "problem": problem(registry),
        "looked_at": registry.totals.looked_at,
        "young": registry.totals.young,
        "skipped": registry.totals.skipped,
        "unreferenced": found(registry).map(of_kind).collect::<Vec<_>>(),
    })
}

/// The sentence that says what is not needed in registries; none without registries.
pub(super) fn verdict(searched: &[SearchedRegistry]) -> Option<String> {
    if searched.is_empty() {
        return None;
    }
    let mut all = PieceTotals::default();
    for registry in searched {
        all.add(registry.totals.unreferenced());
    }
    let registries = counted(u64::try_from(searched.len()).unwrap_or(u64::MAX), "registry storage");
    let found = if all.pieces == 0 {
        format!("In {registries}, nothing unreferenced was found.")
    } else {
        let (pieces, bytes) = (counted(all.pieces, "piece"), HumanBytes(all.bytes));
        format!("In {registries}, nothing refers to {pieces}, {bytes}.")
    };
    let parts = searched.iter().filter(|registry| !is_whole(registry));
    let parts: Vec<&str> = parts.map(|registry| registry.storage.as_str()).collect();
    Some(if parts.is_empty() {
        found
    } else {
        format!("{found} There may be more: not all of {} was searched.", parts.join(", "))
    })
}

/// What a kind is, for people: the noun, and what is said of it.
pub(super) fn described(kind: UnreferencedKind) -> (&'static str, &'static str) {
    match kind {
        UnreferencedKind::Blob => ("blob", "that no manifest names"),
        UnreferencedKind::Manifest => {
            ("manifest", "that no tag reaches; a client may still pull it by its digest")
        }
        UnreferencedKind::BlobOfUntagged => ("blob", "that only manifests name which no tag reaches"),
        UnreferencedKind::Upload => ("upload", "that was not finished"),
    }
}
