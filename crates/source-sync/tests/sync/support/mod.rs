//! A small world to sync in: a source and a database in memory, and tokio's paused clock.

pub(crate) mod source;
pub(crate) mod store;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stocktake_domain::ports::{ModelSyncState, WorkerId};
use stocktake_domain::{Clock, Location, Model, RecordKey, SourceRecord, Timestamp};
use stocktake_source_sync::{
    ModelReport, SourceSync, SyncError, SyncParts, SyncProgress, SyncReport, SyncSettings,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use source::MemorySource;
use store::TestStore;

/// The models that the tests have rows of.
pub(crate) const LFS: Model = Model::LfsObjects;
pub(crate) const UPLOADS: Model = Model::Uploads;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// 2023-11-14T22:13:20Z.
const BEGINNING: i64 = 1_700_000_000_000;

/// Tokio's clock, which stands still while anything can run, from a fixed beginning.
pub(crate) struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGINNING).after(self.0.elapsed())
    }
}

/// What a test waits for. The clock runs on whenever nothing else does, so a test that waits in vain fails at
/// once instead of running for ever.
pub(crate) async fn sooner_or_later<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(1_000 * HOUR, what).await.expect("what the test waits for never happened")
}

pub(crate) fn key(value: i64) -> RecordKey {
    RecordKey::integer(value)
}

pub(crate) fn entry(value: i64) -> SourceRecord {
    SourceRecord::new(key(value), Location { storage: "disk".to_owned(), path: format!("file/{value}") })
}

pub(crate) struct World {
    pub(crate) source: Arc<MemorySource>,
    pub(crate) store: Arc<TestStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) settings: SyncSettings,
}

impl World {
    /// A world with pages of five rows.
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock(Instant::now()));
        Self {
            source: Arc::new(MemorySource::new()),
            store: Arc::new(TestStore::new(clock.clone())),
            clock,
            settings: SyncSettings { batch: 5, ..SyncSettings::default() },
        }
    }

    /// A world with these rows of both models, not yet synced.
    pub(crate) fn with_rows(keys: impl IntoIterator<Item = i64> + Clone) -> Self {
        let world = Self::new();
        world.source.put(LFS, keys.clone());
        world.source.put(UPLOADS, keys);
        world
    }

    /// A world with these rows of both models, which a whole full scan has brought to the catalogue.
    pub(crate) async fn synced(keys: impl IntoIterator<Item = i64> + Clone) -> Self {
        let world = Self::with_rows(keys);
        world.once(false).await.unwrap();
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn engine(&self, name: &str) -> SourceSync {
        let parts = SyncParts {
            source: self.source.clone(),
            sync_state: self.store.clone(),
            catalogue: Arc::new(self.store.catalogue()),
            clock: self.clock.clone(),
            instance: WorkerId(name.to_owned()),
        };
        SourceSync::new(parts, self.settings.clone())
    }

    /// A full scan of all models.
    pub(crate) async fn once(&self, accept_deletions: bool) -> Result<SyncReport, SyncError> {
        let stop = CancellationToken::new();
        self.engine("once").once(&[], accept_deletions, &Silent, stop).await
    }

    /// A full scan of all models, in a task of its own.
    pub(crate) fn spawn_once(&self, name: &str) -> JoinHandle<Result<SyncReport, SyncError>> {
        let (engine, stop) = (self.engine(name), CancellationToken::new());
        tokio::spawn(async move { engine.once(&[], false, &Silent, stop).await })
    }

    /// A schedule at work, with what stops it.
    pub(crate) fn run(&self, name: &str) -> Running {
        let (engine, stop) = (self.engine(name), CancellationToken::new());
        let token = stop.clone();
        Running { stop, task: tokio::spawn(async move { engine.run(token).await }) }
    }

    pub(crate) fn state(&self, model: Model) -> ModelSyncState {
        self.store.state(model).unwrap()
    }

    /// The keys of the model's records.
    pub(crate) fn keys(&self, model: Model) -> Vec<i64> {
        self.store.keys(model)
    }
}

/// A schedule at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        sooner_or_later(self.task).await.unwrap();
    }

    /// Ends it as a kill does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// The line of a report.
pub(crate) fn line(report: &SyncReport, model: Model) -> ModelReport {
    report.models.iter().find(|line| line.model == model).unwrap().clone()
}

/// A line as one with numbers: read, added, changed, unchanged, deleted, kept.
pub(crate) fn numbers(line: &ModelReport) -> [u64; 6] {
    [line.read, line.added, line.changed, line.unchanged, line.deleted, line.kept]
}

/// Is told, and does not listen.
pub(crate) struct Silent;

impl SyncProgress for Silent {
    fn model(&self, _: Model, _: Option<u64>) {}
    fn advanced(&self, _: Model, _: u64) {}
    fn done(&self, _: &ModelReport) {}
}

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<String>>);

impl SyncProgress for Told {
    fn model(&self, model: Model, about: Option<u64>) {
        self.0.lock().unwrap().push(format!("{model} about {}", about.unwrap()));
    }

    fn advanced(&self, model: Model, rows_read: u64) {
        self.0.lock().unwrap().push(format!("{model} {rows_read}"));
    }

    fn done(&self, report: &ModelReport) {
        self.0.lock().unwrap().push(format!("{} done", report.model));
    }
}
