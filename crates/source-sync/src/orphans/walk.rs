//! The search of one storage.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use stocktake_domain::ports::{Claim, ContentStore, Found, ListError, SourceError};
use stocktake_domain::{Location, Orphan, OrphanTotals, StorageOutcome, Timestamp};

use super::overlaps::Overlaps;
use super::records::{RecordOf, Records};
use super::walk_error::{WalkError, disordered};
use super::{OrphanError, OrphanParts, OrphanWatcher, StorageOrphans};
use crate::outage::retry_unavailable;

/// How many places the source is asked about at once.
const BATCH: usize = 1_000;

/// How many folders are told that are not understood; what lies in others is counted together.
const FOLDERS: usize = 1_000;

/// How often the source may fail in a row: a search may have taken hours until then.
const TRIES: u32 = 5;

/// The search of one storage.
pub(super) struct Walk<'a> {
    parts: &'a OrphanParts,
    changed_before: Option<Timestamp>,
    storage: &'a str,
    store: &'a dyn ContentStore,
    overlaps: &'a Overlaps<'a>,
    watcher: &'a mut dyn OrphanWatcher,
    totals: OrphanTotals,
    not_understood: BTreeMap<String, u64>,
    /// What no record of a known place claims, and the source was not asked about yet.
    candidates: Vec<Candidate>,
}

