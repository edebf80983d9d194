//! Databases for the tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::RecordKey;
use stocktake_domain::contract::{DatabaseFixture, ManualClock, Ports, RowValue};
use stocktake_domain::ports::WakeSignal;
use tempfile::TempDir;

use crate::past_program;

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
            encryption: Encryption::default(),
            max_connections: 8,
            thread_connections: 2,
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

    async fn damage(&self, key: &RecordKey, value: RowValue) {
        let url = self.settings.url.expose_secret();
        let bytes: Vec<u8> = key.parts().iter().flat_map(|part| (part ^ i64::MIN).to_be_bytes()).collect();
        let key = hex::encode(bytes);
        if let Some(path) = url.strip_prefix("sqlite://") {
            let digest = |name: &str| format!("{name} = CAST(x'5a' || substr({name}, 2) AS BLOB)");
            let statement = format!("UPDATE records SET {} WHERE key = x'{key}'", change(value, digest));
            past_program::update(path, &statement);
        } else {
            let digest = |name: &str| format!("{name} = overlay({name} PLACING '\\x5a' FROM 1)");
            let statement = format!("UPDATE records SET {} WHERE key = '\\x{key}'", change(value, digest));
            stocktake_testbed::postgres().sql(url, &statement).unwrap();
        }
    }

    async fn settle(&self, signal: &mut dyn WakeSignal) {
        while tokio::time::timeout(QUIET, signal.wait()).await.is_ok() {}
    }
}

/// The assignment that changes the value; `digest` gives that of a digest's first byte.
fn change(value: RowValue, digest: impl Fn(&str) -> String) -> String {
    match value {
        RowValue::Expected => digest("expected"),
        RowValue::FileSize => "file_size = file_size + 1".to_owned(),
        RowValue::Accepted => "accepted = NOT accepted".to_owned(),
        RowValue::Baseline => digest("baseline"),
        RowValue::BaselineAt => "baseline_at = baseline_at + 1".to_owned(),
    }
}

fn ports(store: Store, clock: &Arc<ManualClock>) -> Ports {
    let Store { catalogue, queue, jobs, tokens, sessions, sync_state, conditions, orphan_walks, .. } = store;
    let clock = Arc::clone(clock);
    Ports { catalogue, queue, jobs, tokens, sessions, sync_state, conditions, orphan_walks, clock }
}

/// Runs a future to its end; one that waits for what never happens fails.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(300), task).await.unwrap() })
}
