//! Puts the adapters together as the configuration says.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use stocktake_content::{HashPool, ReaderPool};
use stocktake_content_directory::DirectoryStore;
use stocktake_content_git::{ClusterStore, GitStore};
use stocktake_content_objects::{ObjectStorage, ObjectTree};
use stocktake_content_registry::RegistryStore;
use stocktake_diesel_storage::{Store, StoreClock, StoreSettings};
use stocktake_domain::RecordFilter;
use stocktake_domain::ports::{Authority, ContentStore, Source, StorageCheck, WorkerId};
use stocktake_source_gitlab::{GitlabAuthority, GitlabSource};
use stocktake_source_sync::{OrphanWalker, SearchParts, SourceSync, SyncParts, SyncSettings, WalkerParts};
use stocktake_web::{Authenticator, AuthenticatorParts};
use stocktake_worker::{
    Engine, EngineParts, EngineSettings, Policy, Scheduler, SchedulerSettings, Storage, Storages,
};
use tokio_util::sync::CancellationToken;

use crate::settings::{Cluster, Content, Settings, Storage as StorageSettings};
use crate::system::{SystemClock, SystemRng, host_name, secret};

/// How long a service waits before it tries again to connect to a database that takes no connection: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many models of a source are synced at the same time where the database takes more than one: the first sync of two takes seven
/// tenths of the time then on two cores.
const MODELS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The settings of the database adapter.
pub(crate) fn store_settings(settings: &Settings) -> StoreSettings {
    StoreSettings {
        url: settings.database.url.clone(),
        max_connections: settings.database.max_connections,
        thread_connections: 0,
        timeout: settings.database.timeout,
        clock: StoreClock::Database { host: Arc::new(SystemClock) },
        encryption: settings.database.encryption.clone(),
    }
}

/// The database's file or server, for people.
pub(crate) fn place(settings: &Settings) -> anyhow::Result<String> {
    Ok(stocktake_diesel_storage::place(&store_settings(settings))?)
}

/// There is no catalogue where the configuration says that one is.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no catalogue at {place} (database.url): `stocktake import`, `scan` and `sync` make one, and every other \
     command must be told where it is"
)]
pub(crate) struct NoCatalogue {
    place: String,
}

/// The store, with its schema brought up to date first; an empty one is made if there is none, and that is said.
pub(crate) async fn open_or_make_store(settings: &Settings) -> anyhow::Result<Store> {
    open_or_make(&store_settings(settings)).await
}

async fn open_or_make(settings: &StoreSettings) -> anyhow::Result<Store> {
    if !stocktake_diesel_storage::exists(settings).await? {
        let place = stocktake_diesel_storage::place(settings)?;
        tracing::info!(db.place = place, "there was no catalogue at {place}: made an empty one");
    }
    open(settings).await
}

/// The store that is there, with its schema brought up to date first. [`NoCatalogue`] if there is none; nothing is
/// made then.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let store_settings = store_settings(settings);
    if !stocktake_diesel_storage::exists(&store_settings).await? {
        return Err(NoCatalogue { place: stocktake_diesel_storage::place(&store_settings)? }.into());
    }
    open(&store_settings).await
}

/// The store that is there, for a command that only reads: nothing is made, migrated or written. [`NoCatalogue`] if there is
/// none.
pub(crate) async fn open_to_read(settings: &Settings) -> anyhow::Result<Store> {
    let store_settings = store_settings(settings);
    if !stocktake_diesel_storage::exists(&store_settings).await? {
        return Err(NoCatalogue { place: stocktake_diesel_storage::place(&store_settings)? }.into());
    }
    Ok(stocktake_diesel_storage::open_to_read(&store_settings).await?)
}

async fn open(settings: &StoreSettings) -> anyhow::Result<Store> {
    for migration in stocktake_diesel_storage::migrate(settings).await? {
        tracing::info!(migration, "applied the migration {migration}");
    }
    Ok(stocktake_diesel_storage::open(settings).await?)
}

