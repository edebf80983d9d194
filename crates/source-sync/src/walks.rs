//! Searches for orphans, and for what nothing in registries refers to, that somebody asked for, in the background of a service.
//!
//! A walk is a row in the catalogue's database. One process at a time is at it; if that one ends, another one begins it anew.
//! The catalogue is not synced first: what was changed after new rows were last read is not judged.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stocktake_domain::ports::{ModelSyncState, OrphanWalks, StoreError, SyncState, WorkerId};
use stocktake_domain::{
    Clock, ClockRng, Orphan, OrphanTotals, OrphanWalk, RegistryPiece, Rng as _, SearchedRegistry, Timestamp,
    UnreferencedTotals, WalkFindings, WalkId, WalkedStorage,
};
use stocktake_net::error::ErrorChain;
use stocktake_net::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::orphans::{OrphanSettings, OrphanWatcher, StorageOrphans};
use crate::outage::{DELAYS, retry_unavailable};
use crate::report::never_read;
use crate::schedule::MARGIN;
use crate::search::{SearchParts, SearchSettings, search};
use crate::search_watcher::SearchWatcher;

/// How often a walk is looked for; somebody waits for it.
const POLL: Duration = Duration::from_secs(2);

/// How often what was found is kept.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// How long a process that gives no sign of life keeps its walk.
const LASTS: Duration = Duration::from_secs(60);

/// How often keeping something is tried.
const TRIES: u32 = 5;

/// The most orphans and the most unreferenced pieces of each storage that are kept; all are counted.
const MOST_KEPT: usize = 10_000;

/// The most orphans, and the most pieces, that are kept in one step.
const BATCH: usize = 1_000;

/// What walks in search of orphans are made of.
pub struct WalkerParts {
    /// Which walk is wanted, and what was found.
    pub walks: Arc<dyn OrphanWalks>,
    /// When rows were last read.
    pub sync_state: Arc<dyn SyncState>,
    /// What is searched.
    pub search: SearchParts,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The name of this process, which none had before.
    pub runner: WorkerId,
}

/// Does the walks that are asked for.
pub struct OrphanWalker(WalkerParts);

impl OrphanWalker {
    /// A walker, not yet walking.
    pub const fn new(parts: WalkerParts) -> Self {
        Self(parts)
    }

    /// Does whatever walk is asked for until stopped. Outlives outages of the database and of the source. A walk under way
    /// is begun anew by another process, or by the next one of this host, once it is clear that this one has ended.
    pub async fn run(&self, stop: CancellationToken) {
        stop.run_until_cancelled(self.walk_on()).await;
    }

