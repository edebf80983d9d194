//! `DELETE /api/v1/jobs/:id`: stops a bulk job.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{JobBody, named_job};
use crate::Context;
use crate::error::{ApiError, ErrorBody, MessageBody};
use crate::openapi::{AdministratorRefusals, JobPath};

/// Cancels a bulk job; what it marked stays marked. One that is over stays as it is.
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
pub(super) async fn cancel(
    context: web::Data<Context>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = named_job(&request)?;
    let job = context.api.jobs.cancel(id, context.api.clock.now()).await?;
    let job = job.ok_or_else(|| ApiError::NotFound(id.0.to_string()))?;
    Ok(HttpResponse::Ok().json(JobBody::from(&job)))
}
