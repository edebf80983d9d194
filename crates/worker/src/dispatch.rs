//! The claim loop: keeps as many leases in work as there are slots.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use stocktake_domain::ports::{ClaimFilter, Lease, StoreError};
use stocktake_domain::{Model, NotJudged, RecordKey, Timestamp};
use stocktake_net::retry::Backoff;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::context::{RunOptions, STOP_ALL, STOP_CLAIMING, after};
use crate::outage::{DELAYS, about};
use crate::recording::LeaseEnd;
use crate::slots::Slots;
use crate::telemetry;
use crate::work::work;

/// The longest time between looks at whether anything is left to drain; somebody waits for it.
const DRAIN_POLL: Duration = Duration::from_millis(500);

/// Which records are claimed, and when claiming ends.
#[derive(Debug, Default)]
pub(crate) struct DrainScope {
    /// Only these models; empty: all.
    pub(crate) models: Vec<Model>,
    /// Only records that became due then or later.
    pub(crate) due_from: Option<Timestamp>,
    /// Ends when nothing is due or leased any more, instead of waiting for new work.
    pub(crate) until_drained: bool,
}

/// Claims leases and has them worked on, each in a task of its own.
pub(crate) struct Dispatcher {
    options: RunOptions,
    scope: DrainScope,
    slots: Slots,
    running: JoinSet<(String, LeaseEnd)>,
    /// The closed storages besides which nothing was due when last asked; no question is worth asking while
    /// at least these are closed, until a signal or the poll says that there may be new work.
    idle_except: Option<Vec<String>>,
    /// Where the last lease of a storage and model began of which every record was given back.
    skipped: BTreeMap<(String, Model), RecordKey>,
    /// The error because of which the work on a lease ended.
    gave_up: Option<StoreError>,
}

/// What a round of claims came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimResult {
    /// There is no room for more.
    Full,
    /// Nothing more is due.
    Idle,
    /// Nothing is due or leased any more, and that was the aim.
    Drained,
}

impl Dispatcher {
    pub(crate) fn new(options: RunOptions, scope: DrainScope) -> Self {
        let settings = &options.context.settings;
        let slots = Slots::new(options.context.served(), settings.leases_per_storage, settings.claim_size);
        let (running, skipped) = (JoinSet::new(), BTreeMap::new());
        Self { options, scope, slots, running, idle_except: None, skipped, gave_up: None }
    }

