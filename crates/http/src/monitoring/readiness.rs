//! `GET /-/readiness`: 200 only when the database answers and its schema is current.

use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

use super::HealthBody;
use crate::Context;
use crate::error::ApiError;
use crate::observe::LoggedCause;
use crate::openapi::OwnFault;

/// When to ask again, in seconds.
const RETRY_SECONDS: u32 = 5;

/// Tells whether the service can serve.
#[utoipa::path(
    get, path = "/-/readiness", tag = "monitoring", security(()),
    responses(
        (status = 200, body = HealthBody, description = "The database answers and its schema is current."),
        (status = 503, body = HealthBody, description = "It cannot serve, and why.",
         headers(("Retry-After" = u32, description = "Seconds to wait."))),
        OwnFault,
    )
)]
pub(super) async fn readiness(context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    let Err(error) = context.api.catalogue.check().await else {
        return HttpResponse::Ok().json(HealthBody::OK);
    };
    let message = Some(error.to_string());
    request.extensions_mut().insert(LoggedCause(ApiError::from(error).chain()));
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, RETRY_SECONDS))
        .json(HealthBody { status: "failed", message })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::ports::StoreError;

    use crate::testing::{Answer, Mocks, send, unavailable};

    async fn answer(outcome: Result<(), StoreError>) -> Answer {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_check().return_once(|| outcome);
        send(&mocks.context(), TestRequest::get().uri("/-/readiness")).await
    }

    #[actix_web::test]
    async fn tells_why_it_cannot_serve() {
        answer(Ok(())).await.is(200, r#"{"status":"ok"}"#);
        let away = answer(Err(unavailable())).await;
        away.is(503, r#"{"status":"failed","message":"the database is unreachable"}"#);
        assert_eq!(away.header("Retry-After"), Some("5"));
        let old = answer(Err(StoreError::Schema("2 migrations are missing".to_owned()))).await;
        assert!(old.body.contains("the database schema is not current: 2 migrations are missing"));
    }
}
