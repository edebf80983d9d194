//! The servers: their endpoints, and how they treat connections.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio::net::TcpStream;

use crate::connection::{self, Connection, Connections};
use crate::cors::cors;
use crate::routing::{Endpoint, no_endpoint};
use crate::{
    Api, ConnectionLimits, Context, answer, conditions, data_management, findings, front, health, identity,
    jobs, metrics, middleware, openapi, summary, sync,
};

/// An idle connection is closed after this time; longer than that of common proxies, which then close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client that was answered before it had sent its whole body has this long to read the answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The most threads that answer requests.
const MAX_WORKERS: usize = 512;

/// So many connections of a thread may be open besides those that count, because they are being closed for others.
const CONNECTIONS_BEING_CLOSED: usize = 16;

/// The most connections to an address that has nothing but metrics.
const METRICS_CONNECTIONS: usize = 64;

/// Requests under way when the server is stopped may take this many more seconds.
const SHUTDOWN_SECONDS: u64 = 8;

/// The endpoints of an application.
type Endpoints = fn() -> Vec<Endpoint>;

/// What else is served besides the API, in the same way: with an id for each request, the client's address, and a log line.
pub type Mount = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Serves the API, and what is mounted, on this listener with this many threads. The server runs while it is awaited, stops
/// gracefully through its handle, and leaves signals to the caller.
pub fn serve(
    api: Arc<Api>,
    listener: TcpListener,
    workers: usize,
    mount: Option<Mount>,
) -> io::Result<Server> {
    let endpoints = if api.settings.separate_metrics { without_metrics } else { all };
    let limits = api.settings.connections;
    run(api, listener, workers, limits, Served { endpoints, mount })
}

/// Serves `/metrics` alone on this listener, otherwise as [`serve`] does.
pub fn serve_metrics(api: Arc<Api>, listener: TcpListener) -> io::Result<Server> {
    let mut limits = api.settings.connections;
    limits.connections = limits.connections.min(METRICS_CONNECTIONS);
    run(api, listener, 1, limits, Served { endpoints: metrics::endpoints, mount: None })
}

fn run(
    api: Arc<Api>,
    listener: TcpListener,
    workers: usize,
    mut limits: ConnectionLimits,
    answered: Served,
) -> io::Result<Server> {
    answer::describe_metrics();
    connection::describe_metrics();
    let workers = workers.clamp(1, MAX_WORKERS);
    // Of each thread, among which the connections are shared out in turn.
    limits.connections = limits.connections.div_ceil(workers).max(1);
    let context = web::Data::new(Context::new(api));
    let server = Server::build();
    let stopping = server.graceful_shutdown_signal();
    let server = server
        .workers(workers)
        .max_concurrent_connections(limits.connections.saturating_add(CONNECTIONS_BEING_CLOSED))
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen("http", listener, move || {
            let (context, answered, stopping) = (context.clone(), answered.clone(), stopping.clone());
            let app = app(context, answered).into_factory();
            let app = app.map_err(|error: actix_web::Error| error.error_response());
            let connections = Connections::new(limits);
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(Rc::clone(connection.state()));
                })
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |stream| ready(accept(stream, &connections))).and_then(http)
        })?;
    Ok(server.run())
}

/// A connection with its client's address.
fn accept(
    stream: TcpStream,
    connections: &Rc<Connections>,
) -> Result<(Connection, Option<SocketAddr>), DispatchError> {
    let connection = Connection::accept(stream, connections).ok_or(DispatchError::DisconnectTimeout)?;
    let peer = connection.peer();
    Ok((connection, Some(peer)))
}

/// What an application answers.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) endpoints: Endpoints,
    pub(crate) mount: Option<Mount>,
}

/// An application that answers this.
pub(crate) fn app(
    context: web::Data<Context>,
    served: Served,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let cors = cors(&context.api.settings.cors_origins);
    App::new()
        .app_data(context)
        .configure(|app| {
            for endpoint in (served.endpoints)() {
                app.service(endpoint.into_resource());
            }
            if let Some(mount) = served.mount {
                mount(app);
            }
        })
        .default_service(web::to(no_endpoint))
        .wrap(cors)
        .wrap(from_fn(middleware::middleware))
}

/// All endpoints.
pub(crate) fn all() -> Vec<Endpoint> {
    let mut endpoints = without_metrics();
    endpoints.extend(metrics::endpoints());
    endpoints
}

fn without_metrics() -> Vec<Endpoint> {
    let modules: [Endpoints; 10] = [
        front::endpoints,
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
