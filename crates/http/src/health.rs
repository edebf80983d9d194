//! Health checks, without a token: `GET /-/health` and `GET /-/liveness` answer 200 while the process lives,
//! `GET /-/readiness` only while the database answers and can be written, its schema is current, and this host can read
//! content.

use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::Serialize;
use stocktake_domain::ports::StoreError;
use stocktake_domain::{Condition, ConditionSubject};
use stocktake_web::{LoggedCause, step};
use utoipa::ToSchema;

use crate::Context;
use crate::auth::Public;
use crate::error::ApiError;
use crate::routing::Endpoint;
use crate::schema::InternalRefusal;

/// When to try again, in seconds.
const RETRY_SECONDS: u32 = 5;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/-/health").get(health),
        Endpoint::at("/-/liveness").get(liveness),
        Endpoint::at("/-/readiness").get(readiness),
    ]
}

/// The state of the service.
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

/// Confirms that the process lives.
#[utoipa::path(
    get, path = "/-/health", tag = "monitoring", security(()),
    responses((status = 200, body = HealthBody, description = "It lives."), InternalRefusal)
)]
async fn health(_: Public) -> HttpResponse {
    HttpResponse::Ok().json(HealthBody::OK)
}

/// Confirms that the process lives.
#[utoipa::path(
    get, path = "/-/liveness", tag = "monitoring", security(()),
    responses((status = 200, body = HealthBody, description = "It lives."), InternalRefusal)
)]
async fn liveness(_: Public) -> HttpResponse {
    HttpResponse::Ok().json(HealthBody::OK)
}

/// Reports whether the service can serve.
#[utoipa::path(
    get, path = "/-/readiness", tag = "monitoring", security(()),
    responses(
        (status = 200, body = HealthBody,
         description = "The database answers and can be written, its schema is current, and this host can read content."),
        (status = 503, body = HealthBody, description = "It cannot serve, and why.",
         headers(("Retry-After" = u32, description = "Seconds to wait."))),
        InternalRefusal,
    )
)]
async fn readiness(_: Public, context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    let message = match check(&context).await {
        Ok(None) => return HttpResponse::Ok().json(HealthBody::OK),
        Ok(Some(reason)) => reason,
        Err(error) => {
            let message = error.to_string();
            request.extensions_mut().insert(LoggedCause(ApiError::from(error).chain()));
            message
        }
    };
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, RETRY_SECONDS))
        .json(HealthBody { status: "failed", message: Some(message) })
}

/// What this host lacks to work, if anything.
async fn check(context: &Context) -> Result<Option<String>, StoreError> {
    let api = &context.api;
    step("catalogue.check", api.catalogue.check()).await?;
    let conditions = step("conditions.conditions", api.conditions.conditions()).await?;
    let here = |condition: &Condition| {
        condition.subject == ConditionSubject::Process && condition.host == api.settings.host
    };
    let found = conditions.into_iter().find(here);
    Ok(found.map(|condition| format!("content cannot be read: {}", condition.reason)))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::Timestamp;

    use super::*;
    use crate::testing::{Answer, Mocks, send, unavailable};

    #[actix_web::test]
    async fn neither_needs_a_token_or_the_database() {
        for uri in ["/-/health", "/-/liveness"] {
            send(&Mocks::default().context(), TestRequest::get().uri(uri))
                .await
                .is(200, r#"{"status":"ok"}"#);
        }
    }

    async fn answer(outcome: Result<(), StoreError>) -> Answer {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_check().return_once(|| outcome);
        mocks.conditions.expect_conditions().returning(|| Ok(Vec::new()));
        send(&mocks.context(), TestRequest::get().uri("/-/readiness")).await
    }

    #[actix_web::test]
    async fn a_host_that_cannot_read_is_not_ready_and_others_are() {
        for (host, status) in [("here", 503), ("elsewhere", 200)] {
            let mut mocks = Mocks::default();
            mocks.settings.host = "here".to_owned();
            let at = Timestamp::from_millis(0);
            let condition = Condition {
                subject: ConditionSubject::Process,
                host: host.to_owned(),
                reason: "Too many open files".to_owned(),
                since: at,
                reported_at: at,
            };
            mocks.catalogue.expect_check().return_once(|| Ok(()));
            mocks.conditions.expect_conditions().return_once(move || Ok(vec![condition]));
            let answer = send(&mocks.context(), TestRequest::get().uri("/-/readiness")).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.body.contains("content cannot be read: Too many open files"), status == 503);
        }
    }

    #[actix_web::test]
    async fn tells_why_it_cannot_serve() {
        answer(Ok(())).await.is(200, r#"{"status":"ok"}"#);
        let away = answer(Err(unavailable())).await;
        away.is(503, r#"{"status":"failed","message":"the database is unreachable"}"#);
        assert_eq!(away.header("Retry-After"), Some("5"));
        let old = answer(Err(StoreError::Schema("2 migrations are missing".to_owned()))).await;
        assert!(old.body.contains("the database schema does not fit this program: 2 migrations are missing"));
    }
}
