//! The port `OrphanWalks`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;

use super::tables::{StoredWalk, Tables};
use super::{MemoryStore, storable, storable_number, without_nul};
use crate::orphan::{
    Orphan, OrphanTotals, OrphanWalk, SearchedRegistry, StorageOutcome, WalkFindings, WalkId, WalkState,
    WalkedStorage,
};
use crate::ports::{OrphanWalks, StoreError, WorkerId};
use crate::record::Location;
use crate::time::Timestamp;
use crate::unreferenced::{RegistryPiece, Unreferenced, UnreferencedKind, UnreferencedTotals};

#[async_trait]
impl OrphanWalks for MemoryStore {
    async fn request(&self, requested_by: &str) -> Result<OrphanWalk, StoreError> {
        let now = self.now();
        storable(requested_by, "requested_by")?;
        let request = |tables: &mut Tables| {
            if let Some(open) = tables.walks.iter().find(|stored| !stored.walk.state.is_over()) {
                return open.walk.clone();
            }
            let id = WalkId(i64::try_from(tables.walks.len()).unwrap_or(i64::MAX).saturating_add(1));
            let walk = OrphanWalk {
                id,
                requested_by: requested_by.to_owned(),
                state: WalkState::Queued,
                created_at: now,
                started_at: None,
                finished_at: None,
                problem: None,
            };
            tables.walks.push(StoredWalk::new(walk.clone()));
            walk
        };
        Ok(self.step(request).await)
    }

