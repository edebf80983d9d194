//! What is being read now, by whichever process, and how far that is: so that a run can be watched from elsewhere.

use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{ClaimFilter, StoreError, WorkerActivity};

use crate::quantities::{about, age, count, minute};
use crate::verdict::verb;

/// A worker that has said nothing for so long is gone.
const GONE: Duration = Duration::from_secs(180);

/// One that has said nothing for so long is late: it says something every quarter of a minute.
const LATE: Duration = Duration::from_secs(45);

/// The most records counted that are still to be read.
const MOST_COUNTED: u64 = 10_000_000;

/// What the workers do that hold records.
pub(super) struct Activity {
    workers: Vec<WorkerActivity>,
    /// Records that are due, or held by one of them.
    left: u64,
}

impl Activity {
    /// As it is now.
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let mut workers = store.conditions.workers(GONE).await?;
        workers.retain(|worker| !worker.holds.is_empty());
        let left = if workers.is_empty() {
            0
        } else {
            store.queue.outstanding(&ClaimFilter::any(1), MOST_COUNTED).await?
        };
        Ok(Self { workers, left })
    }

    /// A line for each worker, and one for how far they are.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines: Vec<String> = self.workers.iter().map(|worker| line(worker, now)).collect();
        if !lines.is_empty() {
            let millis = rate(&self.workers, Share::Records);
            let lasts = match (u128::from(self.left) * 1_000_000).checked_div(u128::from(millis)) {
                Some(millis) => {
                    let lasts = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
                    format!(", which takes about {}", about(lasts))
                }
                None => String::new(),
            };
            lines.push(format!("{} {} still to be read{lasts}.", count(self.left), verb(self.left)));
        }
        lines
    }

    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        let workers = self.workers.iter().map(|worker| {
            let of_one = std::slice::from_ref(worker);
            let reads = worker.holds.iter();
            let reads =
                reads.map(|(model, storage)| json!({ "model_name": model.name(), "storage": storage }));
            json!({
                "process": worker.announcement.worker.process(),
                "since": began(worker).map(|at| at.to_string()),
                "seen_at": worker.seen_at.to_string(),
                "reads": reads.collect::<Vec<_>>(),
                "records_per_second": rate(of_one, Share::Records) / 1_000,
                "bytes_per_second": rate(of_one, Share::Bytes) / 1_000,
            })
        });
        json!({ "workers": workers.collect::<Vec<_>>(), "left": self.left })
    }
}

fn line(worker: &WorkerActivity, now: Timestamp) -> String {
    let process = worker.announcement.worker.process();
    let since =
        began(worker).map(|at| format!(" since {} ({})", minute(at), age(at, now))).unwrap_or_default();
    let holds = worker.holds.iter().map(|(model, storage)| format!("{model} in {storage}"));
    let holds = holds.collect::<Vec<_>>().join(", ");
    let of_one = std::slice::from_ref(worker);
    let (records, bytes) = (rate(of_one, Share::Records) / 1_000, rate(of_one, Share::Bytes) / 1_000);
    let speed = if now.since(worker.seen_at) > LATE {
        format!("; last heard of {}", age(worker.seen_at, now))
    } else if records == 0 && bytes == 0 {
        String::new()
    } else {
        format!("; {}/s, {} records/s", HumanBytes(bytes), count(records))
    };
    format!("Being read by {process}{since}: {holds}{speed}.")
}

/// When a worker began, which is in its name.
fn began(worker: &WorkerActivity) -> Option<Timestamp> {
    let (_, last) = worker.announcement.worker.0.rsplit_once(':')?;
    last.split('-').next()?.parse().ok().map(Timestamp::from_millis)
}

/// What a rate is of.
#[derive(Clone, Copy)]
enum Share {
    Records,
    Bytes,
}

/// How much they read in a second, in thousandths.
fn rate(workers: &[WorkerActivity], of: Share) -> u64 {
    let one = |worker: &WorkerActivity| {
        let shares = worker.announcement.storages.iter().map(|share| match of {
            Share::Records => share.records,
            Share::Bytes => share.bytes,
        });
        let millis = worker.announcement.over.as_millis();
        // Nothing is known of one that has spoken for the first time.
        let rate = (u128::from(shares.sum::<u64>()) * 1_000_000).checked_div(millis).unwrap_or_default();
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    workers.iter().map(one).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use stocktake_domain::Model;
    use stocktake_domain::ports::{Announcement, StorageShare, WorkerId};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn worker(over: u64) -> WorkerActivity {
        let storages = vec![StorageShare { storage: "main".to_owned(), records: 500, bytes: 10 << 20 }];
        WorkerActivity {
            announcement: Announcement {
                worker: WorkerId("files:17:60000-00ff".to_owned()),
                storages,
                over: Duration::from_secs(over),
            },
            seen_at: at(180),
            holds: vec![(Model::Uploads, "main".to_owned())],
        }
    }

    #[test]
    fn it_is_told_who_reads_what_since_when_and_how_far() {
        let told = |over, now| Activity { workers: vec![worker(over)], left: 6_000 }.lines(at(now));
        let since =
            "Being read by process 17 on files since 1970-01-01 00:01 UTC (2 minutes ago): uploads in main";
        assert_eq!(
            told(10, 190),
            [
                format!("{since}; 1.00 MiB/s, 50 records/s."),
                "6,000 are still to be read, which takes about 2 minutes.".to_owned()
            ]
        );
        assert_eq!(told(0, 190), [format!("{since}."), "6,000 are still to be read.".to_owned()]);
        assert_eq!(told(10, 230)[0], format!("{since}; last heard of 50 seconds ago."));
        assert!(Activity { workers: Vec::new(), left: 0 }.lines(at(0)).is_empty());
    }
}
