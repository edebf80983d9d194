//! What was found in container registries, and what is said of it.

use std::collections::BTreeMap;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use stocktake_domain::{Unreferenced, UnreferencedKind, Usage};

use super::{NOT_ALL, NOTHING};
use crate::quantities::counted;

/// What was found in one registry.
#[derive(Debug, Default)]
pub(super) struct SearchedRegistry {
    /// The name of the storage.
    storage: String,
    /// Why it was not searched to its end.
    pub(super) problem: Option<String>,
    /// How many pieces were looked at.
    pub(super) looked_at: u64,
    young: u64,
    /// How much could not be looked at.
    pub(super) skipped: u64,
    /// How many of each kind, and their bytes.
    found: BTreeMap<UnreferencedKind, (u64, u64)>,
}

/// The exit status that comes of it: 0 if all was looked at.
pub(super) fn status_of(searched: &[SearchedRegistry]) -> u8 {
    let is_whole = |registry: &SearchedRegistry| registry.problem.is_none() && registry.skipped == 0;
    let is_nothing = |registry: &SearchedRegistry| registry.problem.is_some() && registry.looked_at == 0;
    if !searched.is_empty() && searched.iter().all(is_nothing) {
        NOTHING
    } else if searched.iter().all(is_whole) {
        0
    } else {
        NOT_ALL
    }
}

impl SearchedRegistry {
    /// Nothing of this storage yet.
    pub(super) fn new(storage: &str) -> Self {
        Self { storage: storage.to_owned(), ..Self::default() }
    }

    /// Counts a piece that was looked at.
    pub(super) fn add(&mut self, usage: &Usage) {
        self.looked_at += 1;
        match usage {
            Usage::Needed => {}
            Usage::Young => self.young += 1,
            Usage::Unreferenced(Unreferenced { kind, size, .. }) => {
                let (count, bytes) = self.found.entry(*kind).or_default();
                *count += 1;
                *bytes = bytes.saturating_add(*size);
            }
        }
    }

    /// What was found, for people, a line for each kind.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { storage, .. } = self;
        let found = self.found.iter().map(|(kind, (count, bytes))| {
            let (noun, what) = described(*kind);
            format!("{storage}: {}, {}, {what}", counted(*count, noun), HumanBytes(*bytes))
        });
        let mut lines: Vec<_> = found.collect();
        if self.young > 0 {
            let young = HumanCount(self.young);
            lines.push(format!("{storage}: {young} too young to be judged"));
        }
        if let Some(problem) = &self.problem {
            lines.push(format!("{storage} was not searched to its end: {problem}"));
        }
        lines
    }

    /// The same as a value.
    pub(super) fn value(&self) -> Value {
        let found = self.found.iter();
        let found = found
            .map(|(kind, (count, bytes))| json!({ "kind": kind.name(), "count": count, "bytes": bytes }));
        json!({
            "storage": self.storage,
            "problem": self.problem,
            "looked_at": self.looked_at,
            "young": self.young,
            "skipped": self.skipped,
            "unreferenced": found.collect::<Vec<_>>(),
        })
    }
}

/// The sentence that says what is not needed in registries; none without registries.
pub(super) fn verdict(searched: &[SearchedRegistry]) -> Option<String> {
    if searched.is_empty() {
        return None;
    }
    let (mut count, mut bytes) = (0_u64, 0_u64);
    for (more, size) in searched.iter().flat_map(|registry| registry.found.values()) {
        count = count.saturating_add(*more);
        bytes = bytes.saturating_add(*size);
    }
    let registries = counted(u64::try_from(searched.len()).unwrap_or(u64::MAX), "registry storage");
    let found = match count {
        0 => format!("In {registries}, nothing unreferenced was found."),
        _ => {
            format!("In {registries}, nothing refers to {}, {}.", counted(count, "piece"), HumanBytes(bytes))
        }
    };
    let parts = searched.iter().filter(|registry| registry.problem.is_some() || registry.skipped > 0);
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
