//! The servers: which routes they have, and how they treat connections.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::error::ApiError;
use crate::{
    Api, Context, data_management, findings, health, identity, jobs, metrics, observe, openapi, summary, sync,
};

/// An idle connection is closed after this time; longer than that of common proxies, who then close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client that has not sent the whole head of its request after this time is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests under way when the server is stopped may take so many more seconds.
const SHUTDOWN_SECONDS: u64 = 8;

/// Puts an endpoint's routes into an application.
type Configure = fn(&mut web::ServiceConfig);

/// Serves the API on this listener with so many threads. The server runs while it is awaited, stops gracefully
/// through its handle, and leaves signals to the caller.
pub fn serve(api: Arc<Api>, listener: TcpListener, workers: usize) -> io::Result<Server> {
    let routes = if api.settings.metrics_elsewhere { configure } else { configure_with_metrics };
    run(api, listener, workers, routes)
}

/// Serves `/metrics` alone on this listener, otherwise as [`serve`] does.
pub fn serve_metrics(api: Arc<Api>, listener: TcpListener) -> io::Result<Server> {
    run(api, listener, 1, metrics::configure)
}

fn run(api: Arc<Api>, listener: TcpListener, workers: usize, routes: Configure) -> io::Result<Server> {
    observe::describe_metrics();
    let context = web::Data::new(Context::new(api));
    let server = HttpServer::new(move || app(context.clone(), routes))
        .workers(workers.max(1))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)?;
    Ok(server.run())
}

/// An application with these routes; whatever else is asked for is 404.
pub(crate) fn app(
    context: web::Data<Context>,
    routes: Configure,
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
        .configure(routes)
        .default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::NoRoute) }))
        .wrap(from_fn(observe::observe))
}

/// All routes but `/metrics`.
fn configure(routes: &mut web::ServiceConfig) {
    data_management::configure(routes);
    identity::configure(routes);
    summary::configure(routes);
    findings::configure(routes);
    sync::configure(routes);
    jobs::configure(routes);
    openapi::configure(routes);
    health::configure(routes);
}

/// All routes.
pub(crate) fn configure_with_metrics(routes: &mut web::ServiceConfig) {
    configure(routes);
    metrics::configure(routes);
}