    async fn walk_on(&self) -> Infallible {
        let mut backoff = Backoff::new(DELAYS);
        loop {
            let pause = match self.walk_next().await {
                Ok(()) => {
                    backoff.reset();
                    POLL
                }
                Err(error) => {
                    let cause = ErrorChain(&error).to_string();
                    tracing::warn!(
                        error.cause = cause,
                        "the walk in search of orphans is interrupted: {cause}"
                    );
                    backoff.next_delay(|bound| ClockRng(&*self.0.clock).below(bound))
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Does the walk that is wanted, if there is one.
    async fn walk_next(&self) -> Result<(), StoreError> {
        let newest = self.0.walks.list(1).await?;
        if newest.iter().all(|walk| walk.state.is_over()) {
            return Ok(());
        }
        match self.0.walks.claim(&self.0.runner, LASTS).await? {
            Some(walk) => self.walk(&walk).await,
            None => Ok(()),
        }
    }

    async fn walk(&self, walk: &OrphanWalk) -> Result<(), StoreError> {
        let (id, by) = (walk.id.0, &walk.requested_by);
        tracing::info!(walk.id = id, token.owner = by, "walk {id} in search of orphans begins");
        let found = Arc::new(Found::default());
        let outcome = tokio::select! {
            biased;
            // It is another's, or cancelled.
            kept = self.keep_on(walk.id, &found) => return kept,
            outcome = self.search(Arc::clone(&found)) => outcome,
        };
        while !found.is_empty() {
            if !self.keep(walk.id, &found).await? {
                return Ok(());
            }
        }
        let problem = outcome.err();
        let finish = || self.0.walks.finish(walk.id, &self.0.runner, problem.clone());
        if retry_unavailable(TRIES, finish).await? {
            let how =
                problem.map_or_else(|| "has ended".to_owned(), |problem| format!("has failed: {problem}"));
            tracing::info!(walk.id = id, "walk {id} in search of orphans {how}");
        }
        Ok(())
    }

    /// Searches all storages; an error says why that cannot be done.
    async fn search(&self, found: Arc<Found>) -> Result<(), String> {
        let registries_before = self.0.clock.now();
        let orphans = match self.0.search.source {
            Some(_) => self.synced(registries_before).await?,
            None => OrphanSettings::default(),
        };
        let settings = SearchSettings { orphans, registries_before };
        let mut watcher = Watcher { found, kept: 0 };
        let searched = search(self.0.search.clone(), settings, &mut watcher).await;
        searched.map(drop).map_err(|error| ErrorChain(&error).to_string())
    }

    /// What is judged after the last reading of the source's rows, in a walk that begins now. As the command does it, nothing is
    /// searched where content of rows that were never read may lie, and all else is.
    async fn synced(&self, now: Timestamp) -> Result<OrphanSettings, String> {
        let states = self.0.sync_state.states().await.map_err(|error| ErrorChain(&error).to_string())?;
        let read = states.iter().filter_map(ModelSyncState::last_read).min().unwrap_or(now);
        Ok(OrphanSettings { changed_before: Some(read.before(MARGIN)), unread: never_read(&states) })
    }

    /// Keeps what is found, until the walk is not this process's any more.
    async fn keep_on(&self, id: WalkId, found: &Found) -> Result<(), StoreError> {
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            if !self.keep(id, found).await? {
                return Ok(());
            }
        }
    }

    /// Keeps what was found since the last time, and the walk; false if it is not this process's any more.
    async fn keep(&self, id: WalkId, found: &Found) -> Result<bool, StoreError> {
        let findings = found.take();
        retry_unavailable(TRIES, || self.0.walks.record(id, &self.0.runner, LASTS, &findings)).await
    }
}

/// What a search found and nobody has kept yet.
#[derive(Default)]
struct Found(Mutex<Unkept>);

#[derive(Default)]
struct Unkept {
    /// Of the storages and the registries, the last one may still be searched.
    findings: WalkFindings,
    has_changed: bool,
}

impl Found {
    fn unkept(&self) -> MutexGuard<'_, Unkept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        let unkept = self.unkept();
        let WalkFindings { orphans, pieces, .. } = &unkept.findings;
        !unkept.has_changed && orphans.is_empty() && pieces.is_empty()
    }

    /// What changed, of which the storage that is searched now stays known.
    fn take(&self) -> WalkFindings {
        let mut unkept = self.unkept();
        unkept.has_changed = false;
        let WalkFindings { storages, orphans, registries, pieces } = &mut unkept.findings;
        let is_searched = |walked: &&WalkedStorage| walked.outcome.is_none();
        let storage: Vec<_> = storages.last().filter(is_searched).cloned().into_iter().collect();
        let is_searched = |searched: &&SearchedRegistry| searched.outcome.is_none();
        let registry: Vec<_> = registries.last().filter(is_searched).cloned().into_iter().collect();
        WalkFindings {
            storages: std::mem::replace(storages, storage),
            orphans: first(orphans),
            registries: std::mem::replace(registries, registry),
            pieces: first(pieces),
        }
    }
}

/// Takes as much as is kept in one step.
fn first<T>(found: &mut Vec<T>) -> Vec<T> {
    found.drain(..found.len().min(BATCH)).collect()
}

/// Hands on what a search says.
struct Watcher {
    found: Arc<Found>,
    /// How many orphans or pieces of the storage are kept.
    kept: usize,
}

impl Watcher {
    fn change(&self, change: impl FnOnce(&mut WalkFindings)) {
        let mut unkept = self.found.unkept();
        unkept.has_changed = true;
        change(&mut unkept.findings);
    }

    /// Whether one more of the storage is kept.
    const fn keeps(&mut self) -> bool {
        let is_kept = self.kept < MOST_KEPT;
        if is_kept {
            self.kept += 1;
        }
        is_kept
    }
}

impl OrphanWatcher for Watcher {
    fn storage(&mut self, name: &str) {
        self.kept = 0;
        let walked =
            WalkedStorage { storage: name.to_owned(), outcome: None, totals: OrphanTotals::default() };
        self.change(|findings| findings.storages.push(walked));
    }

    fn advanced(&mut self, totals: &OrphanTotals) {
        self.change(|findings| {
            if let Some(current) = findings.storages.last_mut() {
                current.totals = *totals;
            }
        });
    }

    fn skipped(&mut self, _: &str, _: &str, _: &str) {}

    fn orphan(&mut self, orphan: &Orphan) {
        if self.keeps() {
            self.found.unkept().findings.orphans.push(orphan.clone());
        }
    }

    fn done(&mut self, storage: &StorageOrphans) {
        self.change(|findings| {
            if let Some(current) = findings.storages.last_mut() {
                current.totals = storage.totals;
                current.outcome = Some(storage.outcome.clone());
            }
        });
    }
}

impl SearchWatcher for Watcher {
    fn registry(&mut self, name: &str) {
        self.kept = 0;
        let searched = SearchedRegistry {
            storage: name.to_owned(),
            outcome: None,
            totals: UnreferencedTotals::default(),
        };
        self.change(|findings| findings.registries.push(searched));
    }

    fn registry_advanced(&mut self, totals: &UnreferencedTotals) {
        self.change(|findings| {
            if let Some(current) = findings.registries.last_mut() {
                current.totals = *totals;
            }
        });
    }

    fn unreferenced(&mut self, piece: &RegistryPiece) {
        if self.keeps() {
            self.found.unkept().findings.pieces.push(piece.clone());
        }
    }

    fn registry_done(&mut self, registry: &SearchedRegistry) {
        self.change(|findings| {
            if let Some(current) = findings.registries.last_mut() {
                current.clone_from(registry);
            }
        });
    }
}
