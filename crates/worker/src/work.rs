//! The work on one lease: read, judge, record, and stay alive meanwhile.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stocktake_domain::ports::{Inspection, InspectionSink, Lease, LeaseId, Renewal, StoreError, Watch};
use stocktake_domain::{ContentError, Model, Observation};
use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use crate::collector::Collector;
use crate::hours::Hours;
use crate::outage::Backoff;
use crate::recording::Recording;
use crate::settings::Storage;
use crate::shared::{STOP_READING, Terms, after};
use crate::telemetry;

/// How long results wait for others to be recorded with.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// How the work on a lease ended.
#[derive(Debug)]
pub(crate) enum End {
    /// All results are recorded, or the rest was given back because the engine stops or the storage's hours
    /// are over.
    Done,
    /// The lease ended under the work, which was dropped.
    Lost,
    /// The adapter or the results are not as they must be; what is not finished was given back.
    Broken,
    /// The database was away for longer than the caller has patience.
    Store(StoreError),
}

/// What is being read for a lease. Dropping it calls the reading off.
pub(crate) struct Reading {
    pub(crate) watch: Arc<Watch>,
    pub(crate) collector: Arc<Collector>,
    task: AbortOnDropHandle<()>,
}

impl Reading {
    /// Begins to read `pieces` in a task of its own, so that a panic in the adapter ends nothing else. What has
    /// no place is reported as invalid; without a storage, each piece is.
    pub(crate) fn begin(name: &str, storage: Option<&Storage>, pieces: Vec<Inspection>) -> Self {
        let watch = Arc::new(Watch::default());
        let collector = Arc::new(Collector::default());
        let content = storage.map(|storage| Arc::clone(&storage.content)).ok_or_else(|| name.to_owned());
        let line = Arc::clone(&watch);
        let (pieces, sink) = placed(pieces, &collector);
        let task = tokio::spawn(async move {
            match content {
                Ok(content) => content.inspect(pieces, line, sink).await,
                Err(name) => refuse(&name, pieces.len(), &*sink),
            }
        });
        Self { watch, collector, task: AbortOnDropHandle::new(task) }
    }

    /// Returns when the adapter is done.
    pub(crate) async fn ended(&mut self) -> Result<(), JoinError> {
        (&mut self.task).await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.watch.cancel();
    }
}

/// Reports the pieces that have no place; the others, with the sink for them.
fn placed(pieces: Vec<Inspection>, collector: &Arc<Collector>) -> (Vec<Inspection>, Arc<dyn InspectionSink>) {
    let sink: Arc<dyn InspectionSink> = collector.clone();
    let (mut left, mut indices) = (Vec::with_capacity(pieces.len()), Vec::with_capacity(pieces.len()));
    for (index, piece) in pieces.into_iter().enumerate() {
        if let Some(error) = piece.refusal() {
            sink.report(index, Err(error));
        } else {
            left.push(piece);
            indices.push(index);
        }
    }
    if indices.iter().enumerate().all(|(now, before)| now == *before) {
        return (left, sink);
    }
    (left, Arc::new(Placed { indices, sink }))
}

/// A sink for some of the pieces.
struct Placed {
    /// Which of all pieces each is.
    indices: Vec<usize>,
    sink: Arc<dyn InspectionSink>,
}

impl InspectionSink for Placed {
    fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
        if let Some(index) = self.indices.get(index) {
            self.sink.report(*index, seen);
        }
    }
}

fn refuse(storage: &str, pieces: usize, sink: &dyn InspectionSink) {
    for index in 0..pieces {
        sink.report(index, Err(ContentError::Invalid(format!("unknown storage {storage:?}"))));
    }
}

