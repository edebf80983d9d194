//! The work on one lease: read, judge, record, and stay alive meanwhile.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stocktake_domain::ports::{Inspection, Lease, LeaseId, Renewal, Watch};
use stocktake_domain::{ContentError, Model, NotJudged};
use stocktake_net::retry::Backoff;
use tokio::time::{Instant, MissedTickBehavior};

use crate::context::{RunOptions, STOP_READING, after};
use crate::hours::Hours;
use crate::outage::DELAYS;
use crate::reading::{Collector, Reading};
use crate::recording::{LeaseEnd, Recording};
use crate::telemetry;

/// How long results wait for others to be recorded with.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Works on a lease to its end, and returns when nothing more is to be done for it.
#[tracing::instrument(
    name = "lease",
    level = "debug",
    skip_all,
    fields(lease.id = lease.id.0, lease.model = lease.model.name(), lease.storage, records.count = lease.records.len()),
)]
pub(crate) async fn work(options: &RunOptions, lease: Lease) -> LeaseEnd {
    let _held = telemetry::HeldLease::new();
    let (id, name) = (lease.id, lease.storage.clone());
    let context = &options.context;
    let Some(storage) = context.parts.storages.get(&name) else {
        return match context.leave_to_others(&name).await {
            Ok(()) => read(options, lease).await,
            Err(fault) => {
                // Nothing is wrong with the storage, which others would be told.
                context.health.update(&name, |state| state.fault = Some(fault.to_string()));
                give_back(options, id, fault).await
            }
        };
    };
    match context.probe_if_closed(&name, storage).await {
        Ok(()) => read(options, lease).await,
        Err(fault) => {
            context.report(&name, &fault).await;
            give_back(options, id, fault).await
        }
    }
}

/// Gives a lease back of which nothing was read.
async fn give_back(options: &RunOptions, lease: LeaseId, fault: NotJudged) -> LeaseEnd {
    let context = &options.context;
    match context.parts.queue.complete(lease, &[], true).await {
        Ok(_) => context.outage.worked(),
        // It runs out by itself.
        Err(error) => context.outage.failed("giving back a lease", &error),
    }
    LeaseEnd::NotJudged(fault)
}

async fn read(options: &RunOptions, mut lease: Lease) -> LeaseEnd {
    let storage = options.context.parts.storages.get(&lease.storage);
    let pieces = pieces(options, &mut lease);
    let mut reading = Reading::begin(&lease.storage, storage, pieces);
    let (watch, collector) = (Arc::clone(&reading.watch), Arc::clone(&reading.collector));
    let hours = storage.and_then(|storage| storage.hours).filter(|_| options.respects_hours);
    let (id, model) = (lease.id, lease.model);
    let ending = AtomicBool::new(false);
    let mut recording = Recording::new(options, lease, &watch, &collector, &ending);
    tokio::select! {
        biased;
        end = read_and_record(options, &mut reading, &mut recording) => end,
        () = keep_alive(options, id, &watch, &collector, &ending) => {
            lost(id, model);
            LeaseEnd::Lost
        }
        never = cancel_when_due(options, hours, &watch) => match never {},
    }
}

/// What to read for a lease; nothing of a record whose row is damaged. Takes the rules out of it, which nothing else needs.
fn pieces(options: &RunOptions, lease: &mut Lease) -> Vec<Result<Inspection, ContentError>> {
    let model = lease.model;
    let shown = options.context.settings.policy.algorithm(model);
    let records = lease.records.iter_mut();
    records
        .map(|record| {
            let reference = record.reference.map_err(ContentError::DamagedRow)?;
            Ok(Inspection {
                model,
                path: record.path.clone(),
                algorithms: reference.algorithms(shown),
                rule: std::mem::take(&mut record.rule),
                attempt: (!options.context.settings.deep).then(|| record.verification.attempt()),
                reference,
            })
        })
        .collect()
}

/// Records what the reading brings: all at its end, and from time to time before, so that slow pieces do not
/// keep back the results of the others.
async fn read_and_record(
    options: &RunOptions,
    reading: &mut Reading,
    recording: &mut Recording<'_>,
) -> LeaseEnd {
    let mut flush = tokio::time::interval_at(Instant::now() + FLUSH_EVERY, FLUSH_EVERY);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut overdue = pin!(after(&options.stop, STOP_READING));
    loop {
        tokio::select! {
            biased;
            ended = reading.ended() => return recording.finish(ended.err()).await,
            () = &mut overdue => return recording.finish(None).await,
            _ = flush.tick() => if let ControlFlow::Break(end) = recording.flush().await {
                return end;
            },
        }
    }
}

/// Renews the lease for as long as it can be renewed. Once the work is `ending` it, a lease that is gone is
/// no news: the answer to the last write tells what became of the results.
async fn keep_alive(
    options: &RunOptions,
    lease: LeaseId,
    watch: &Watch,
    collector: &Collector,
    ending: &AtomicBool,
) {
    let context = &options.context;
    let lease_terms = context.lease_terms();
    let every = (lease_terms.duration.min(lease_terms.heartbeat_timeout) / 3).max(Duration::from_millis(10));
    let mut backoff = Backoff::new(DELAYS);
    let (mut wait, mut before) = (every, (0, 0));
    loop {
        tokio::time::sleep(wait).await;
        let present = (watch.bytes(), collector.reported());
        let renewal = Renewal { lease, progressed: present != before };
        match context.parts.queue.renew(&[renewal], lease_terms).await {
            Ok(gone) if gone.contains(&lease) && !ending.load(Ordering::Relaxed) => return,
            Ok(_) => {
                context.outage.worked();
                backoff.reset();
                (wait, before) = (every, present);
            }
            Err(error) => {
                context.outage.failed("renewing a lease", &error);
                wait = backoff.next_delay(|bound| context.parts.rng.below(bound)).min(every);
            }
        }
    }
}

/// Calls the reading off when the engine stops or the storage's hours are over.
async fn cancel_when_due(options: &RunOptions, hours: Option<Hours>, watch: &Watch) -> Infallible {
    match hours.map(|hours| hours.left(options.context.now())) {
        Some(left) => {
            // Whichever comes first; a timeout is no error here.
            let _ = tokio::time::timeout(left, options.stop.cancelled()).await;
        }
        None => options.stop.cancelled().await,
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
