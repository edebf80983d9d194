//! A small world to run the worker in: a database in memory, made-up content, and tokio's paused clock.

pub(crate) mod content;
pub(crate) mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::{
    Algorithm, Clock, Location, Model, Record, RecordKey, Rng, SourceRecord, State, Status, Timestamp,
};
use stocktake_worker::{Engine, EngineParts, EngineSettings, Hours, Policy, Storage};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use content::{FakeContent, Piece};
use queue::TestQueue;

/// 2023-11-14T22:13:20Z.
const BEGINNING: i64 = 1_700_000_000_000;

/// Tokio's clock, which stands still while anything can run, from a fixed beginning.
pub(crate) struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGINNING).after(self.0.elapsed())
    }
}

/// Always the middle.
pub(crate) struct Middle;

impl Rng for Middle {
    fn below(&self, bound: u32) -> u32 {
        bound / 2
    }
}

/// What a test waits for. The clock runs on whenever nothing else does, so a test that waits in vain fails at
/// once instead of running for ever.
pub(crate) async fn sooner_or_later<T>(what: impl Future<Output = T>) -> T {
    let day = Duration::from_secs(86_400);
    tokio::time::timeout(day, what).await.expect("what the test waits for never happened")
}

pub(crate) struct World {
    pub(crate) queue: Arc<TestQueue>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) storages: BTreeMap<String, (Arc<FakeContent>, Option<Hours>)>,
    pub(crate) settings: EngineSettings,
}

impl World {
    /// A world with these storages.
    pub(crate) fn new(storages: &[&str]) -> Self {
        let policy = Policy {
            algorithm: Algorithm::Sha256,
            per_model: BTreeMap::new(),
            gitaly: false,
            reverify_after: Duration::from_secs(90 * 86_400),
            lease: Duration::from_secs(8 * 3_600),
        };
        let clock = Arc::new(TestClock(Instant::now()));
        Self {
            queue: Arc::new(TestQueue::new(clock.clone())),
            clock,
            storages: storages.iter().map(|name| ((*name).to_owned(), (FakeContent::new(), None))).collect(),
            settings: EngineSettings {
                policy,
                storages: None,
                claim_size: 1_000,
                leases_per_storage: 2,
                poll: Duration::from_secs(5),
                heartbeat_timeout: Duration::from_secs(60),
                host: "host".to_owned(),
                give_up_after: Duration::from_secs(300),
                believe_missing: false,
                deep: false,
            },
        }
    }

    /// A world and an engine that is reading the content of its one record, upload 1 in the storage `main`.
    pub(crate) async fn while_reading(path: &str, piece: Piece) -> (Self, Running) {
        let world = Self::new(&["main"]);
        world.content("main").put(path, piece);
        world.add(Model::Uploads, 1, "main", path);
        let running = world.run();
        world.content("main").until(|used| used.now == 1).await;
        (world, running)
    }

    pub(crate) fn content(&self, storage: &str) -> &FakeContent {
        &self.storages[storage].0
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds a pending record, without a signal.
    pub(crate) fn add(&self, model: Model, key: i64, storage: &str, path: &str) {
        self.add_as(model, key, storage, path, |_| ());
    }

    /// Adds a pending record with some changes.
    pub(crate) fn add_as(
        &self,
        model: Model,
        key: i64,
        storage: &str,
        path: &str,
        change: impl FnOnce(&mut Record),
    ) {
        let key = RecordKey::integer(key);
        let location = Location { storage: storage.to_owned(), path: path.to_owned() };
        let mut record = Record::new(model, SourceRecord::new(key, location));
        change(&mut record);
        let due_at = matches!(record.status, Status::Pending(_)).then(|| self.now());
        self.queue.store.put(record, due_at);
    }

    /// The record as the catalogue shows it.
    pub(crate) fn record(&self, model: Model, key: i64) -> Record {
        self.queue.store.record(model, &RecordKey::integer(key)).unwrap()
    }

    pub(crate) fn state(&self, model: Model, key: i64) -> State {
        self.record(model, key).state()
    }

    /// The failure text shown for a record.
    pub(crate) fn failure(&self, model: Model, key: i64) -> String {
        self.record(model, key).status.failure().map_or_else(String::new, stocktake_domain::Failure::text)
    }

    /// Returns when this many records have succeeded.
    pub(crate) async fn until_succeeded(&self, count: usize) {
        self.queue.until(|queue| queue.count(State::Succeeded) == count).await;
    }

    /// An engine in this world.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        let storages = self.storages.iter().map(|(name, (content, hours))| {
            (name.clone(), Storage { content: content.clone(), hours: *hours })
        });
        let parts = EngineParts {
            queue: self.queue.clone(),
            catalogue: self.queue.store.clone(),
            conditions: self.queue.store.clone(),
            storages: Arc::new(storages.collect()),
            clock: self.clock.clone(),
            rng: Arc::new(Middle),
        };
        Engine::new(parts, self.settings.clone())
    }

    /// An engine at work, with what stops it.
    pub(crate) fn run(&self) -> Running {
        let (engine, stop) = (self.engine(), CancellationToken::new());
        let (runner, token) = (Arc::clone(&engine), stop.clone());
        let task = tokio::spawn(async move { runner.run(token).await });
        Running { engine, stop, task }
    }
}

/// An engine at work.
pub(crate) struct Running {
    pub(crate) engine: Arc<Engine>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Stops the engine. Returns how long that took.
    pub(crate) async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        self.task.await.unwrap();
        began.elapsed()
    }
}
