//! The HTTP surface of Stocktake on actix-web: the Data management API, its own endpoints beside it, and what
//! operating it needs. It knows the domain and its ports only.
//!
//! One request goes through `observe` (its id, its log line, its metrics), then through the `auth` gate,
//! then to its endpoint, each of which has a file of its own with its parameters, its answer and its tests.

mod auth;
mod body;
mod cursor;
mod data_management;
mod error;
pub mod findings;
mod health;
mod identity;
mod jobs;
mod links;
mod metrics;
mod observe;
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
use std::time::Duration;

use stocktake_domain::Clock;
use stocktake_domain::ports::{Authority, Catalogue, Jobs, Queue, Recalculation, SyncState, Tokens};

pub use openapi::openapi_json;
pub use server::{serve, serve_metrics};

/// What the HTTP surface is built of.
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
    /// Our own access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Somebody else whose tokens count here as well.
    pub authority: Option<Arc<dyn Authority>>,
    /// Recalculates one record while its caller waits.
    pub recalculation: Arc<dyn Recalculation>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What can be set.
    pub settings: HttpSettings,
    /// Renders what the process recorded with the `metrics` crate, as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What can be set of the HTTP surface.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// What `Link` URLs begin with, for example `https://stocktake.example.com`; `None`: the request's own
    /// scheme and host.
    pub external_url: Option<String>,
    /// The largest page × `per_page` of offset pagination.
    pub offset_limit: u64,
    /// How long a recalculation of one record keeps its caller waiting.
    pub recalculation_deadline: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How many wrong tokens one address may send in a minute before it is refused; 0: any number.
    pub wrong_tokens_per_minute: u32,
    /// The program's version.
    pub version: String,
    /// The source revision the program was built from.
    pub revision: String,
    /// `/metrics` is served on an address of its own ([`serve_metrics`]), not beside the API.
    pub metrics_elsewhere: bool,
}

/// What all requests of a server share.
struct Context {
    api: Arc<Api>,
    gate: auth::Gate,
    summary: summary::SummaryCache,
}

impl Context {
    fn new(api: Arc<Api>) -> Self {
        let gate = auth::Gate::new(api.settings.wrong_tokens_per_minute);
        Self { api, gate, summary: summary::SummaryCache::default() }
    }
}