/// Works on a lease to its end, and returns when nothing more is to be done for it.
pub(crate) async fn work(terms: &Terms, mut lease: Lease) -> End {
    let _held = telemetry::HeldLease::new();
    let storage = terms.core.parts.storages.get(&lease.storage);
    let pieces = pieces(terms, &mut lease);
    let mut reading = Reading::begin(&lease.storage, storage, pieces);
    let (watch, collector) = (Arc::clone(&reading.watch), Arc::clone(&reading.collector));
    let hours = storage.and_then(|storage| storage.hours).filter(|_| terms.keeps_hours);
    let (id, model) = (lease.id, lease.model);
    let ending = AtomicBool::new(false);
    let mut recording = Recording::new(terms, lease, &watch, &collector, &ending);
    tokio::select! {
        biased;
        end = read_and_record(terms, &mut reading, &mut recording) => end,
        () = keep_alive(terms, id, &watch, &collector, &ending) => {
            lost(id, model);
            End::Lost
        }
        never = call_off(terms, hours, &watch) => match never {},
    }
}

/// What to read for a lease. Takes the paths and rules out of it, which nothing else needs.
fn pieces(terms: &Terms, lease: &mut Lease) -> Vec<Inspection> {
    let model = lease.model;
    let shown = terms.core.settings.policy.algorithm(model);
    let records = lease.records.iter_mut();
    records
        .map(|record| Inspection {
            model,
            path: std::mem::take(&mut record.path),
            algorithms: record.reference.algorithms(shown),
            rule: std::mem::take(&mut record.rule),
        })
        .collect()
}

/// Records what the reading brings: all at its end, and from time to time before, so that slow pieces do not
/// keep back the results of the others.
async fn read_and_record(terms: &Terms, reading: &mut Reading, recording: &mut Recording<'_>) -> End {
    let mut flush = tokio::time::interval_at(Instant::now() + FLUSH_EVERY, FLUSH_EVERY);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut overdue = pin!(after(&terms.stop, STOP_READING));
    loop {
        tokio::select! {
            biased;
            ended = reading.ended() => return recording.finish(ended.err()).await,
            () = &mut overdue => return recording.finish(None).await,
            _ = flush.tick() => match recording.flush().await {
                Ok(true) => return End::Done,
                Ok(false) => {}
                Err(end) => return end,
            },
        }
    }
}

/// Renews the lease for as long as it can be renewed. Once the work is `ending` it, a lease that is gone is
/// no news: the answer to the last write tells what became of the results.
async fn keep_alive(
    terms: &Terms,
    lease: LeaseId,
    watch: &Watch,
    collector: &Collector,
    ending: &AtomicBool,
) {
    let core = &terms.core;
    let lease_terms = core.lease_terms();
    let every = (lease_terms.duration.min(lease_terms.heartbeat_timeout) / 3).max(Duration::from_millis(10));
    let mut backoff = Backoff::default();
    let (mut wait, mut before) = (every, (0, 0));
    loop {
        tokio::time::sleep(wait).await;
        let present = (watch.bytes(), collector.reported());
        let renewal = Renewal { lease, progressed: present != before };
        match core.parts.queue.renew(&[renewal], lease_terms, core.now()).await {
            Ok(gone) if gone.contains(&lease) && !ending.load(Ordering::Relaxed) => return,
            Ok(_) => {
                core.outage.worked();
                backoff.reset();
                (wait, before) = (every, present);
            }
            Err(error) => {
                core.outage.failed("renewing a lease", &error);
                wait = backoff.next_wait(&*core.parts.rng).min(every);
            }
        }
    }
}

/// Calls the reading off when the engine stops or the storage's hours are over.
async fn call_off(terms: &Terms, hours: Option<Hours>, watch: &Watch) -> Infallible {
    match hours.map(|hours| hours.left(terms.core.now())) {
        Some(left) => {
            // Whichever comes first; a timeout is no error here.
            let _ = tokio::time::timeout(left, terms.stop.cancelled()).await;
        }
        None => terms.stop.cancelled().await,
    }
    watch.cancel();
    std::future::pending().await
}

fn lost(lease: LeaseId, model: Model) {
    telemetry::lease_lost(model);
    tracing::warn!(
        lease.id = lease.0,
        lease.model = model.name(),
        "lease {} on {model} is gone, its work is dropped; its records are due again",
        lease.0,
    );
}
