//! The metrics of the sync.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use stocktake_domain::ports::SyncApplied;
use stocktake_domain::{Model, Timestamp};

const ROWS: &str = "stocktake_sync_rows_read_total";
const RECORDS: &str = "stocktake_sync_records_total";
const ERRORS: &str = "stocktake_sync_errors_total";
const PROBLEMS: &str = "stocktake_sync_unreadable_models";
const TICK: &str = "stocktake_sync_tick_seconds";
const LAST_SUCCESS: &str = "stocktake_loop_last_success_timestamp_seconds";

/// Says what the metrics mean, for the exporter's help texts.
pub(crate) fn describe() {
    describe_counter!(ROWS, "Rows of the source read by this process, by model.");
    describe_counter!(
        RECORDS,
        "Records that the sync added, changed or deleted, or kept though the source has no row for them."
    );
    describe_counter!(ERRORS, "Times the sync could not go on, by who did not answer or which model it was.");
    describe_gauge!(PROBLEMS, "Models that the source could not be read for when last tried.");
    describe_histogram!(TICK, Unit::Seconds, "Duration of one tick of the schedule.");
}

/// Rows that were read and applied.
pub(crate) fn applied(model: Model, rows: u64, applied: &SyncApplied) {
    let changes = [
        ("added", applied.applied.added),
        ("changed", applied.applied.changed),
        ("deleted", applied.deleted),
        ("kept", applied.kept),
    ];
    if rows > 0 {
        counter!(ROWS, "model" => model.name()).increment(rows);
    }
    for (change, count) in changes.into_iter().filter(|(_, count)| *count > 0) {
        counter!(RECORDS, "model" => model.name(), "change" => change).increment(count);
    }
}

/// The sync could not go on: the source, the database, or the rows of one model.
pub(crate) fn failed(what: &'static str) {
    counter!(ERRORS, "what" => what).increment(1);
}

/// A tick of the schedule has ended.
pub(crate) fn ticked(took: Duration, unreadable: u32, now: Timestamp) {
    histogram!(TICK).record(took.as_secs_f64());
    gauge!(PROBLEMS).set(f64::from(unreadable));
    let seconds = now.since(Timestamp::from_millis(0)).as_secs_f64();
    gauge!(LAST_SUCCESS, "loop" => "sync").set(seconds);
}
