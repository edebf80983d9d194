//! `PUT /admin/data_management/:model_name/checksum`: marks records for recalculation in the background.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::Serialize;
use stocktake_domain::ports::StoreError;
use stocktake_domain::{Job, JobScope, Model, NewJob};
use stocktake_web::{LoggedCause, Snapshot, step};
use tracing::Instrument as _;
use utoipa::ToSchema;

use super::segment;
use crate::Context;
use crate::auth::Administrator;
use crate::body;
use crate::error::{ApiError, ApiResult, ErrorBody, ErrorText, MessageBody};
use crate::schema::{AdministratorRefusals, FilterParameters, ModelPath, TargetBody};
use crate::validation::{Checker, Target};

/// Whether the job was enqueued.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EnqueueResult)]
pub(crate) struct EnqueueBody {
    /// `success` or `error`.
    #[schema(example = "success")]
    status: &'static str,
    /// What happened.
    #[schema(example = "Batch update job has been successfully enqueued.")]
    message: String,
}

/// Marks all matching records for recalculation in a background job.
#[utoipa::path(
    put, path = "/api/v4/admin/data_management/{model_name}/checksum", tag = "data management",
    params(ModelPath, FilterParameters),
    request_body(
        description = "The same parameters as in the query string; they go before those.",
        content(
            (TargetBody = "application/json"),
            (TargetBody = "application/x-www-form-urlencoded"),
            (TargetBody = "multipart/form-data"),
        ),
    ),
    responses(
        (status = 200, body = EnqueueBody, description = "Enqueued, or why not."),
        (status = 400, body = ErrorBody, description = "Wrong parameters, or a malformed body."),
        (status = 408, body = MessageBody, description = "The body did not arrive in time."),
        (status = 413, body = MessageBody, description = "The body is too large."),
        (status = 415, body = ErrorText, description = "The body is neither JSON nor a form."),
        AdministratorRefusals,
    )
)]
pub(super) async fn recalculate_many(
    Administrator(caller): Administrator,
    context: web::Data<Context>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    let parameters =
        step("body", body::parameters(&request, payload, context.api.settings.max_body_bytes)).await?;
    let mut checker = Checker::new(&parameters);
    let model = checker.model(&segment(&request, "model_name").unwrap_or_default());
    let state = checker.choice("checksum_state", |name| name.parse().ok());
    let identifiers = checker.identifiers();
    let target = Target::new(checker.finish(model)?, state, &identifiers)?;
    // No job is needed for records that cannot exist.
    let Some(selection) = target.selection else { return Ok(success()) };
    let job = NewJob { model: target.model, selection, requested_by: caller.username.clone() };
    match step("jobs.enqueue", context.api.jobs.enqueue(&job)).await {
        Ok(job) => {
            if job.scope == JobScope::default() {
                log_extent(&context, &job);
            }
            Ok(success())
        }
        Err(error) => Ok(failure(&request, error)),
    }
}

/// Logs how many records a job without a filter is about, which may be more than its caller meant. Nobody waits for
/// them to be counted.
fn log_extent(context: &web::Data<Context>, job: &Job) {
    let (context, id, model) = (context.clone(), job.id.0, job.model);
    let caller = job.requested_by.clone();
    let log = async move {
        let counted = context.api.summary.get().await.map_err(ApiError::from);
        let models = counted.map(|snapshot| in_model(&snapshot, model));
        match models {
            Ok(records) => tracing::info!(
                job.id = id,
                job.model = model.name(),
                job.records = records,
                token.owner = caller,
                "job {id} names no filter: {caller} has all {records} records of {model} recalculated"
            ),
            Err(error) => tracing::warn!(
                job.id = id,
                job.model = model.name(),
                token.owner = caller,
                error.cause = error.chain(),
                "job {id} names no filter: {caller} has all records of {model} recalculated, which could not be counted"
            ),
        }
    };
    actix_web::rt::spawn(log.in_current_span());
}

fn in_model(snapshot: &Snapshot, model: Model) -> u64 {
    let own = snapshot.models.iter().filter(|summary| summary.model == model);
    own.flat_map(|summary| &summary.states).map(|(_, count)| count).sum()
}

fn success() -> HttpResponse {
    let message = "Batch update job has been successfully enqueued.".to_owned();
    HttpResponse::Ok().json(EnqueueBody { status: "success", message })
}

