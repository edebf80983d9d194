//! What was found in container registries, and what is said of it.

use std::collections::BTreeMap;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
<<<<<<< HEAD
use stocktake_domain::ports::{ListError, StorageCheck, StoreError};
use stocktake_domain::{Timestamp, UnreferencedKind, Usage};
use stocktake_worker::{Storage, Storages};
=======
use stocktake_domain::{Unreferenced, UnreferencedKind, Usage};
>>>>>>> twelve

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

<<<<<<< HEAD
/// Whether one of the storages can say what in it is not referred to.
pub(super) fn are_among(storages: &Storages, now: Timestamp) -> bool {
    storages.values().any(|storage| storage.content.unreferenced(now).is_some())
}

/// Searches those of the storages that can say it, one after the other.
pub(super) async fn search<'a>(
    storages: impl Iterator<Item = (&'a String, &'a Storage)>,
    changed_before: Timestamp,
    check: &dyn StorageCheck,
    list: &mut List,
) -> Result<Vec<SearchedRegistry>, StoreError> {
    let mut all = Vec::new();
    for (name, storage) in storages {
        let Some(mut usages) = storage.content.unreferenced(changed_before.before(PUSH_LASTS)) else {
            continue;
        };
        let problem = check.why_closed(name).await?;
        let is_closed = problem.is_some();
        let mut searched = SearchedRegistry { storage: name.clone(), problem, ..SearchedRegistry::default() };
        list.registry();
        if is_closed {
            all.push(searched);
            continue;
        }
        while let Some(usage) = usages.next().await {
            match usage {
                Ok(usage) => {
                    searched.looked_at += 1;
                    searched.add(&usage, list);
                    list.advanced_to(searched.looked_at);
                }
                Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => {
                    searched.problem = Some(error.to_string());
                }
                Err(ListError::Skipped { path, reason } | ListError::Unlisted { folder: path, reason }) => {
                    searched.skipped += 1;
                    list.skip(name, &path, &reason);
                }
                Err(ListError::PassedOver { .. }) => {}
            }
        }
        list.searched(name, searched.looked_at);
        all.push(searched);
    }
    Ok(all)
}

=======
>>>>>>> twelve
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
