//! The results of one lease on their way to the database.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use stocktake_domain::ports::{ClaimedRecord, Lease, LeaseId, StoreError, Watch};
use stocktake_domain::{Algorithm, Model, NotJudged, RecordKey, UnreadableFolder};
use stocktake_net::error::ErrorChain;
use stocktake_net::retry::Backoff;
use tokio::task::JoinError;

use crate::batch::{Batch, Judge, Unconfirmed, Unrecorded};
use crate::confirming::Confirmed;
use crate::context::RunOptions;
use crate::outage::{DELAYS, Patience};
use crate::reading::{Collector, Seen};
use crate::telemetry;

/// How often results that the database refuses are tried again before they are given up. An outage is
/// waited for instead.
const TRIES_WHEN_REFUSED: u32 = 3;

/// How the work on a lease ended.
#[derive(Debug)]
pub(crate) enum LeaseEnd {
    /// All results are recorded, or the rest was given back because the engine stops or the storage's hours
    /// are over.
    Done,
    /// The lease ended under the work, which was dropped.
    Lost,
    /// The adapter or the results are not as they must be; what is not finished was given back.
    Broken,
    /// The storage or the process keeps the rest from being judged; it was given back.
    NotJudged(NotJudged),
    /// Nothing came of it: all its records lie in folders that cannot be read, and were given back.
    Skipped {
        /// Their model.
        model: Model,
        /// The first of them.
        first: RecordKey,
    },
    /// The database was unavailable for longer than the caller waits.
    Store(StoreError),
}

/// The results of one lease on their way to the database.
pub(crate) struct Recording<'a> {
    options: &'a RunOptions,
    watch: &'a Watch,
    collector: &'a Collector,
    /// Set once the lease is being ended.
    ending: &'a AtomicBool,
    lease: LeaseId,
    model: Model,
    storage: String,
    algorithm: Algorithm,
    first: Option<RecordKey>,
    /// By the index of the piece; taken when it was judged.
    records: Vec<Option<ClaimedRecord>>,
    unfinished: usize,
    /// How many that are not good the storage kept from being recorded.
    doubted: usize,
    /// Seen as not good, and not yet confirmed.
    unconfirmed: Vec<Unconfirmed>,
    /// The folders that cannot be read, whose records are given back.
    folders: BTreeMap<String, UnreadableFolder>,
    has_written: bool,
    /// What keeps the rest from being judged.
    fault: Option<NotJudged>,
    batch: Batch,
    buffer: Vec<Seen>,
    counted_bytes: u64,
}

impl<'a> Recording<'a> {
    pub(crate) fn new(
        options: &'a RunOptions,
        lease: Lease,
        watch: &'a Watch,
        collector: &'a Collector,
        ending: &'a AtomicBool,
    ) -> Self {
        Self {
            options,
            watch,
            collector,
            ending,
            lease: lease.id,
            model: lease.model,
            storage: lease.storage,
            algorithm: options.context.settings.policy.algorithm(lease.model),
            unfinished: lease.records.len(),
            first: lease.records.first().map(|record| record.key.clone()),
            records: lease.records.into_iter().map(Some).collect(),
            doubted: 0,
            unconfirmed: Vec::new(),
            folders: BTreeMap::new(),
            has_written: false,
            fault: None,
            batch: Batch::default(),
            buffer: Vec::new(),
            counted_bytes: 0,
        }
    }

    /// Records what was seen so far. Breaks if that was all, or the lease has ended.
    pub(crate) async fn flush(&mut self) -> ControlFlow<LeaseEnd> {
        self.judge().await;
        if self.unfinished == 0 {
            return ControlFlow::Break(self.finish(None).await);
        }
        if self.batch.outcomes.is_empty() {
            return ControlFlow::Continue(());
        }
        self.write(false).await.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    /// Records what was seen and ends the lease, giving back what is not finished. `panicked`: how the
    /// adapter broke down, if it did.
    pub(crate) async fn finish(&mut self, panicked: Option<JoinError>) -> LeaseEnd {
        self.judge().await;
        let broken = self.unfinished > 0 && !self.watch.is_cancelled();
        if broken {
            self.broke_down(panicked);
        }
        if let Some(fault) = &self.fault {
            // Before others can claim what is given back.
            self.options.context.report(&self.storage, fault).await;
        }
        let folders: Vec<_> = std::mem::take(&mut self.folders).into_values().collect();
        let has_skipped = !folders.is_empty();
        self.options.context.report_folders(&self.storage, folders).await;
        match (self.write(true).await, self.fault.take(), self.first.take()) {
            (Err(end), ..) => end,
            (Ok(()), Some(fault), _) => LeaseEnd::NotJudged(fault),
            (Ok(()), None, _) if broken => LeaseEnd::Broken,
            (Ok(()), None, Some(first)) if has_skipped && !self.has_written => {
                LeaseEnd::Skipped { model: self.model, first }
            }
            (Ok(()), None, _) => LeaseEnd::Done,
        }
    }

    /// Judges what the adapter has reported since the last time.
    async fn judge(&mut self) {
        let context = &self.options.context;
        self.collector.take(&mut self.buffer);
        let judge = Judge { algorithm: self.algorithm, rng: &*context.parts.rng, now: context.now() };
        let mut fault = None;
        for (index, seen) in self.buffer.drain(..) {
            // A piece reported twice is an adapter's fault that changes nothing.
            let Some(record) = self.records.get_mut(index).and_then(Option::take) else { continue };
            match self.batch.add(record, seen, &judge) {
                Ok(()) => self.unfinished -= 1,
                Err(Unrecorded::Unconfirmed(unconfirmed)) => self.unconfirmed.push(*unconfirmed),
                Err(Unrecorded::NotJudged(NotJudged::Cancelled)) => {}
                Err(Unrecorded::NotJudged(NotJudged::Folder(folder))) => {
                    self.unfinished -= 1;
                    self.folders.insert(folder.folder.clone(), folder);
                }
                Err(Unrecorded::NotJudged(not_judged)) => fault = Some(not_judged),
            }
        }
        if let Some(fault) = fault {
            self.stop_for(fault);
        }
        self.confirm().await;
        let bytes = self.watch.bytes();
        let more = bytes.saturating_sub(self.counted_bytes);
        telemetry::read(&self.storage, more);
        self.options.context.shares.add(&self.storage, 0, more);
        self.counted_bytes = bytes;
    }

    /// Gives up what is not read yet: nothing can be said of it either.
    fn stop_for(&mut self, fault: NotJudged) {
        self.watch.cancel();
        self.fault.get_or_insert(fault);
    }

    /// Adds what is not good to the results, if the storage proves to be what it should be.
    async fn confirm(&mut self) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let context = &self.options.context;
        if unconfirmed.is_empty() {
            return;
        }
        let count = unconfirmed.len();
        let confirmed = match context.parts.storages.get(&self.storage) {
            Some(storage) => context.confirm(&self.storage, storage, self.watch, unconfirmed).await,
            // Of a storage that nobody has there is nothing to look at.
            None => Ok(Confirmed { sure: unconfirmed, ..Confirmed::default() }),
        };
        let confirmed = match confirmed {
            Ok(confirmed) => confirmed,
            Err(fault) => {
                self.doubted += count;
                return self.stop_for(fault);
            }
        };
        self.unfinished -= confirmed.given_back;
        self.folders.extend(confirmed.folders.into_iter().map(|of| (of.folder.clone(), of)));
        let judge = Judge { algorithm: self.algorithm, rng: &*context.parts.rng, now: context.now() };
        for confirmed in confirmed.sure {
            self.unfinished -= 1;
            self.batch.add_confirmed(confirmed, &judge);
        }
    }

