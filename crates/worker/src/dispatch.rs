//! The claim loop: keeps as many leases in work as there is room for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use stocktake_domain::ports::{ClaimFilter, Lease, StoreError};
use stocktake_domain::{Model, Timestamp};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::outage::{Backoff, about};
use crate::room::Room;
use crate::shared::{STOP_ALL, STOP_CLAIMING, Terms, after};
use crate::telemetry;
use crate::work::{End, work};

/// The longest time between looks at whether anything is left to drain; somebody waits for it.
const DRAIN_POLL: Duration = Duration::from_millis(500);

/// What is claimed, and for how long.
#[derive(Debug, Default)]
pub(crate) struct Aim {
    /// Only these models; empty: all.
    pub(crate) models: Vec<Model>,
    /// Only records that became due then or later.
    pub(crate) due_from: Option<Timestamp>,
    /// Ends when nothing is due or leased any more, instead of waiting for new work.
    pub(crate) drains: bool,
}

/// Claims leases and has them worked on, each in a task of its own.
pub(crate) struct Dispatcher {
    terms: Terms,
    aim: Aim,
    room: Room,
    running: JoinSet<(String, End)>,
    /// The closed storages besides which nothing was due when last asked; no question is worth asking while
    /// at least these are closed, until a signal or the poll says that there may be new work.
    dry: Option<Vec<String>>,
    /// The error for which the work on a lease gave up.
    gave_up: Option<StoreError>,
}

/// What a round of claims came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There is no room for more.
    Full,
    /// Nothing more is due.
    Dry,
    /// Nothing is due or leased any more, and that was the aim.
    Drained,
}

impl Dispatcher {
    pub(crate) fn new(terms: Terms, aim: Aim) -> Self {
        let settings = &terms.core.settings;
        let room = Room::new(terms.core.served(), settings.leases_per_storage, settings.claim_size);
        Self { terms, aim, room, running: JoinSet::new(), dry: None, gave_up: None }
    }

    /// Works until stopped or drained, and then until every lease is given back, at the longest for
    /// [`STOP_ALL`] after the stop. Fails only where the terms' patience ends.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let stop = self.terms.stop.clone();
        tokio::select! {
            biased;
            result = self.work_and_wind_up() => result,
            () = after(&stop, STOP_ALL) => {
                tracing::warn!("stopping although leases could not be given back in time; they run out by themselves");
                Ok(())
            }
        }
    }

    async fn work_and_wind_up(&mut self) -> Result<(), StoreError> {
        let result = self.work().await;
        if result.is_err() {
            self.terms.stop.cancel();
        }
        while self.running.join_next().await.is_some() {}
        result
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        let core = self.terms.core.clone();
        let stop = self.terms.stop.clone();
        let poll = if self.aim.drains { core.settings.poll.min(DRAIN_POLL) } else { core.settings.poll };
        // Armed before the first look, so that no signal in between is lost.
        let mut wake = core.parts.queue.wake_signal();
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            if let Some(error) = self.gave_up.take() {
                return Err(error);
            }
            let (pause, answers) = match self.round().await {
                Ok(Round::Drained) => return Ok(()),
                Ok(Round::Full | Round::Dry) => {
                    backoff.reset();
                    telemetry::went_round("claim", core.now());
                    (about(poll, &*core.parts.rng), true)
                }
                Err(error) => {
                    let wait = backoff.next_wait(&*core.parts.rng);
                    if !self.terms.patience.lasts(backoff.failures()) {
                        return Err(error);
                    }
                    core.outage.failed("claiming work", &error);
                    (wait, false)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next(), if answers => self.ended(ended),
                () = wake.wait(), if answers && !self.room.is_full() => self.dry = None,
                () = tokio::time::sleep(pause) => self.dry = None,
            }
        }
        Ok(())
    }

    /// Claims while there is room and work.
    async fn round(&mut self) -> Result<Round, StoreError> {
        loop {
            while let Some(ended) = self.running.try_join_next() {
                self.ended(ended);
            }
            if self.room.is_full() || self.gave_up.is_some() || self.terms.stop.is_cancelled() {
                return Ok(Round::Full);
            }
            let filter = self.filter();
            let dry = self.dry.as_ref();
            if dry.is_some_and(|dry| dry.iter().all(|name| filter.except_storages.contains(name))) {
                return self.look_for_the_end().await;
            }
            match self.claim(&filter).await? {
                Some(lease) => self.start(lease),
                None => self.dry = Some(filter.except_storages),
            }
        }
    }

    /// What may be claimed now.
    fn filter(&self) -> ClaimFilter {
        let core = &self.terms.core;
        let mut closed: Vec<String> = self.room.closed(Instant::now()).cloned().collect();
        if self.terms.keeps_hours {
            let now = core.now();
            let asleep = core
                .parts
                .storages
                .iter()
                .filter(|(_, storage)| storage.hours.is_some_and(|hours| !hours.contains(now)));
            closed.extend(asleep.map(|(name, _)| name.clone()));
        }
        closed.sort_unstable();
        closed.dedup();
        ClaimFilter {
            models: self.aim.models.clone(),
            storages: core.settings.storages.clone(),
            except_storages: closed,
            due_from: self.aim.due_from,
            limit: self.room.per_lease(),
        }
    }

    async fn claim(&self, filter: &ClaimFilter) -> Result<Option<Lease>, StoreError> {
        let core = &self.terms.core;
        let claim = core.parts.queue.claim(&core.worker, filter, core.lease_terms(), core.now());
        let claimed = tokio::select! {
            biased;
            claimed = claim => claimed?,
            () = after(&self.terms.stop, STOP_CLAIMING) => return Ok(None),
        };
        core.outage.worked();
        Ok(claimed)
    }

    fn start(&mut self, lease: Lease) {
        let storage = lease.storage.clone();
        tracing::debug!(
            lease.id = lease.id.0,
            lease.model = lease.model.name(),
            lease.storage = storage,
            records.count = lease.records.len(),
            "lease {}: {} records of {} in storage {storage:?}",
            lease.id.0,
            lease.records.len(),
            lease.model,
        );
        self.room.take(&storage);
        let terms = self.terms.clone();
        self.running.spawn(async move {
            // A panic of our own must not take the storage's room for ever.
            let end = AssertUnwindSafe(work(&terms, lease)).catch_unwind().await;
            (storage, end.unwrap_or(End::Broken))
        });
    }

    fn ended(&mut self, ended: Result<(String, End), JoinError>) {
        // A task is aborted only when the dispatcher is dropped, and panics are caught inside.
        let Ok((storage, end)) = ended else { return };
        self.room.give_back(&storage);
        match end {
            End::Done => self.room.went_well(&storage),
            End::Lost => self.dry = None,
            End::Broken => {
                self.dry = None;
                self.room.broke_down(&storage, Instant::now());
            }
            End::Store(error) => self.gave_up = Some(error),
        }
    }

    /// Nothing can be claimed: whether nothing is left at all, if that is the aim. Leases of others that
    /// ended without a word are cleared away, since nobody else may be there to do it.
    async fn look_for_the_end(&mut self) -> Result<Round, StoreError> {
        if !self.aim.drains || !self.running.is_empty() {
            return Ok(Round::Dry);
        }
        let core = &self.terms.core;
        core.parts.queue.reap(core.lease(), core.now()).await?;
        let filter = ClaimFilter { except_storages: Vec::new(), ..self.filter() };
        let left = core.parts.queue.outstanding(&filter, 1).await?;
        Ok(if left == 0 { Round::Drained } else { Round::Dry })
    }
}
