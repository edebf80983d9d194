//! Bulk jobs: `GET /api/v1/jobs/:id` shows one with its progress, `DELETE /api/v1/jobs/:id` cancels it; [`list`] lists them.

mod list;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use stocktake_domain::{Job, JobId, JobScope, State, Timestamp};
use stocktake_web::step;
use utoipa::ToSchema;

use crate::Context;
use crate::auth::{Administrator, Reader};
use crate::error::{ApiError, ApiResult, ErrorBody, MessageBody, ParamError};
use crate::record::{as_text, shown_time};
use crate::routing::Endpoint;
use crate::schema::{AdministratorRefusals, JobPath, StateName};

pub(crate) use list::__path_list;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/v1/jobs").get(list::list),
        Endpoint::at("/api/v1/jobs/{id}").get(show).delete(cancel),
    ]
}

/// A bulk job with its progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobBody {
    /// The number.
    id: i64,
    /// The model whose records are marked.
    #[schema(example = "lfs_objects")]
    model_name: &'static str,
    /// Only records in this state; null: in any.
    #[schema(value_type = Option<StateName>, required)]
    checksum_state: Option<&'static str>,
    /// How many records were named; null: none, so that all are meant.
    #[schema(required, value_type = Option<usize>)]
    identifier_count: Option<u64>,
    /// What else the records have in common, in words; null: nothing.
    #[schema(required, example = "missing, in the storage main")]
    filter: Option<String>,
    /// The user who asked for it.
    requested_by: String,
    /// How far it is: `queued`, `running`, `finished` or `cancelled`.
    #[schema(example = "running")]
    state: &'static str,
    /// Records marked so far.
    marked: u64,
    /// When it was enqueued.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its first records were marked.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it was finished or cancelled.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<&Job> for JobBody {
    fn from(job: &Job) -> Self {
        let JobScope { state, key_count, filter } = &job.scope;
        Self {
            id: job.id.0,
            model_name: job.model.name(),
            checksum_state: state.map(State::name),
            identifier_count: *key_count,
            filter: Some(filter).filter(|filter| !filter.is_empty()).map(ToString::to_string),
            requested_by: job.requested_by.clone(),
            state: job.state.name(),
            marked: job.marked,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// A bulk job as the API shows it.
pub fn job_json(job: &Job) -> serde_json::Value {
    // Names, texts and numbers can always be written.
    serde_json::to_value(JobBody::from(job)).unwrap_or_default()
}

/// The job in the path. A number that no job can have is not found.
fn named_job(request: &HttpRequest) -> Result<JobId, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    if !stocktake_domain::RecordKey::looks_like_integer(text) {
        return Err(ApiError::Parameters(vec![("id", ParamError::Type)]));
    }
    text.parse().map(JobId).map_err(|_| ApiError::NotFound(text.to_owned()))
}

/// The job of this number, if there is one.
fn answer(id: JobId, job: Option<Job>) -> ApiResult {
    let job = job.ok_or_else(|| ApiError::NotFound(id.0.to_string()))?;
    Ok(HttpResponse::Ok().json(JobBody::from(&job)))
}

/// Shows one bulk job.
#[utoipa::path(
    get, operation_id = "show_job", path = "/api/v1/jobs/{id}", tag = "operation",
    params(JobPath),
    responses(
        (status = 200, body = JobBody, description = "The job."),
        (status = 400, body = ErrorBody, description = "No number."),
        (status = 404, body = MessageBody, description = "No such job."),
        AdministratorRefusals,
    )
)]
async fn show(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let id = named_job(&request)?;
    answer(id, step("jobs.get", context.api.jobs.get(id)).await?)
}

/// Cancels a bulk job; what it marked stays marked. A job that has ended stays as it is.
#[utoipa::path(
    delete, operation_id = "cancel_job", path = "/api/v1/jobs/{id}", tag = "operation",
    params(JobPath),
    responses(
        (status = 200, body = JobBody, description = "The job as it then is."),
        (status = 400, body = ErrorBody, description = "No number."),
        (status = 404, body = MessageBody, description = "No such job."),
        AdministratorRefusals,
    )
)]
async fn cancel(_: Administrator, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let id = named_job(&request)?;
    answer(id, step("jobs.cancel", context.api.jobs.cancel(id)).await?)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use mockall::predicate::eq;
    use stocktake_domain::{JobState, Model};

    use super::*;
    use crate::testing::{Answer, Mocks, TOKEN, send};

    pub(super) fn job(id: i64) -> Job {
        Job {
            id: JobId(id),
            model: Model::Uploads,
            scope: JobScope { state: Some(State::Failed), key_count: Some(2), ..JobScope::default() },
            requested_by: "root".to_owned(),
            state: JobState::Running,
            marked: 2,
            created_at: Timestamp::from_millis(0),
            started_at: Some(Timestamp::from_millis(1)),
            finished_at: None,
        }
    }

    async fn delete(mocks: Mocks, uri: &str) -> Answer {
        send(&mocks.context(), TestRequest::delete().uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN))).await
    }

    #[actix_web::test]
    async fn a_job_is_shown_with_its_progress() {
        let mut mocks = Mocks::default();
        mocks.jobs.expect_get().with(eq(JobId(4))).returning(|_| Ok(Some(job(4))));
        mocks.get("/api/v1/jobs/4").await.is(200, r#"{"id":4,"model_name":"uploads","checksum_state":"failed","identifier_count":2,"filter":null,"requested_by":"root","state":"running","marked":2,"created_at":"1970-01-01T00:00:00.000Z","started_at":"1970-01-01T00:00:00.001Z","finished_at":null}"#);
    }

    #[actix_web::test]
    async fn jobs_that_are_not_there_are_404() {
        for id in ["4", "-4", "99999999999999999999"] {
            let mut mocks = Mocks::default();
            mocks.jobs.expect_get().returning(|_| Ok(None));
            let answer = mocks.get(&format!("/api/v1/jobs/{id}")).await;
            answer.is(404, &format!(r#"{{"message":"404 {id} Not Found"}}"#));
        }
        Mocks::default().get("/api/v1/jobs/four").await.is(400, r#"{"error":"id is invalid"}"#);
        let mut mocks = Mocks::default();
        mocks.jobs.expect_cancel().returning(|_| Ok(None));
        delete(mocks, "/api/v1/jobs/5").await.is(404, r#"{"message":"404 5 Not Found"}"#);
    }

    #[actix_web::test]
    async fn a_job_is_cancelled() {
        let mut mocks = Mocks::default();
        let cancel = mocks.jobs.expect_cancel().with(eq(JobId(4)));
        cancel.times(1).returning(|_| {
            let now = Some(Timestamp::from_millis(9));
            Ok(Some(Job { state: JobState::Cancelled, finished_at: now, ..job(4) }))
        });
        let answer = delete(mocks, "/api/v1/jobs/4").await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &"cancelled".into()));
    }
}
