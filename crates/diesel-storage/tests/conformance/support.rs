//! Databases for the tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_diesel_storage::{Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::{DatabaseFixture, ManualClock, Ports};
use stocktake_domain::ports::WakeSignal;
use tempfile::TempDir;

/// How long no signal arrives once all have; longer than SQLite waits between two looks for what other processes wrote.
const QUIET: Duration = Duration::from_millis(1500);

/// A migrated database of a test's own.
pub(crate) struct Database {
    ports: Ports,
    settings: StoreSettings,
    clock: Arc<ManualClock>,
    _folder: Option<TempDir>,
}

impl Database {
    /// On SQLite, in a file.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(format!("sqlite://{}/sub/test.db", folder.path().display()), Some(folder)).await
    }

    /// On PostgreSQL, in the tests' cluster.
    pub(crate) async fn postgres() -> Self {
        Self::open(stocktake_testbed::postgres().create_database().unwrap(), None).await
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        let clock = Arc::<ManualClock>::default();
        let settings = StoreSettings {
            url: url.into(),
            max_connections: 8,
            timeout: Duration::from_secs(30),
            clock: StoreClock::Fixed(clock.clone()),
        };
        migrate(&settings).await.unwrap();
        let ports = ports(open(&settings).await.unwrap(), &clock);
        Self { ports, settings, clock, _folder: folder }
    }
}

#[async_trait]
impl DatabaseFixture for Database {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn reopen(&self) -> Ports {
        ports(open(&self.settings).await.unwrap(), &self.clock)
    }

    async fn settle(&self, signal: &mut dyn WakeSignal) {
        while tokio::time::timeout(QUIET, signal.wait()).await.is_ok() {}
    }
}

fn ports(store: Store, clock: &Arc<ManualClock>) -> Ports {
    let Store { catalogue, queue, jobs, tokens, sync_state, conditions, clock: _ } = store;
    Ports { catalogue, queue, jobs, tokens, sync_state, conditions, clock: Arc::clone(clock) }
}

/// Runs a future to its end; one that waits for what never happens fails.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(300), task).await.unwrap() })
}
