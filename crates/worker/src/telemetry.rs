//! The metrics of the worker and the scheduler.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use stocktake_domain::{Model, Timestamp};

use crate::stats::Stats;

const VERIFICATIONS: &str = "stocktake_verifications_total";
const BYTES: &str = "stocktake_content_read_bytes_total";
const HELD: &str = "stocktake_leases_held";
const LOST: &str = "stocktake_leases_lost_total";
const DISCARDED: &str = "stocktake_results_discarded_total";
const BREAKDOWNS: &str = "stocktake_storage_breakdowns_total";
const STORE_ERRORS: &str = "stocktake_worker_store_errors_total";
const LAST_SUCCESS: &str = "stocktake_loop_last_success_timestamp_seconds";

/// Says what the metrics mean, for the exporter's help texts.
pub(crate) fn describe() {
    describe_counter!(VERIFICATIONS, "Verifications recorded by this process, by model and result.");
    describe_counter!(BYTES, "Bytes of content read by this process, by storage.");
    describe_gauge!(HELD, "Leases this process holds.");
    describe_counter!(LOST, "Leases that ended under this process before its work did.");
    describe_counter!(DISCARDED, "Results discarded because the lease or the attempt was no longer current.");
    describe_counter!(
        BREAKDOWNS,
        "Times reading a storage failed, so that the storage is paused for a while."
    );
    describe_counter!(
        STORE_ERRORS,
        "Failed calls to the database by the worker and the scheduler, by what they were doing."
    );
    describe_gauge!(
        LAST_SUCCESS,
        "When a background loop last did its work without an error, in seconds since 1970."
    );
}

/// Results that were recorded.
pub(crate) fn recorded(model: Model, stats: &Stats) {
    if stats.succeeded > 0 {
        counter!(VERIFICATIONS, "model" => model.name(), "result" => "succeeded").increment(stats.succeeded);
    }
    for (kind, count) in &stats.failed {
        counter!(VERIFICATIONS, "model" => model.name(), "result" => kind.name()).increment(*count);
    }
}

/// Results that were discarded.
pub(crate) fn discarded(model: Model, count: u64) {
    counter!(DISCARDED, "model" => model.name()).increment(count);
}

/// Bytes that were read.
pub(crate) fn read(storage: &str, bytes: u64) {
    counter!(BYTES, "storage" => storage.to_owned()).increment(bytes);
}

/// A lease that ended too early.
pub(crate) fn lease_lost(model: Model) {
    counter!(LOST, "model" => model.name()).increment(1);
}

/// Reading a storage failed.
pub(crate) fn breakdown(storage: &str) {
    counter!(BREAKDOWNS, "storage" => storage.to_owned()).increment(1);
}

/// A call to the database failed.
pub(crate) fn store_error(doing: &'static str) {
    counter!(STORE_ERRORS, "doing" => doing).increment(1);
}

/// A background loop did its work.
pub(crate) fn loop_succeeded(which: &'static str, now: Timestamp) {
    let seconds = now.since(Timestamp::from_millis(0)).as_secs_f64();
    gauge!(LAST_SUCCESS, "loop" => which).set(seconds);
}

/// Counts a lease as held while it lives.
pub(crate) struct HeldLease;

impl HeldLease {
    /// One more lease.
    pub(crate) fn new() -> Self {
        gauge!(HELD).increment(1);
        Self
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        gauge!(HELD).decrement(1);
    }
}
