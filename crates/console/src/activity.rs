//! What the worker processes do: which of them are there, what each works on, and how fast.

use std::time::Duration;

use maud::{Markup, html};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{StorageShare, WorkerActivity};
use stocktake_web::step;

use crate::Console;
use crate::error::ConsoleError;
use crate::figures::{age, counted, number, short_size, span};
use crate::icons::{Shape, icon};
use crate::tables;

/// A worker that has said nothing for so long is gone.
const GONE: Duration = Duration::from_secs(180);

/// One that has said nothing for so long is late: they say something every quarter of a minute.
const LATE: Duration = Duration::from_secs(45);

/// The workers that are there.
pub(crate) async fn workers(console: &Console) -> Result<Vec<WorkerActivity>, ConsoleError> {
    Ok(step("conditions.workers", console.conditions.workers(GONE)).await?)
}

/// How much is read in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rate {
    /// Thousandths of records.
    millirecords: u64,
    pub(crate) bytes: u64,
}

impl Rate {
    /// By all workers together.
    pub(crate) fn of(workers: &[WorkerActivity]) -> Self {
        Self::sum(workers, |_| true)
    }

    /// Of one storage, by all workers together.
    pub(crate) fn of_storage(workers: &[WorkerActivity], storage: &str) -> Self {
        Self::sum(workers, |share| share.storage == storage)
    }

    fn sum(workers: &[WorkerActivity], is_meant: impl Fn(&StorageShare) -> bool) -> Self {
        workers.iter().fold(Self::default(), |sum, worker| {
            let shares = worker.announcement.storages.iter().filter(|share| is_meant(share));
            let (records, bytes) = shares.fold((0_u64, 0_u64), |(records, bytes), share| {
                (records.saturating_add(share.records), bytes.saturating_add(share.bytes))
            });
            // Nothing is known of one that has spoken for the first time.
            let per_second = |count: u64| {
                let millis = worker.announcement.over.as_millis();
                let rate = (u128::from(count) * 1_000).checked_div(millis).unwrap_or_default();
                u64::try_from(rate).unwrap_or(u64::MAX)
            };
            Self {
                millirecords: sum.millirecords.saturating_add(per_second(records.saturating_mul(1_000))),
                bytes: sum.bytes.saturating_add(per_second(bytes)),
            }
        })
    }

    /// For example `24 records/s`.
    pub(crate) fn records_text(self) -> String {
        match self.millirecords {
            0 => "none now".to_owned(),
            less @ ..=9_999 => format!("{}.{} records/s", less / 1_000, less % 1_000 / 100),
            more => format!("{} records/s", number(more / 1_000)),
        }
    }

    /// For example `318 MB/s`.
    pub(crate) fn bytes_text(self) -> String {
        format!("{}/s", short_size(self.bytes))
    }

    /// How long so many records take at this rate, if any are read.
    pub(crate) fn time_for(self, records: u64) -> Option<String> {
        let seconds = (u128::from(records) * 1_000).checked_div(u128::from(self.millirecords))?;
        Some(span(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }
}

/// How many workers there are, in one line.
pub(crate) fn line(workers: &[WorkerActivity], now: Timestamp) -> Markup {
    let late = workers.iter().filter(|worker| is_late(worker, now)).count();
    let all = counted(u64::try_from(workers.len()).unwrap_or(u64::MAX), "worker");
    html! {
        @if workers.is_empty() {
            span class="warn" { (icon(Shape::Warn, "")) "None" } ": nothing is read until one runs"
        } @else if late > 0 {
            span class="warn" { (icon(Shape::Warn, "")) (late) " not heard of" } ", of " (all)
        } @else {
            span class="state succeeded" { (icon(Shape::Succeeded, "")) (all) }
        }
    }
}

fn is_late(worker: &WorkerActivity, now: Timestamp) -> bool {
    now.since(worker.seen_at) > LATE
}

/// All workers, each with what it does.
pub(crate) fn table(workers: &[WorkerActivity], now: Timestamp) -> Markup {
    let columns = [
        ("Process", ""),
        ("State", "flag"),
        ("Works on", "all"),
        ("Records", "n w"),
        ("Bytes", "n w"),
        ("Storages", ""),
        ("Last seen", "n"),
    ];
    let rows = html! { @for worker in workers { (row(worker, now)) } };
    html! {
        section class="block" id="workers" {
            h2 { "Workers" }
            @if workers.is_empty() {
                p { "No worker runs. " code { "stocktake serve" } " has one unless " code { "worker.enabled" } " is false, and " code { "stocktake worker" } " is one." }
            } @else {
                (tables::table("cards", "Worker processes, with what each does now", &columns, &rows))
            }
        }
    }
}

fn row(worker: &WorkerActivity, now: Timestamp) -> Markup {
    let rate = Rate::of(std::slice::from_ref(worker));
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (worker.announcement.worker.process()) }
            td class="flag" role="cell" {
                @if is_late(worker, now) {
                    span class="warn nw" { (icon(Shape::Warn, "")) "Not heard of" }
                } @else if worker.holds.is_empty() {
                    span class="state queued" { (icon(Shape::Plain, "")) "Waits" }
                } @else {
                    span class="state running" { (icon(Shape::Started, "")) "Reads" }
                }
            }
            td class="all" role="cell" {
                @if worker.holds.is_empty() { span class="soft" { "Nothing is due that it may read." } }
                @for (model, storage) in &worker.holds { p { (model) " in " (storage) } }
            }
            td class="n w" data-l="Records" role="cell" { (rate.records_text()) }
            td class="n w" data-l="Bytes" role="cell" { (rate.bytes_text()) }
            td data-l="Storages" role="cell" {
                @for (at, share) in worker.announcement.storages.iter().enumerate() {
                    @if at > 0 { ", " }
                    (share.storage)
                }
            }
            td class="n" data-l="Last seen" role="cell" { (age(worker.seen_at, now)) " ago" }
        }
    }
}

#[cfg(test)]
mod tests {
    use stocktake_domain::ports::{Announcement, WorkerId};

    use super::*;

    fn worker(over: u64, shares: &[(&str, u64, u64)]) -> WorkerActivity {
        let share = |(storage, records, bytes): &(&str, u64, u64)| StorageShare {
            storage: (*storage).to_owned(),
            records: *records,
            bytes: *bytes,
        };
        WorkerActivity {
            announcement: Announcement {
                worker: WorkerId("files:17:1-0".to_owned()),
                storages: shares.iter().map(share).collect(),
                over: Duration::from_millis(over),
            },
            seen_at: Timestamp::from_millis(0),
            holds: Vec::new(),
        }
    }

    #[test]
    fn rates_are_those_of_all_workers_together() {
        let workers = [
            worker(10_000, &[("a", 240, 3_000_000_000), ("b", 10, 0)]),
            worker(20_000, &[("a", 10, 400)]),
            worker(0, &[("a", 1_000, 1_000)]),
        ];
        let all = Rate::of(&workers);
        assert_eq!(
            (all.records_text(), all.bytes_text()),
            ("25 records/s".to_owned(), "300 MB/s".to_owned())
        );
        assert_eq!(Rate::of_storage(&workers, "b").records_text(), "1.0 records/s");
        assert_eq!(Rate::of_storage(&workers, "c"), Rate::default());
        assert_eq!(all.time_for(25_500 * 60), Some("16 h".to_owned()));
        assert_eq!(
            (Rate::default().time_for(7), Rate::default().records_text()),
            (None, "none now".to_owned())
        );
    }
}
