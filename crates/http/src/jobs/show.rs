//! `GET /api/v1/jobs/:id`: one bulk job.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{JobBody, named_job};
use crate::Context;
use crate::error::{ApiError, ErrorBody, MessageBody};
use crate::openapi::{AdministratorRefusals, JobPath};

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
pub(super) async fn show(
    context: web::Data<Context>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = named_job(&request)?;
    let job = context.api.jobs.get(id).await?.ok_or_else(|| ApiError::NotFound(id.0.to_string()))?;
    Ok(HttpResponse::Ok().json(JobBody::from(&job)))
}
