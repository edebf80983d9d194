//! `GET /-/health` and `GET /-/liveness`: 200 while the process lives.

use actix_web::HttpResponse;

use super::HealthBody;
use crate::openapi::OwnFault;

/// Tells that the process lives.
#[utoipa::path(
    get, path = "/-/health", tag = "monitoring", security(()),
    responses((status = 200, body = HealthBody, description = "It lives."), OwnFault)
)]
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(HealthBody::OK)
}

/// Tells that the process lives.
#[utoipa::path(
    get, path = "/-/liveness", tag = "monitoring", security(()),
    responses((status = 200, body = HealthBody, description = "It lives."), OwnFault)
)]
pub(super) async fn liveness() -> HttpResponse {
    HttpResponse::Ok().json(HealthBody::OK)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use crate::testing::{Mocks, send};

    #[actix_web::test]
    async fn neither_needs_a_token_or_the_database() {
        for uri in ["/-/health", "/-/liveness"] {
            send(&Mocks::default().context(), TestRequest::get().uri(uri))
                .await
                .is(200, r#"{"status":"ok"}"#);
        }
    }
}
