//! What operating the service needs, without a token: health, readiness, metrics.

mod health;
pub(crate) mod metrics;
mod readiness;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::routing::{READ, get, resource};

pub(crate) use health::{__path_health, __path_liveness};
pub(crate) use readiness::__path_readiness;

/// The routes but `/metrics`.
pub(crate) fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(resource("/-/health", READ).route(get().to(health::health)))
        .service(resource("/-/liveness", READ).route(get().to(health::liveness)))
        .service(resource("/-/readiness", READ).route(get().to(readiness::readiness)));
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `ok` or `failed`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl HealthBody {
    const OK: Self = Self { status: "ok", message: None };
}
