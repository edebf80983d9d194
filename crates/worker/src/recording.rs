//! The results of one lease on their way to the database.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use stocktake_domain::ports::{ClaimedRecord, Lease, LeaseId, StoreError, Watch};
use stocktake_domain::{Algorithm, Model};
use tokio::task::JoinError;

use crate::batch::{Batch, Judge};
use crate::collector::{Collector, Seen};
use crate::outage::{Backoff, Patience, chain};
use crate::shared::Terms;
use crate::telemetry;
use crate::work::End;

/// How often results that the database refuses are tried again before they are given up. An outage is
/// waited for instead.
const TRIES_WHEN_REFUSED: u32 = 3;

/// The results of one lease on their way to the database.
pub(crate) struct Recording<'a> {
    terms: &'a Terms,
    watch: &'a Watch,
    collector: &'a Collector,
    /// Set once the lease is being ended.
    ending: &'a AtomicBool,
    lease: LeaseId,
    model: Model,
    storage: String,
    algorithm: Algorithm,
    /// By the index of the piece; taken when it was judged.
    records: Vec<Option<ClaimedRecord>>,
    unfinished: usize,
    batch: Batch,
    buffer: Vec<Seen>,
    counted_bytes: u64,
}

impl<'a> Recording<'a> {
    pub(crate) fn new(
        terms: &'a Terms,
        lease: Lease,
        watch: &'a Watch,
        collector: &'a Collector,
        ending: &'a AtomicBool,
    ) -> Self {
        Self {
            terms,
            watch,
            collector,
            ending,
            lease: lease.id,
            model: lease.model,
            storage: lease.storage,
            algorithm: terms.core.settings.policy.algorithm(lease.model),
            unfinished: lease.records.len(),
            records: lease.records.into_iter().map(Some).collect(),
            batch: Batch::default(),
            buffer: Vec::new(),
            counted_bytes: 0,
        }
    }

    /// Records what was seen so far. True if that was all, and the lease has ended.
    pub(crate) async fn flush(&mut self) -> Result<bool, End> {
        self.judge();
        let last = self.unfinished == 0;
        if last || !self.batch.outcomes.is_empty() {
            self.write(last).await?;
        }
        Ok(last)
    }

    /// Records what was seen and ends the lease, giving back what is not finished. `panicked`: how the
    /// adapter broke down, if it did.
    pub(crate) async fn finish(&mut self, panicked: Option<JoinError>) -> End {
        self.judge();
        let broken = self.unfinished > 0 && !self.watch.is_cancelled();
        if broken {
            self.broke_down(panicked);
        }
        match self.write(true).await {
            Ok(()) if broken => End::Broken,
            Ok(()) => End::Done,
            Err(end) => end,
        }
    }

    /// Judges what the adapter has reported since the last time.
    fn judge(&mut self) {
        let core = &self.terms.core;
        self.collector.take(&mut self.buffer);
        let judge = Judge { algorithm: self.algorithm, rng: &*core.parts.rng, now: core.now() };
        for (index, seen) in self.buffer.drain(..) {
            // A piece reported twice is an adapter's fault that changes nothing.
            if let Some(record) = self.records.get_mut(index).and_then(Option::take) {
                self.unfinished -= usize::from(self.batch.add(record, seen, &judge));
            }
        }
        let bytes = self.watch.bytes();
        telemetry::read(&self.storage, bytes.saturating_sub(self.counted_bytes));
        self.counted_bytes = bytes;
    }

    /// Writes the batch, waiting for the database if it is away.
    async fn write(&mut self, last: bool) -> Result<(), End> {
        let core = &self.terms.core;
        self.ending.store(last, Ordering::Relaxed);
        let mut backoff = Backoff::default();
        loop {
            let result = {
                // Never closed; without a permit the write would only be less polite.
                let _permit = core.writers.acquire().await.ok();
                core.parts.queue.complete(self.lease, &self.batch.outcomes, last).await
            };
            match result {
                Ok(written) => {
                    core.outage.worked();
                    self.wrote(written);
                    return Ok(());
                }
                Err(error) => {
                    core.outage.failed("recording results", &error);
                    let wait = backoff.next_wait(&*core.parts.rng);
                    if self.is_hopeless(&error, backoff.failures()) {
                        return Err(self.give_up(error).await);
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn is_hopeless(&self, error: &StoreError, failures: u32) -> bool {
        let refused = matches!(error, StoreError::Internal(_)) && failures >= TRIES_WHEN_REFUSED;
        refused || !self.terms.patience.lasts(failures)
    }

    /// Gives the lease back without the results.
    async fn give_up(&self, error: StoreError) -> End {
        let (model, storage, count) = (self.model, &self.storage, self.batch.outcomes.len());
        tracing::error!(
            lease.id = self.lease.0,
            lease.model = model.name(),
            lease.storage = storage,
            results.count = count,
            error.cause = chain(&error),
            "{count} results of {model} in storage {storage:?} could not be recorded, their records are given back",
        );
        if let Err(error) = self.terms.core.parts.queue.complete(self.lease, &[], true).await {
            self.terms.core.outage.failed("giving back a lease", &error);
        }
        match self.terms.patience {
            Patience::Endless => End::Broken,
            Patience::Tries(_) => End::Store(error),
        }
    }

    fn wrote(&mut self, written: u64) {
        let tally = self.batch.written(written);
        let discarded = self.batch.tally.records().saturating_sub(written);
        if discarded > 0 {
            telemetry::discarded(self.model, discarded);
            tracing::info!(
                lease.id = self.lease.0,
                lease.model = self.model.name(),
                results.discarded = discarded,
                "{discarded} results of {} were thrown away, because newer calculations were asked for",
                self.model,
            );
        }
        self.batch.clear();
        if tally.records() > 0 {
            telemetry::recorded(self.model, &tally);
            self.terms.recorder.add(&tally);
        }
    }

    fn broke_down(&self, panicked: Option<JoinError>) {
        let reason = panicked.map_or_else(|| "it gave pieces up unasked".to_owned(), panic_text);
        let (model, storage, count) = (self.model, &self.storage, self.unfinished);
        telemetry::breakdown(storage);
        tracing::error!(
            lease.id = self.lease.0,
            lease.model = model.name(),
            lease.storage = storage,
            records.unfinished = count,
            error.cause = reason,
            "reading storage {storage:?} broke down, {count} records of {model} are given back: {reason}",
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
