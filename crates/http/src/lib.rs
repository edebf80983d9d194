//! The HTTP surface of Stocktake on actix-web: the Data management API, endpoints of its own, and those that operating
//! it needs. It knows the domain and its ports only.
//!
//! # How a request travels
//!
//! 1. `server` reads its head over a `connection`, which bounds what a client may keep waiting, and gives it to `middleware`, which is responsible for everything around it: its id, its
//!    span, the headers of every answer, its log line, its metrics, and an answer even if the endpoint panics.
//! 2. `client` finds out whose address it came from, believing the headers of trusted proxies alone.
//! 3. `routing` finds its endpoint and has the role checked that the handler names as its first argument (`auth`): the
//!    token is looked up, then its scope and its owner's rank are compared with the role. Nothing else of the request
//!    has been looked at yet. Without the role it ends here; a path without an endpoint ends here as well.
//! 4. The endpoint, which has a file of its own with its request, its answer and its tests, reads the parameters
//!    (`parameters`, `body`) and checks them all (`validation`), asks the ports of the domain, each call a timed step
//!    (`steps`), and writes the answer (`record`, `links`).
//! 5. Whatever fails on the way is an `error`, which one table turns into an answer.
//!
//! `openapi` collects the descriptions of all endpoints; what several of them share is in `schema`.

mod answer;
mod auth;
mod body;
mod conditions;
mod connection;
mod cors;
mod cursor;
mod data_management;
mod error;
mod filter;
pub mod findings;
mod front;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod identity;
mod jobs;
mod links;
mod metrics;
mod middleware;
mod openapi;
mod parameters;
mod record;
mod routing;
mod schema;
mod server;
mod summary;
mod sync;
#[cfg(test)]
mod testing;
mod validation;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use stocktake_domain::Clock;
use stocktake_domain::ports::{Catalogue, Conditions, Jobs, Queue, Recalculation, SyncState};
use stocktake_web::{Authenticator, Network, SummaryCache};

pub use connection::ConnectionLimits;
pub use jobs::job_json;
pub use openapi::openapi_json;
pub use server::{Mount, serve, serve_metrics};

/// The ports and settings that the HTTP surface is built of.
#[derive(Clone)]
pub struct Api {
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The work queue.
    pub queue: Arc<dyn Queue>,
    /// The bulk jobs.
    pub jobs: Arc<dyn Jobs>,
    /// How far the sync with a source is.
    pub sync_state: Arc<dyn SyncState>,
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
    /// Whom tokens stand for.
    pub authenticator: Arc<Authenticator>,
    /// The catalogue's counts.
    pub summary: SummaryCache,
    /// Recalculates one record while its caller waits.
    pub recalculation: Arc<dyn Recalculation>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The settings.
    pub settings: HttpSettings,
    /// Renders what the process recorded with the `metrics` crate, as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The settings of the HTTP surface.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// What `Link` URLs begin with, for example `https://stocktake.example.com`; `None`: the request's own
    /// scheme and host, or those that a trusted proxy names.
    pub external_url: Option<String>,
    /// The proxies that are believed when they say whose request they forward (`Forwarded`, `X-Forwarded-For`, `-Proto`
    /// and `-Host`).
    pub trusted_proxies: Vec<Network>,
    /// The origins whose scripts may use the API in a browser, for example `https://dashboard.example.com`.
    pub cors_origins: Vec<String>,
    /// The largest page × `per_page` of offset pagination.
    pub offset_limit: u64,
    /// How long the caller of a recalculation of one record waits.
    pub recalculation_deadline: Duration,
    /// What holds for connections.
    pub connections: ConnectionLimits,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The name of this host, under which its processes report what keeps them from reading content.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// The source revision the program was built from.
    pub revision: String,
    /// The path of the page that `/` leads to; `None`: there is none.
    pub front_page: Option<String>,
    /// `/metrics` is served on an address of its own ([`serve_metrics`]), not with the API.
    pub separate_metrics: bool,
}

/// What all requests of a server share.
struct Context {
    api: Arc<Api>,
    /// Whether the warning about headers of a proxy that is not trusted was given.
    has_warned_of_proxy: AtomicBool,
}

impl Context {
    fn new(api: Arc<Api>) -> Self {
        Self { api, has_warned_of_proxy: AtomicBool::new(false) }
    }
}