/// The same for a service, which waits while the database takes no connection because it has none free, starts or stops.
/// `None` once the token is cancelled.
pub(crate) async fn wait_for_store(
    settings: &StoreSettings,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Store>> {
    let mut wait = FIRST_WAIT;
    loop {
        let error = match open_or_make(settings).await {
            Ok(store) => return Ok(Some(store)),
            Err(error) => error,
        };
        if !error.downcast_ref().is_some_and(stocktake_diesel_storage::is_busy) {
            return Err(error);
        }
        tracing::warn!(
            error = format!("{error:#}"),
            "the database takes no connection now; trying again in {} s",
            wait.as_secs(),
        );
        if tokio::time::timeout(wait, stop.cancelled()).await.is_ok() {
            return Ok(None);
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Fails if the filter names a storage that is neither configured nor that of any record.
pub(crate) async fn check_storages(
    settings: &Settings,
    store: &Store,
    filter: &RecordFilter,
) -> anyhow::Result<()> {
    let mut others = filter.storages.clone();
    others.retain(|name| !settings.storages.contains_key(name));
    if others.is_empty() {
        return Ok(());
    }
    let of_records = store.catalogue.storages().await?;
    others.retain(|name| !of_records.iter().any(|(_, storage)| storage == name));
    others.first().map_or(Ok(()), |name| Err(anyhow!(settings.unknown_storage(name))))
}

/// The configured storages, with hashing and reading threads that they share.
pub(crate) fn storages(settings: &Settings) -> anyhow::Result<Arc<Storages>> {
    let threads = NonZeroUsize::new(settings.worker.concurrency).unwrap_or(settings.capacity.threads);
    let refused = "the system cannot start a thread";
    let hashes = HashPool::start(threads, settings.secrets.clone()).context(refused)?;
    let readers = ReaderPool::start(settings.capacity.readers, hashes).context(refused)?;
    let mut storages: BTreeMap<String, Storage> = BTreeMap::new();
    // Those that others read for come after these.
    let is_cluster = |storage: &StorageSettings| matches!(storage.content, Content::Cluster(_));
    let (last, first): (Vec<_>, Vec<_>) =
        settings.storages.iter().partition(|(_, storage)| is_cluster(storage));
    for (name, storage) in first.into_iter().chain(last) {
        let content = content(&storage.content, &readers, &storages);
        let content = content.with_context(|| format!("storages.{name} ({})", storage.place))?;
        storages.insert(name.clone(), Storage { content, hours: storage.hours });
    }
    Ok(Arc::new(storages))
}

fn content(
    settings: &Content,
    readers: &Arc<ReaderPool>,
    others: &BTreeMap<String, Storage>,
) -> anyhow::Result<Arc<dyn ContentStore>> {
    let hashes = || Arc::clone(readers.hashes());
    Ok(match settings {
        Content::Directory(settings) => Arc::new(DirectoryStore::new(settings.clone(), readers)),
        Content::Git(settings) => Arc::new(GitStore::new(settings.clone(), readers)),
        Content::Cluster(Cluster { settings, replicas }) => {
            let nodes = replicas.iter().map(|(node, name)| {
                let storage = others.get(name).with_context(|| format!("there is no storage {name}"))?;
                Ok((node.clone(), Arc::clone(&storage.content)))
            });
            Arc::new(ClusterStore::new(settings.clone(), nodes.collect::<anyhow::Result<_>>()?)?)
        }
        Content::Objects(settings) => Arc::new(ObjectStorage::new(settings.clone(), hashes())?),
        Content::Registry(settings) => Arc::new(RegistryStore::new(settings.clone(), hashes())?),
        Content::RegistryDirectory(settings) => {
            Arc::new(RegistryStore::of_directory(settings.clone(), readers)?)
        }
        Content::RegistryBucket(objects, layout) => {
            let bucket = Arc::new(ObjectTree::new(objects.clone(), hashes())?);
            Arc::new(RegistryStore::of_bucket(bucket, layout.clone(), hashes())?)
        }
    })
}

/// The checksum worker.
pub(crate) fn engine(settings: &Settings, store: &Store, storages: Arc<Storages>) -> Arc<Engine> {
    engine_with(store, storages, engine_settings(settings))
}

/// The checksum worker with settings of its own.
pub(crate) fn engine_with(store: &Store, storages: Arc<Storages>, settings: EngineSettings) -> Arc<Engine> {
    let parts = EngineParts {
        queue: Arc::clone(&store.queue),
        catalogue: Arc::clone(&store.catalogue),
        conditions: Arc::clone(&store.conditions),
        storages,
        clock: Arc::clone(&store.clock),
        rng: Arc::new(SystemRng),
    };
    Engine::new(parts, settings)
}

/// The worker's settings.
pub(crate) fn engine_settings(settings: &Settings) -> EngineSettings {
    let verification = &settings.verification;
    let worker = &settings.worker;
    EngineSettings {
        policy: Policy {
            algorithm: verification.algorithm,
            per_model: verification.per_model.clone(),
            gitaly: verification.gitaly,
            reverify_after: verification.reverify_after,
            lease: verification.lease,
        },
        storages: worker.storages.clone(),
        claim_size: worker.claim_size,
        leases_per_storage: worker.leases_per_storage,
        poll: worker.poll,
        heartbeat_timeout: worker.heartbeat_timeout,
        host: host_name(),
        give_up_after: verification.give_up_after,
        believe_missing: false,
        deep: false,
    }
}

/// What keeps the queue going.
pub(crate) fn scheduler(settings: &Settings, store: &Store) -> Scheduler {
    let settings = SchedulerSettings {
        reverify_after: settings.verification.reverify_after,
        lease: settings.verification.lease,
        poll: settings.worker.poll,
        give_up_after: settings.verification.give_up_after,
    };
    Scheduler::new(Arc::clone(&store.queue), Arc::clone(&store.jobs), Arc::clone(&store.clock), settings)
}

/// The configured GitLab; an error if there is none.
pub(crate) fn source(settings: &Settings) -> anyhow::Result<Arc<dyn Source>> {
    let gitlab = settings.gitlab.as_ref();
    let gitlab = gitlab.ok_or_else(|| anyhow!("no GitLab is configured (sources.gitlab.database_url)"))?;
    Ok(Arc::new(GitlabSource::new(gitlab.source.clone()).context("sources.gitlab")?))
}

/// What brings the catalogue in line with a source.
pub(crate) fn sync(
    settings: &Settings,
    store: &Store,
    source: Arc<dyn Source>,
) -> anyhow::Result<SourceSync> {
    let parts = SyncParts {
        source,
        sync_state: Arc::clone(&store.sync_state),
        catalogue: Arc::clone(&store.catalogue),
        clock: Arc::clone(&store.clock),
        instance: WorkerId(format!("sync-{}-{}", std::process::id(), secret()?)),
    };
    let models_at_once = if store.writes_in_parallel { MODELS_AT_ONCE } else { NonZeroUsize::MIN };
    let mut how = SyncSettings { models_at_once, ..SyncSettings::default() };
    if let Some(gitlab) = &settings.gitlab {
        how.interval = gitlab.interval;
        how.full_scan = gitlab.full_scan;
        how.batch = gitlab.source.batch_size.get();
    }
    Ok(SourceSync::new(parts, how))
}

/// What is searched for orphans and in registries.
pub(crate) fn search_parts(
    store: &Store,
    source: Option<Arc<dyn Source>>,
    storages: &Storages,
    check: Arc<dyn StorageCheck>,
) -> SearchParts {
    let storages = storages.iter().map(|(name, storage)| (name.clone(), Arc::clone(&storage.content)));
    SearchParts { source, catalogue: Arc::clone(&store.catalogue), storages: storages.collect(), check }
}

/// Whether one of the storages is a registry that can be searched for what nothing refers to.
pub(crate) fn has_registries(storages: &Storages) -> bool {
    stocktake_source_sync::has_registries(storages.values().map(|storage| &*storage.content))
}

/// What searches for orphans, and in registries, when somebody asks for it.
pub(crate) fn orphan_walker(store: &Store, search: SearchParts) -> anyhow::Result<OrphanWalker> {
    Ok(OrphanWalker::new(WalkerParts {
        walks: Arc::clone(&store.orphan_walks),
        sync_state: Arc::clone(&store.sync_state),
        search,
        clock: Arc::clone(&store.clock),
        runner: WorkerId(format!("orphans-{}-{}", std::process::id(), secret()?)),
    }))
}

/// What finds out whom tokens stand for: our own, and those of the GitLab whose administrators' tokens count, if one is
/// configured.
pub(crate) fn authenticator(settings: &Settings, store: &Store) -> anyhow::Result<Authenticator> {
    let gitlab = settings.authority.as_ref().map(GitlabAuthority::new).transpose().context("auth")?;
    let parts = AuthenticatorParts {
        tokens: Arc::clone(&store.tokens),
        authority: gitlab.map(|gitlab| -> Arc<dyn Authority> { Arc::new(gitlab) }),
        clock: Arc::clone(&store.clock),
    };
    Ok(Authenticator::new(parts, settings.http.wrong_tokens_per_minute))
}