    /// Works until stopped or drained, and then until every lease is given back, at the longest for
    /// [`STOP_ALL`] after the stop. Fails only where the terms' patience ends.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let stop = self.options.stop.clone();
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
            self.options.stop.cancel();
        }
        while self.running.join_next().await.is_some() {}
        result
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        let context = self.options.context.clone();
        let stop = self.options.stop.clone();
        let poll = if self.scope.until_drained {
            context.settings.poll.min(DRAIN_POLL)
        } else {
            context.settings.poll
        };
        // Armed before the first look, so that no signal in between is lost.
        let mut wake = context.parts.queue.wake_signal();
        let mut backoff = Backoff::new(DELAYS);
        while !stop.is_cancelled() {
            if let Some(error) = self.gave_up.take() {
                return Err(error);
            }
            let (pause, answers) = match self.claim_all().await {
                Ok(ClaimResult::Drained) => return Ok(()),
                Ok(ClaimResult::Full | ClaimResult::Idle) => {
                    backoff.reset();
                    telemetry::loop_succeeded("claim", context.now());
                    (about(poll, &*context.parts.rng), true)
                }
                Err(error) => {
                    let wait = backoff.next_delay(|bound| context.parts.rng.below(bound));
                    if !self.options.patience.lasts(&error, &backoff) {
                        return Err(error);
                    }
                    context.outage.failed("claiming work", &error);
                    (wait, false)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next(), if answers => self.ended(ended),
                () = wake.wait(), if answers && !self.slots.is_full(Instant::now()) => self.idle_except = None,
                () = tokio::time::sleep(pause) => self.idle_except = None,
            }
        }
        Ok(())
    }

    /// Claims while there is room and work.
    async fn claim_all(&mut self) -> Result<ClaimResult, StoreError> {
        loop {
            while let Some(ended) = self.running.try_join_next() {
                self.ended(ended);
            }
            if self.has_given_up_on_the_process() {
                return Ok(ClaimResult::Drained);
            }
            if self.slots.is_full(Instant::now())
                || self.gave_up.is_some()
                || self.options.stop.is_cancelled()
            {
                return Ok(ClaimResult::Full);
            }
            let filter = self.filter();
            let idle_except = self.idle_except.as_ref();
            if idle_except.is_some_and(|idle_except| {
                idle_except.iter().all(|name| filter.except_storages.contains(name))
            }) {
                return self.check_drained().await;
            }
            match self.claim(&filter).await? {
                Some(lease) => self.start(lease),
                None => self.idle_except = Some(filter.except_storages),
            }
        }
    }

    /// What may be claimed now.
    fn filter(&self) -> ClaimFilter {
        let context = &self.options.context;
        let mut closed: Vec<String> = self.slots.closed(Instant::now()).cloned().collect();
        if self.options.respects_hours {
            let now = context.now();
            let asleep = context
                .parts
                .storages
                .iter()
                .filter(|(_, storage)| storage.hours.is_some_and(|hours| !hours.contains(now)));
            closed.extend(asleep.map(|(name, _)| name.clone()));
        }
        closed.sort_unstable();
        closed.dedup();
        ClaimFilter {
            models: self.scope.models.clone(),
            storages: context.settings.storages.clone(),
            except_storages: closed,
            due_from: self.scope.due_from,
            limit: self.slots.per_lease(),
        }
    }

    async fn claim(&self, filter: &ClaimFilter) -> Result<Option<Lease>, StoreError> {
        let context = &self.options.context;
        let claim = context.parts.queue.claim(&context.worker, filter, context.lease_terms());
        let claimed = tokio::select! {
            biased;
            claimed = claim => claimed?,
            () = after(&self.options.stop, STOP_CLAIMING) => return Ok(None),
        };
        context.outage.worked();
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
        self.slots.take(&storage);
        let options = self.options.clone();
        self.running.spawn(async move {
            // A panic of our own must not occupy the storage's slot forever.
            let end = AssertUnwindSafe(work(&options, lease)).catch_unwind().await;
            (storage, end.unwrap_or(LeaseEnd::Broken))
        });
    }

    fn ended(&mut self, ended: Result<(String, LeaseEnd), JoinError>) {
        // A task is aborted only when the dispatcher is dropped, and panics are caught inside.
        let Ok((storage, end)) = ended else { return };
        self.slots.release(&storage);
        match end {
            LeaseEnd::Done => self.slots.reading_succeeded(&storage),
            LeaseEnd::Lost => self.idle_except = None,
            LeaseEnd::Broken => {
                self.idle_except = None;
                self.slots.reading_failed(&storage, Instant::now());
            }
            LeaseEnd::NotJudged(fault) => {
                self.idle_except = None;
                match fault {
                    NotJudged::Process(_) => self.slots.process_failed(Instant::now()),
                    NotJudged::Storage(_) | NotJudged::Folder(_) | NotJudged::Cancelled => {
                        self.slots.reading_failed(&storage, Instant::now());
                    }
                }
            }
            LeaseEnd::Skipped { model, first } => {
                self.idle_except = None;
                let before = self.skipped.insert((storage.clone(), model), first.clone());
                // Others may be behind these, until claims have gone round.
                if before.is_some_and(|before| first <= before) {
                    self.slots.reading_failed(&storage, Instant::now());
                }
            }
            LeaseEnd::Store(error) => self.gave_up = Some(error),
        }
    }

    /// Whether nothing could be read for as long as a drain in the foreground waits.
    fn has_given_up_on_the_process(&self) -> bool {
        let given_up = self.options.context.settings.give_up_after;
        self.scope.until_drained
            && self.running.is_empty()
            && self.slots.process_fails_for(given_up, Instant::now())
    }

    /// Nothing can be claimed: checks whether nothing is left at all, where the scope ends with that. Expired leases
    /// of other workers are reaped, since no other process may be there to do it.
    async fn check_drained(&mut self) -> Result<ClaimResult, StoreError> {
        if !self.scope.until_drained || !self.running.is_empty() {
            return Ok(ClaimResult::Idle);
        }
        let context = &self.options.context;
        context.parts.queue.reap(context.lease()).await?;
        let given_up = context.settings.give_up_after;
        let except_storages = self.slots.failing_for(given_up, Instant::now()).cloned().collect();
        let filter = ClaimFilter { except_storages, ..self.filter() };
        let left = context.parts.queue.outstanding(&filter, 1).await?;
        Ok(if left == 0 { ClaimResult::Drained } else { ClaimResult::Idle })
    }
}