    /// Writes the batch, waiting for the database if it is away.
    async fn write(&mut self, last: bool) -> Result<(), LeaseEnd> {
        let context = &self.options.context;
        self.ending.store(last, Ordering::Relaxed);
        let mut backoff = Backoff::new(DELAYS);
        loop {
            let result = {
                // Never closed; without a permit the write would only be less polite.
                let _permit = context.writers.acquire().await.ok();
                context.parts.queue.complete(self.lease, &self.batch.outcomes, last).await
            };
            match result {
                Ok(written) => {
                    context.outage.worked();
                    self.wrote(written).await;
                    return Ok(());
                }
                Err(error) => {
                    context.outage.failed("recording results", &error);
                    let wait = backoff.next_delay(|bound| context.parts.rng.below(bound));
                    if self.is_hopeless(&error, &backoff) {
                        return Err(self.give_up(error).await);
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn is_hopeless(&self, error: &StoreError, failed: &Backoff) -> bool {
        let refused = matches!(error, StoreError::Internal(_)) && failed.failures() >= TRIES_WHEN_REFUSED;
        refused || !self.options.patience.lasts(error, failed)
    }

    /// Gives the lease back without the results.
    async fn give_up(&self, error: StoreError) -> LeaseEnd {
        let (model, storage, count) = (self.model, &self.storage, self.batch.outcomes.len());
        tracing::error!(
            lease.id = self.lease.0,
            lease.model = model.name(),
            lease.storage = storage,
            results.count = count,
            error.cause = %ErrorChain(&error),
            "{count} results of {model} in storage {storage:?} could not be recorded, their records are released",
        );
        if let Err(error) = self.options.context.parts.queue.complete(self.lease, &[], true).await {
            self.options.context.outage.failed("giving back a lease", &error);
        }
        match self.options.patience {
            Patience::Endless => LeaseEnd::Broken,
            Patience::Foreground(_) => LeaseEnd::Store(error),
        }
    }

    async fn wrote(&mut self, written: u64) {
        let stats = self.batch.written(written);
        let discarded = self.batch.stats.records().saturating_sub(written);
        if discarded > 0 {
            telemetry::discarded(self.model, discarded);
            tracing::info!(
                lease.id = self.lease.0,
                lease.model = self.model.name(),
                results.discarded = discarded,
                "{discarded} results of {} were discarded, because newer calculations were requested",
                self.model,
            );
        }
        self.has_written |= written > 0;
        if stats.looked_at() > 0 {
            let context = &self.options.context;
            if let Some(storage) = context.parts.storages.get(&self.storage) {
                // A few good ones among many that are not may lie in an older copy as well.
                let good = if self.batch.good.len() > self.doubted { &self.batch.good[..] } else { &[] };
                context.reading_succeeded(&self.storage, storage, good).await;
            }
            context.process_is_well().await;
        }
        self.batch.clear();
        if stats.records() > 0 {
            telemetry::recorded(self.model, &stats);
            self.options.context.shares.add(&self.storage, stats.records(), 0);
            self.options.recorder.add(&stats);
        }
    }

    fn broke_down(&self, panicked: Option<JoinError>) {
        let reason =
            panicked.map_or_else(|| "it cancelled readings without a request".to_owned(), panic_text);
        let (model, storage, count) = (self.model, &self.storage, self.unfinished);
        telemetry::breakdown(storage);
        tracing::error!(
            lease.id = self.lease.0,
            lease.model = model.name(),
            lease.storage = storage,
            records.unfinished = count,
            error.cause = reason,
            "reading storage {storage:?} failed, {count} records of {model} are released: {reason}",
        );
    }
}

/// What a panic said.
fn panic_text(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "its task was cancelled".to_owned() };
    let payload: &(dyn Any + Send) = &*payload;
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