/// What may be nobody's.
struct Candidate {
    found: Found,
    /// Whether it may be that of a record of which it is not known where its content lies.
    is_doubtful: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        parts: &'a OrphanParts,
        changed_before: Option<Timestamp>,
        (storage, store): (&'a str, &'a dyn ContentStore),
        overlaps: &'a Overlaps<'a>,
        watcher: &'a mut dyn OrphanWatcher,
    ) -> Self {
        let (totals, not_understood, candidates) = (OrphanTotals::default(), BTreeMap::new(), Vec::new());
        Self { parts, changed_before, storage, store, overlaps, watcher, totals, not_understood, candidates }
    }

    pub(super) async fn run(mut self) -> Result<StorageOrphans, OrphanError> {
        let outcome = match self.compare().await {
            Ok(()) => StorageOutcome::Searched,
            Err(WalkError::Outcome(outcome)) => outcome,
            Err(WalkError::Error(error)) => return Err(error),
        };
        let Self { totals, not_understood, .. } = self;
        Ok(StorageOrphans { storage: self.storage.to_owned(), outcome, totals, not_understood })
    }

    async fn compare(&mut self) -> Result<(), WalkError> {
        let mut records = Records::new(self.parts, self.storage, self.overlaps.others()).await?;
        let mut listing = self.store.list();
        let mut last: Option<String> = None;
        while let Some(item) = listing.next().await {
            let found = match item {
                Ok(found) => found,
                Err(ListError::Skipped { path, reason } | ListError::Unlisted { folder: path, reason }) => {
                    if !self.overlaps.is_judged(&path) {
                        self.totals.skipped += 1;
                        self.watcher.skipped(self.storage, &path, &reason);
                    }
                    continue;
                }
                // Nobody can claim it, and nothing of it is content.
                Err(ListError::PassedOver { .. }) => continue,
                Err(ListError::Broken(reason)) if records.has_none() && self.totals.looked_at == 0 => {
                    return Err(WalkError::Outcome(StorageOutcome::Unused(reason)));
                }
                Err(error) => {
                    self.judge().await?;
                    return Err(WalkError::Outcome(StorageOutcome::Failed(error.to_string())));
                }
            };
            if last.as_ref().is_some_and(|last| *last > found.path) {
                return Err(disordered("the storage's listing", &found.path));
            }
            // One that was renamed while it was listed may come twice.
            if last.as_ref() != Some(&found.path) {
                last = Some(found.path.clone());
                self.look_at(found, &mut records).await?;
            }
        }
        // What is behind the last file claims nothing, but shows whether all before was in order.
        records.pass_rest().await?;
        self.judge().await
    }

    async fn look_at(&mut self, found: Found, records: &mut Records<'_>) -> Result<(), WalkError> {
        self.totals.looked_at += 1;
        if !self.overlaps.is_judged(&found.path) {
            match records.of(&found.path).await? {
                RecordOf::Content => {}
                _ if self.is_too_young(found.modified_at) => self.totals.young += 1,
                RecordOf::UnknownPlace => self.candidates.push(Candidate { found, is_doubtful: true }),
                RecordOf::Nothing => self.candidates.push(Candidate { found, is_doubtful: false }),
            }
        }
        if self.candidates.len() == BATCH {
            self.judge().await?;
        }
        self.watcher.advanced(&self.totals);
        Ok(())
    }

    fn is_too_young(&self, modified_at: Option<Timestamp>) -> bool {
        let times = self.changed_before.zip(modified_at);
        times.is_some_and(|(before, modified_at)| modified_at >= before)
    }

    /// Asks the source about the candidates, and reports those that it does not claim.
    async fn judge(&mut self) -> Result<(), WalkError> {
        let candidates = std::mem::take(&mut self.candidates);
        if candidates.is_empty() {
            return Ok(());
        }
        let pieces: Vec<Vec<Location>> =
            candidates.iter().map(|candidate| self.overlaps.places(&candidate.found.path)).collect();
        let claims = retry_unavailable(TRIES, || self.parts.source.claims(&pieces)).await?;
        if claims.len() != pieces.len() {
            let reason = format!("it answered {} of {} questions", claims.len(), pieces.len());
            return Err(SourceError::Refused(reason, None).into());
        }
        for (Candidate { found, is_doubtful }, claim) in candidates.into_iter().zip(claims) {
            match claim {
                Claim::Row => {}
                Claim::Internal => self.totals.internal += 1,
                Claim::Nobody if !is_doubtful => self.tell_of(found).await,
                Claim::Nobody | Claim::NotUnderstood => self.count_by_folder(&found.path),
            }
        }
        Ok(())
    }

    fn count_by_folder(&mut self, path: &str) {
        self.totals.not_understood += 1;
        let folder = folder_of(path);
        let is_told = self.not_understood.len() < FOLDERS || self.not_understood.contains_key(&folder);
        let folder = if is_told { folder } else { "other folders".to_owned() };
        *self.not_understood.entry(folder).or_default() += 1;
    }

    async fn tell_of(&mut self, found: Found) {
        let (mut size, mut modified_at) = (found.size, found.modified_at);
        if size.is_none() || modified_at.is_none() {
            let extent = self.store.measure(&found.path).await;
            size = size.or(extent.map(|extent| extent.size));
            modified_at = modified_at.or(extent.and_then(|extent| extent.modified_at));
        }
        if self.is_too_young(modified_at) {
            self.totals.young += 1;
            return;
        }
        self.totals.orphans += 1;
        self.totals.bytes = self.totals.bytes.saturating_add(size.unwrap_or(0));
        self.totals.unmeasured += u64::from(size.is_none());
        let location = Location { storage: self.storage.to_owned(), path: found.path };
        self.watcher.orphan(&Orphan { location, size, modified_at });
    }
}

/// The folder of a path, with a star for each name that is a number or digits of a hash.
fn folder_of(path: &str) -> String {
    let Some((folders, _)) = path.rsplit_once('/') else { return ".".to_owned() };
    let is_counted = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_digit())
            || (matches!(name.len(), 2 | 32 | 40 | 60 | 64)
                && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let names = folders.split('/').map(|name| if is_counted(name) { "*" } else { name });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_numbered_rows_are_one() {
        let digits = "0".repeat(64);
        for (path, expected) in [
            ("x", "."),
            ("-/system/sbom_scans/12/scan.json", "-/system/sbom_scans/*"),
            (&format!("ab/cd/{digits}/new_kind/7/x"), "*/*/*/new_kind/*"),
            ("beef/x", "beef"),
        ] {
            assert_eq!(folder_of(path), expected);
        }
    }
}
