//! `GET /api/v1/health`: what keeps records from being judged.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use stocktake_domain::{Condition, ConditionSubject, Timestamp};
use stocktake_web::step;
use utoipa::ToSchema;

use crate::Context;
use crate::auth::Reader;
use crate::error::ApiError;
use crate::record::shown_time;
use crate::routing::Endpoint;
use crate::schema::AdministratorRefusals;

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v1/health").get(conditions)]
}

/// Whether everything can be judged, and what keeps it from it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conditions)]
pub(crate) struct ConditionsBody<'a> {
    /// `ok` if there is no condition, else `degraded`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The conditions, those of storages first.
    conditions: Vec<ConditionBody<'a>>,
}

/// Something that keeps records from being judged: they wait, and keep their state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Condition)]
struct ConditionBody<'a> {
    /// `storage`: a storage cannot be read as a whole; `process`: a process lacks what it needs to read content.
    kind: &'static str,
    /// The storage's name; null for a process.
    #[schema(required)]
    storage: Option<&'a str>,
    /// The host that reported it.
    host: &'a str,
    /// What is wrong.
    reason: &'a str,
    /// When it was first reported.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    since: Option<Timestamp>,
    /// When it was last reported.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    reported_at: Option<Timestamp>,
}

impl<'a> From<&'a Condition> for ConditionBody<'a> {
    fn from(condition: &'a Condition) -> Self {
        let (kind, storage) = match &condition.subject {
            ConditionSubject::Storage(name) => ("storage", Some(name.as_str())),
            ConditionSubject::Process => ("process", None),
        };
        Self {
            kind,
            storage,
            host: &condition.host,
            reason: &condition.reason,
            since: Some(condition.since),
            reported_at: Some(condition.reported_at),
        }
    }
}

/// Shows what keeps records from being judged.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "operation",
    responses((status = 200, body = ConditionsBody, description = "All conditions at once."), AdministratorRefusals)
)]
async fn conditions(_: Reader, context: web::Data<Context>) -> Result<HttpResponse, ApiError> {
    let conditions = step("conditions.conditions", context.api.conditions.conditions()).await?;
    let status = if conditions.is_empty() { "ok" } else { "degraded" };
    let conditions = conditions.iter().map(ConditionBody::from).collect();
    Ok(HttpResponse::Ok().json(ConditionsBody { status, conditions }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mocks, unavailable};

    #[actix_web::test]
    async fn a_closed_storage_and_a_short_process_are_shown() {
        let mut mocks = Mocks::default();
        let at = Timestamp::from_millis;
        let of = |subject| Condition {
            subject,
            host: "a".to_owned(),
            reason: "why".to_owned(),
            since: at(0),
            reported_at: at(1),
        };
        let known = vec![of(ConditionSubject::Storage("main".to_owned())), of(ConditionSubject::Process)];
        mocks.conditions.expect_conditions().return_once(move || Ok(known));
        let times = r#""since":"1970-01-01T00:00:00.000Z","reported_at":"1970-01-01T00:00:00.001Z""#;
        let expected = format!(
            r#"{{"status":"degraded","conditions":[{{"kind":"storage","storage":"main","host":"a","reason":"why",{times}}},{{"kind":"process","storage":null,"host":"a","reason":"why",{times}}}]}}"#
        );
        mocks.get("/api/v1/health").await.is(200, &expected);
    }

    #[actix_web::test]
    async fn without_conditions_all_is_well_and_without_a_database_it_says_so() {
        let mut mocks = Mocks::default();
        mocks.conditions.expect_conditions().return_once(|| Ok(Vec::new()));
        mocks.get("/api/v1/health").await.is(200, r#"{"status":"ok","conditions":[]}"#);
        let mut mocks = Mocks::default();
        mocks.conditions.expect_conditions().return_once(|| Err(unavailable()));
        mocks.get("/api/v1/health").await.is(503, r#"{"message":"503 Service Unavailable"}"#);
    }
}