fn failure(request: &HttpRequest, error: StoreError) -> HttpResponse {
    let why = match error {
        StoreError::Unavailable(_) => "the database is unreachable",
        StoreError::Schema(_) => "the database's schema is not current",
        StoreError::Internal(_) => "an internal error occurred",
    };
    request.extensions_mut().insert(LoggedCause(ApiError::from(error).chain()));
    let message = format!("Batch update job could not be enqueued: {why}.");
    HttpResponse::Ok().json(EnqueueBody { status: "error", message })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::ports::StoreError;
    use stocktake_domain::{Job, JobId, Model, NewJob, Selection, State, Timestamp};

    use crate::testing::{Answer, Mocks, TOKEN, key, send, unavailable};

    const SUCCESS: &str =
        r#"{"status":"success","message":"Batch update job has been successfully enqueued."}"#;

    fn request(query: &str) -> TestRequest {
        let uri = format!("/api/v4/admin/data_management/uploads/checksum{query}");
        TestRequest::put().uri(&uri).insert_header(("PRIVATE-TOKEN", TOKEN))
    }

    fn json(body: &'static str) -> TestRequest {
        request("").insert_header(("Content-Type", "application/json")).set_payload(body)
    }

    /// Sends a request that must enqueue a job with this selection.
    async fn enqueues(request: TestRequest, state: Option<State>, keys: Option<&[i64]>) {
        let keys = keys.map(|keys| keys.iter().map(|value| key(&[*value])).collect());
        let selection = Selection { state, keys, ..Selection::default() };
        let wanted = NewJob { model: Model::Uploads, selection, requested_by: "root".to_owned() };
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_summary().returning(|| Ok(vec![]));
        let enqueue = mocks.jobs.expect_enqueue().withf(move |job| *job == wanted);
        enqueue.times(1).returning(|job| Ok(Job::enqueued(JobId(1), job, Timestamp::from_millis(0))));
        send(&mocks.context(), request).await.is(200, SUCCESS);
    }

    async fn refused(request: TestRequest) -> Answer {
        send(&Mocks::default().context(), request).await
    }

    #[actix_web::test]
    async fn parameters_come_from_anywhere() {
        let form = |body: &'static str| {
            request("").insert_header(("Content-Type", "application/x-www-form-urlencoded")).set_payload(body)
        };
        let both = (Some(State::Failed), Some(&[1, 2][..]));
        enqueues(request("?identifiers[]=2&identifiers[]=1&checksum_state=failed"), both.0, both.1).await;
        enqueues(form("identifiers=1,2&checksum_state=failed"), both.0, both.1).await;
        enqueues(json(r#"{"identifiers":[1,"2"],"checksum_state":"failed"}"#), both.0, both.1).await;
        enqueues(json("{}"), None, None).await;
        enqueues(request("?identifiers[]=&identifiers=,"), None, None).await;
        let over = request("?identifiers=9&checksum_state=failed")
            .insert_header(("Content-Type", "application/json"))
            .set_payload(r#"{"identifiers":[1,2]}"#);
        enqueues(over, both.0, both.1).await;
    }

    #[actix_web::test]
    async fn impossible_identifiers_need_no_job() {
        refused(json(r#"{"identifiers":[99999999999999999999]}"#)).await.is(200, SUCCESS);
    }

    #[actix_web::test]
    async fn wrong_parameters_are_named_together() {
        let body = r#"{"identifiers":{"a":1},"checksum_state":"done"}"#;
        let wrong = r#"{"error":"checksum_state does not have a valid value, identifiers is invalid"}"#;
        refused(json(body)).await.is(400, wrong);
        refused(json(r#"{"checksum_state":7}"#)).await.is(400, r#"{"error":"checksum_state is invalid"}"#);
        let base64 = r#"{"message":"400 Bad request - invalid base64"}"#;
        refused(request("?identifiers=1,x!")).await.is(400, base64);
        refused(json(r#"{"identifiers":["x!"]}"#)).await.is(400, base64);
        let unknown = TestRequest::put().uri("/api/v4/admin/data_management/Uploads/checksum");
        let unknown = refused(unknown.insert_header(("PRIVATE-TOKEN", TOKEN))).await;
        unknown.is(400, r#"{"error":"model_name does not have a valid value"}"#);
    }

    #[actix_web::test]
    async fn bad_bodies_are_refused() {
        let answer = refused(json("{")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.starts_with(r#"{"message":"400 Bad request - the body is not valid JSON: "#));
        let large = request("").set_payload("a".repeat(1001));
        refused(large).await.is(413, r#"{"message":"413 Request Entity Too Large"}"#);
        let text = request("").insert_header(("Content-Type", "text/plain")).set_payload("x");
        refused(text)
            .await
            .is(415, r#"{"error":"The provided content-type 'text/plain' is not supported."}"#);
    }

    #[actix_web::test]
    async fn a_job_that_cannot_be_enqueued_is_reported_with_200() {
        type Failing = fn() -> StoreError;
        let reasons: [(Failing, &str); 3] = [
            (unavailable, "the database is unreachable"),
            (|| StoreError::Schema("secret".to_owned()), "the database's schema is not current"),
            (|| StoreError::Internal("secret".into()), "an internal error occurred"),
        ];
        for (error, why) in reasons {
            let mut mocks = Mocks::default();
            mocks.jobs.expect_enqueue().returning(move |_| Err(error()));
            let message = format!("Batch update job could not be enqueued: {why}.");
            let body = format!(r#"{{"status":"error","message":"{message}"}}"#);
            send(&mocks.context(), request("")).await.is(200, &body);
        }
    }
}
