//! The metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use stocktake_domain::ports::Queue as _;
use stocktake_domain::{ContentError, Model, RecordKey, State};

use crate::support::World;
use crate::support::content::Piece;
use crate::support::queue::Failing;

/// Keeps each value by its name and labels.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Kept {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = labels.fold(key.name().to_owned(), |name, label| name + &label);
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    fn bits(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.bits(name))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_is_counted() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let world = World::new(&["main"]);
    let content = world.content("main");
    content.put("gone", Piece::Bad(ContentError::MissingRepository));
    content.put("slow", Piece::Trickling);
    world.add(Model::Uploads, 1, "main", "file");
    world.add(Model::Uploads, 2, "main", "gone");
    world.add(Model::Projects, 1, "main", "slow");
    let running = world.run();
    world.queue.until(|queue| queue.count(State::Failed) == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(kept.gauge("stocktake_leases_held").total_cmp(&1.0), std::cmp::Ordering::Equal);

    // A recalculation voids the slow result, and the lease of the next one is taken away.
    world.queue.recalculate(Model::Projects, &RecordKey::integer(1)).await.unwrap();
    content.open();
    world.until_succeeded(2).await;
    assert_eq!(kept.bits("stocktake_verifications_total model=uploads result=succeeded"), 1);
    assert_eq!(kept.bits("stocktake_verifications_total model=uploads result=missing"), 1);
    assert_eq!(kept.bits("stocktake_verifications_total model=projects result=succeeded"), 1);
    assert_eq!(kept.bits("stocktake_results_discarded_total model=projects"), 1);
    assert!((55..=65).contains(&kept.bits("stocktake_content_read_bytes_total storage=main")));

    content.put("stuck", Piece::Hanging);
    world.add(Model::Uploads, 3, "main", "stuck");
    content.until(|used| used.times("stuck") == 1).await;
    world.queue.lose_leases();
    content.until(|used| used.times("stuck") == 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(kept.bits("stocktake_leases_lost_total model=uploads"), 1);

    world.queue.seen().failing = Some(Failing::Unreachable);
    world.queue.until(|queue| queue.seen().failed_calls > 0).await;
    assert!(kept.bits("stocktake_worker_store_errors_total doing=claiming work") > 0);
    let last = kept.gauge("stocktake_loop_last_success_timestamp_seconds loop=claim");
    let now = Duration::from_millis(u64::try_from(world.now().millis()).unwrap()).as_secs_f64();
    assert!((0.0..60.0).contains(&(now - last)), "{last} {now}");
    running.stop().await;
    assert_eq!(kept.gauge("stocktake_leases_held").total_cmp(&0.0), std::cmp::Ordering::Equal);
}