    async fn list(&self, limit: u32) -> Result<Vec<OrphanWalk>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let list = |tables: &mut Tables| {
            tables.walks.iter().rev().take(limit).map(|stored| stored.walk.clone()).collect()
        };
        Ok(self.step(list).await)
    }

    async fn cancel(&self, id: WalkId) -> Result<Option<OrphanWalk>, StoreError> {
        let now = self.now();
        let cancel = |tables: &mut Tables| {
            let stored = tables.walks.iter_mut().find(|stored| stored.walk.id == id)?;
            if !stored.walk.state.is_over() {
                stored.end(WalkState::Cancelled, None, now);
                stored.forget();
            }
            Some(stored.walk.clone())
        };
        Ok(self.step(cancel).await)
    }

    async fn claim(&self, runner: &WorkerId, lasts: Duration) -> Result<Option<OrphanWalk>, StoreError> {
        let now = self.now();
        storable(&runner.0, "runner")?;
        let claim = |tables: &mut Tables| {
            let is_free = |until: Timestamp| until <= now || until > now.latest_end(lasts);
            let stored = tables.walks.iter_mut().find(|stored| {
                !stored.walk.state.is_over()
                    && stored.runner.as_ref().is_none_or(|(_, until)| is_free(*until))
            })?;
            stored.forget();
            stored.runner = Some((runner.clone(), now.after(lasts)));
            (stored.walk.state, stored.walk.started_at) = (WalkState::Running, Some(now));
            Some(stored.walk.clone())
        };
        Ok(self.step(claim).await)
    }

    async fn record(
        &self,
        id: WalkId,
        runner: &WorkerId,
        lasts: Duration,
        findings: &WalkFindings,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        storable(&runner.0, "runner")?;
        let WalkFindings { storages, orphans, registries, pieces } = findings;
        storages.iter().try_for_each(check_storage)?;
        orphans.iter().try_for_each(check_orphan)?;
        registries.iter().try_for_each(check_registry)?;
        pieces.iter().try_for_each(check_piece)?;
        let record = |tables: &mut Tables| {
            let Some(stored) = tables.held(id, runner) else { return false };
            stored.runner = Some((runner.clone(), now.after(lasts)));
            for walked in storages {
                let mut walked = walked.clone();
                walked.outcome = walked.outcome.map(plain);
                stored.storages.insert(walked.storage.clone(), walked);
            }
            for orphan in orphans {
                let Location { storage, path } = orphan.location.clone();
                stored.orphans.entry((storage, path)).or_insert_with(|| orphan.clone());
            }
            for searched in registries {
                let mut searched = searched.clone();
                searched.outcome = searched.outcome.map(plain);
                stored.registries.insert(searched.storage.clone(), searched);
            }
            for RegistryPiece { storage, piece } in pieces {
                let place = (storage.clone(), piece.path.clone());
                stored.pieces.entry(place).or_insert_with(|| piece.clone());
            }
            true
        };
        Ok(self.step(record).await)
    }

    async fn finish(
        &self,
        id: WalkId,
        runner: &WorkerId,
        problem: Option<String>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        storable(&runner.0, "runner")?;
        let finish = |tables: &mut Tables| {
            let Some(stored) = tables.held(id, runner) else { return false };
            if let Some(problem) = problem {
                stored.end(WalkState::Failed, Some(without_nul(&problem)), now);
                stored.forget();
            } else {
                stored.end(WalkState::Finished, None, now);
                tables.walks.iter_mut().filter(|stored| stored.walk.id < id).for_each(StoredWalk::forget);
            }
            true
        };
        Ok(self.step(finish).await)
    }

    async fn storages(&self, id: WalkId) -> Result<Vec<WalkedStorage>, StoreError> {
        let storages = |tables: &mut Tables| {
            let found = tables.walks.iter().find(|stored| stored.walk.id == id);
            found.map(|stored| stored.storages.values().cloned().collect()).unwrap_or_default()
        };
        Ok(self.step(storages).await)
    }

    async fn orphans(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<Orphan>, StoreError> {
        let orphans = |tables: &mut Tables| {
            let found = tables.walks.iter().find(|stored| stored.walk.id == id);
            let page = found.map(|stored| page_of(&stored.orphans, after, limit));
            page.into_iter().flatten().map(|(_, orphan)| orphan.clone()).collect()
        };
        Ok(self.step(orphans).await)
    }

    async fn registries(&self, id: WalkId) -> Result<Vec<SearchedRegistry>, StoreError> {
        let registries = |tables: &mut Tables| {
            let found = tables.walks.iter().find(|stored| stored.walk.id == id);
            found.map(|stored| stored.registries.values().cloned().collect()).unwrap_or_default()
        };
        Ok(self.step(registries).await)
    }

    async fn unreferenced(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<RegistryPiece>, StoreError> {
        let pieces = |tables: &mut Tables| {
            let found = tables.walks.iter().find(|stored| stored.walk.id == id);
            let page = found.map(|stored| page_of(&stored.pieces, after, limit));
            let with_storage = |((storage, _), piece): (&Place, &Unreferenced)| RegistryPiece {
                storage: storage.clone(),
                piece: piece.clone(),
            };
            page.into_iter().flatten().map(with_storage).collect()
        };
        Ok(self.step(pieces).await)
    }
}

/// A storage and a path in it.
type Place = (String, String);

/// The first entries behind a place.
fn page_of<T>(
    all: &BTreeMap<Place, T>,
    after: Option<Location>,
    limit: u32,
) -> impl Iterator<Item = (&Place, &T)> {
    let behind = after.map_or(Bound::Unbounded, |after| Bound::Excluded((after.storage, after.path)));
    all.range((behind, Bound::Unbounded)).take(usize::try_from(limit).unwrap_or(usize::MAX))
}

impl Tables {
    /// The walk, if it is this runner's.
    fn held(&mut self, id: WalkId, runner: &WorkerId) -> Option<&mut StoredWalk> {
        let is_held = |stored: &&mut StoredWalk| {
            stored.walk.id == id && stored.runner.as_ref().is_some_and(|(of, _)| of == runner)
        };
        self.walks.iter_mut().find(is_held)
    }
}

impl StoredWalk {
    fn new(walk: OrphanWalk) -> Self {
        Self {
            walk,
            runner: None,
            storages: BTreeMap::new(),
            orphans: BTreeMap::new(),
            registries: BTreeMap::new(),
            pieces: BTreeMap::new(),
        }
    }

    fn end(&mut self, state: WalkState, problem: Option<String>, now: Timestamp) {
        self.runner = None;
        (self.walk.state, self.walk.problem, self.walk.finished_at) = (state, problem, Some(now));
    }

    fn forget(&mut self) {
        self.storages.clear();
        self.orphans.clear();
        self.registries.clear();
        self.pieces.clear();
    }
}

fn check_storage(walked: &WalkedStorage) -> Result<(), StoreError> {
    let OrphanTotals { looked_at, orphans, bytes, unmeasured, internal, young, not_understood, skipped } =
        walked.totals;
    storable(&walked.storage, "storage")?;
    let counts = [looked_at, orphans, bytes, unmeasured, internal, young, not_understood, skipped];
    counts.into_iter().try_for_each(|count| storable_number(count, "count"))
}

fn check_orphan(orphan: &Orphan) -> Result<(), StoreError> {
    storable(&orphan.location.storage, "storage")?;
    storable(&orphan.location.path, "path")?;
    storable_number(orphan.size.unwrap_or(0), "size")
}

fn check_registry(searched: &SearchedRegistry) -> Result<(), StoreError> {
    let UnreferencedTotals { looked_at, young, skipped, .. } = searched.totals;
    storable(&searched.storage, "storage")?;
    let of_kinds = UnreferencedKind::ALL.map(|kind| searched.totals.of(kind));
    let counts = of_kinds.into_iter().flat_map(|totals| [totals.pieces, totals.bytes]);
    [looked_at, young, skipped]
        .into_iter()
        .chain(counts)
        .try_for_each(|count| storable_number(count, "count"))
}

fn check_piece(RegistryPiece { storage, piece }: &RegistryPiece) -> Result<(), StoreError> {
    storable(storage, "storage")?;
    storable(&piece.path, "path")?;
    storable_number(piece.size, "size")
}

/// The outcome as databases store it.
fn plain(outcome: StorageOutcome) -> StorageOutcome {
    match outcome {
        StorageOutcome::Unused(reason) => StorageOutcome::Unused(without_nul(&reason)),
        StorageOutcome::Failed(reason) => StorageOutcome::Failed(without_nul(&reason)),
        StorageOutcome::Disordered(reason) => StorageOutcome::Disordered(without_nul(&reason)),
        other => other,
    }
}
