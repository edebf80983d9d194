//! `stocktake serve`: API, worker and scheduler in one process.

use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use stocktake_diesel_storage::{Store, StoreSettings};
use stocktake_http::{Api, ConnectionLimits, HttpSettings, Mount};
use stocktake_web::SummaryCache;
use stocktake_worker::{Engine, Storages};
use tokio_util::sync::CancellationToken;

use crate::address::{base_url, url_of};
use crate::console::console;
use crate::lifecycle::Tasks;
use crate::logging;
use crate::settings::{Loaded, Settings};
use crate::system::host_name;
use crate::wiring;

/// The upper bounds of the buckets in which durations are counted, in seconds.
const DURATION_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 30.0];

/// How often what was recorded for `/metrics` is tidied up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the command until a signal.
pub(super) async fn run(loaded: &Loaded, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    let metrics = PrometheusBuilder::new()
        .set_buckets(&DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics cannot be recorded")?;
    logging::describe_metrics();
    let workers = NonZeroUsize::new(settings.http.workers).unwrap_or(settings.capacity.threads);
    let store_settings = StoreSettings {
        thread_connections: workers.try_into().map_or(u32::MAX, NonZeroU32::get),
        ..wiring::store_settings(settings)
    };
    let store = wiring::wait_for_store(&store_settings, &stop).await?;
    let Some(store) = store else { return Ok(ExitCode::SUCCESS) };
    let storages = wiring::storages(settings)?;
    let engine = wiring::engine(settings, &store, Arc::clone(&storages));
    let scheduler = wiring::scheduler(settings, &store);
    let api = Arc::new(api(settings, &store, Arc::clone(&engine), metrics.clone())?);
    let (listener, address) = listen(settings.http.listen, "http.listen")?;
    let mount = if settings.console.enabled {
        let console = console(loaded, &store, &api, &storages, Arc::clone(&engine))?;
        let mount: Mount = Arc::new(console.mount());
        Some(mount)
    } else {
        None
    };
    let server = stocktake_http::serve(Arc::clone(&api), listener, workers.get(), mount)
        .context("the API cannot start")?;

    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("API", stoppable(server, stop.clone()));
    if let Some(wanted) = settings.http.metrics_listen {
        let (listener, address) = listen(wanted, "http.metrics_listen")?;
        let server = stocktake_http::serve_metrics(api, listener).context("the metrics cannot start")?;
        tasks.spawn("metrics server", stoppable(server, stop.clone()));
        tracing::info!("metrics on {}/metrics", url_of(address));
    }
    tasks.spawn("metrics upkeep", upkeep(metrics, stop.clone()));
    spawn_source(&mut tasks, settings, &store, &storages, &engine, &stop)?;
    spawn_work(&mut tasks, settings.worker.enabled, engine, scheduler, &stop);
    let everywhere =
        if address.ip().is_unspecified() { " (and all other addresses of this host)" } else { "" };
    tracing::info!("listening on {}{everywhere}", url_of(address));
    let base = base_url(settings.http.external_url.as_deref(), address);
    tracing::info!("API on {base}/api/v4/admin/data_management, described by {base}/api/openapi.json");
    if settings.console.enabled {
        tracing::info!("console on {base}/console");
    }
    if settings.authority.is_none() && !has_token(&store).await? {
        tracing::warn!(
            "there is no valid token, so that nobody can use the API: stocktake token create NAME --admin makes one"
        );
    }
    Ok(tasks.finish().await)
}

async fn has_token(store: &Store) -> anyhow::Result<bool> {
    let now = store.clock.now();
    Ok(store.tokens.list().await?.iter().any(|token| token.is_valid(now)))
}

/// What follows the configured GitLab, if there is one, and what searches the storages when somebody asks for it.
fn spawn_source(
    tasks: &mut Tasks,
    settings: &Settings,
    store: &Store,
    storages: &Storages,
    engine: &Arc<Engine>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let source = settings.gitlab.as_ref().map(|_| wiring::source(settings)).transpose()?;
    if let Some(source) = &source {
        let sync = wiring::sync(settings, store, Arc::clone(source))?;
        let token = stop.clone();
        tasks.spawn("sync", async move {
            sync.run(token).await;
            Ok(())
        });
    }
    let search = wiring::search_parts(store, source, storages, Arc::<Engine>::clone(engine));
    if search.can_search() {
        let walker = wiring::orphan_walker(store, search)?;
        let token = stop.clone();
        tasks.spawn("orphan walks", async move {
            walker.run(token).await;
            Ok(())
        });
    }
    Ok(())
}

fn spawn_work(
    tasks: &mut Tasks,
    enabled: bool,
    engine: Arc<Engine>,
    scheduler: stocktake_worker::Scheduler,
    stop: &CancellationToken,
) {
    let token = stop.clone();
    tasks.spawn("scheduler", async move {
        scheduler.run(token).await;
        Ok(())
    });
    let token = stop.clone();
    tasks.spawn("worker", async move {
        if enabled {
            engine.run(token).await;
        } else {
            token.cancelled().await;
            engine.close().await;
        }
        Ok(())
    });
}

fn api(
    settings: &Settings,
    store: &Store,
    engine: Arc<Engine>,
    metrics: PrometheusHandle,
) -> anyhow::Result<Api> {
    let http = &settings.http;
    Ok(Api {
        catalogue: Arc::clone(&store.catalogue),
        queue: Arc::clone(&store.queue),
        jobs: Arc::clone(&store.jobs),
        sync_state: Arc::clone(&store.sync_state),
        conditions: Arc::clone(&store.conditions),
        authenticator: Arc::new(wiring::authenticator(settings, store)?),
        summary: SummaryCache::new(Arc::clone(&store.catalogue), Arc::clone(&store.clock)),
        recalculation: engine,
        clock: Arc::clone(&store.clock),
        settings: HttpSettings {
            external_url: http.external_url.clone(),
            trusted_proxies: http.trusted_proxies.clone(),
            cors_origins: http.cors_origins.clone(),
            offset_limit: http.offset_limit,
            recalculation_deadline: http.recalculation_deadline,
            connections: ConnectionLimits::new(settings.capacity.http_connections),
            max_body_bytes: http.max_body,
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: env!("STOCKTAKE_REVISION").to_owned(),
            front_page: settings.console.enabled.then(|| "/console".to_owned()),
            separate_metrics: http.metrics_listen.is_some(),
        },
        metrics: Arc::new(move || metrics.render()),
    })
}

fn listen(address: SocketAddr, key: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({key})"))?;
    let address = listener.local_addr().context("the address listened on is not known")?;
    Ok((listener, address))
}

async fn stoppable(server: Server, stop: CancellationToken) -> anyhow::Result<()> {
    let handle = server.handle();
    let graceful = async move {
        stop.cancelled().await;
        handle.stop(true).await;
    };
    let (result, ()) = tokio::join!(server, graceful);
    Ok(result?)
}

async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) -> anyhow::Result<()> {
    while tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_err() {
        metrics.run_upkeep();
    }
    Ok(())
}
