//! Puts the adapters together as the configuration says.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use stocktake_content::{DirectorySettings, DirectoryStore, HashPool};
use stocktake_storage::{Store, StoreSettings};
use stocktake_worker::{
    Engine, EngineParts, EngineSettings, Policy, Scheduler, SchedulerSettings, Storage, Storages,
};

use crate::chance::{SystemClock, SystemDice};
use crate::settings::{self, Settings};

/// What the storage crate is told.
pub(crate) fn store_settings(settings: &Settings) -> StoreSettings {
    StoreSettings {
        url: settings.database.url.expose_secret().to_owned(),
        max_connections: settings.database.max_connections,
        timeout: settings.database.timeout,
    }
}

/// The store, with its schema brought up to date first.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let store_settings = store_settings(settings);
    for migration in stocktake_storage::migrate(&store_settings).await? {
        tracing::info!(migration, "applied the migration {migration}");
    }
    Ok(stocktake_storage::open(&store_settings).await?)
}

/// The configured storages, with hashing threads of their own.
pub(crate) fn storages(settings: &Settings) -> anyhow::Result<Arc<Storages>> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pool = HashPool::new(NonZeroUsize::new(settings.worker.concurrency).unwrap_or(cores));
    let storages: anyhow::Result<BTreeMap<_, _>> = settings
        .storages
        .iter()
        .map(|(name, storage)| {
            let content = directory(name, storage, settings.worker.readers, Arc::clone(&pool))?;
            Ok((name.clone(), Storage { content: Arc::new(content), hours: storage.hours }))
        })
        .collect();
    Ok(Arc::new(storages?))
}

fn directory(
    name: &str,
    storage: &settings::Storage,
    readers: NonZeroUsize,
    pool: Arc<HashPool>,
) -> anyhow::Result<DirectoryStore> {
    let root = std::path::absolute(&storage.root)
        .with_context(|| format!("storages.{name}.root: {} is no path", storage.root.display()))?;
    let bytes_per_second = storage.bytes_per_second;
    Ok(DirectoryStore::new(DirectorySettings { root, readers, bytes_per_second }, pool))
}

/// The checksum worker.
pub(crate) fn engine(settings: &Settings, store: &Store, storages: Arc<Storages>) -> Arc<Engine> {
    let parts = EngineParts {
        queue: Arc::clone(&store.queue),
        catalogue: Arc::clone(&store.catalogue),
        storages,
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
    };
    let verification = &settings.verification;
    let worker = &settings.worker;
    let settings = EngineSettings {
        policy: Policy {
            algorithm: verification.algorithm,
            per_model: verification.per_model.clone(),
            reverify_after: verification.reverify_after,
            lease: verification.lease,
        },
        storages: worker.storages.clone(),
        claim_size: worker.claim_size,
        leases_per_storage: worker.leases_per_storage,
        poll: worker.poll,
        sign_of_life: worker.sign_of_life,
    };
    Engine::new(parts, settings)
}

/// What keeps the queue going.
pub(crate) fn scheduler(settings: &Settings, store: &Store) -> Scheduler {
    let settings = SchedulerSettings {
        reverify_after: settings.verification.reverify_after,
        lease: settings.verification.lease,
        poll: settings.worker.poll,
    };
    Scheduler::new(Arc::clone(&store.queue), Arc::clone(&store.jobs), Arc::new(SystemClock), settings)
}
