//! The servers: their endpoints, and how they treat connections.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::routing::{Endpoint, no_endpoint};
use crate::{
    Api, Context, conditions, data_management, findings, health, identity, jobs, metrics, middleware,
    openapi, summary, sync,
};

/// An idle connection is closed after this time; longer than that of common proxies, which then close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client that has not sent the whole head of its request after this time is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests under way when the server is stopped may take this many more seconds.
const SHUTDOWN_SECONDS: u64 = 8;

/// The endpoints of an application.
type Endpoints = fn() -> Vec<Endpoint>;

/// Serves the API on this listener with this many threads. The server runs while it is awaited, stops gracefully
/// through its handle, and leaves signals to the caller.
pub fn serve(api: Arc<Api>, listener: TcpListener, workers: usize) -> io::Result<Server> {
    let endpoints = if api.settings.separate_metrics { without_metrics } else { all };
    run(api, listener, workers, endpoints)
}

/// Serves `/metrics` alone on this listener, otherwise as [`serve`] does.
pub fn serve_metrics(api: Arc<Api>, listener: TcpListener) -> io::Result<Server> {
    run(api, listener, 1, metrics::endpoints)
}

fn run(api: Arc<Api>, listener: TcpListener, workers: usize, endpoints: Endpoints) -> io::Result<Server> {
    middleware::describe_metrics();
    let workers = workers.max(1);
    let connections_per_worker = api.settings.max_connections.div_ceil(workers);
    let context = web::Data::new(Context::new(api));
    let server = HttpServer::new(move || app(context.clone(), endpoints))
        .workers(workers)
        .max_connections(connections_per_worker)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)?;
    Ok(server.run())
}

/// An application with these endpoints.
pub(crate) fn app(
    context: web::Data<Context>,
    endpoints: Endpoints,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(context)
        .configure(|app| {
            for endpoint in endpoints() {
                app.service(endpoint.into_resource());
            }
        })
        .default_service(web::to(no_endpoint))
        .wrap(from_fn(middleware::middleware))
}

/// All endpoints.
pub(crate) fn all() -> Vec<Endpoint> {
    let mut endpoints = without_metrics();
    endpoints.extend(metrics::endpoints());
    endpoints
}

fn without_metrics() -> Vec<Endpoint> {
    let modules: [Endpoints; 9] = [
        data_management::endpoints,
        identity::endpoints,
        summary::endpoints,
        findings::endpoints,
        sync::endpoints,
        conditions::endpoints,
        jobs::endpoints,
        openapi::endpoints,
        health::endpoints,
    ];
    modules.into_iter().flat_map(|endpoints| endpoints()).collect()
}
