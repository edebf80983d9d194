//! `PUT /admin/data_management/:model_name/:record_identifier/checksum`: recalculates one record while the
//! caller waits.

use actix_web::{HttpRequest, HttpResponse, web};
use stocktake_domain::State;

use super::named_record;
use crate::Context;
use crate::auth::Administrator;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::record::RecordBody;
use crate::schema::{AdministratorRefusals, RecordPath};

/// Recalculates one record's checksum now.
#[utoipa::path(
    put, path = "/api/v4/admin/data_management/{model_name}/{record_identifier}/checksum",
    tag = "data management",
    params(RecordPath),
    responses(
        (status = 200, body = RecordBody,
         description = "The record as it then is; `started` if the calculation goes on in the background."),
        (status = 400, body = ErrorBody, description = "The content is not good; or no such model, or no identifier."),
        (status = 404, body = ErrorBody, description = "No such record."),
        AdministratorRefusals,
    )
)]
pub(super) async fn recalculate_one(
    _: Administrator,
    context: web::Data<Context>,
    request: HttpRequest,
) -> ApiResult {
    let (model, key, identifier) = named_record(&request)?;
    let deadline = context.api.settings.recalculation_deadline;
    let done = context.api.recalculation.recalculate_now(model, &key, deadline).await?;
    let Some(done) = done else { return Err(ApiError::NotFound(identifier)) };
    if done.finished && done.record.state() == State::Failed {
        return Err(ApiError::BadRequest(format!("Verifying {model}/{identifier} failed.")));
    }
    Ok(HttpResponse::Ok().json(RecordBody::from(&done.record)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mockall::predicate::eq;
    use stocktake_domain::ports::Recalculated;
    use stocktake_domain::{Failed, Failure, History, Model, Status, Timestamp, Verification};

    use crate::testing::{Answer, Mocks, key, record};

    async fn answer(identifier: &str, done: Option<(Status, bool)>) -> Answer {
        let mut mocks = Mocks::default();
        let wanted = (eq(Model::Projects), eq(key(&[5, 100])), eq(Duration::from_secs(30)));
        mocks.recalculation.expect_recalculate_now().with(wanted.0, wanted.1, wanted.2).times(1).returning(
            move |_, _, _| {
                Ok(done.clone().map(|(status, finished)| {
                    let record = stocktake_domain::Record { status, ..record(&[5, 100]) };
                    Recalculated { record, finished }
                }))
            },
        );
        mocks.put(&format!("/api/v4/admin/data_management/projects/{identifier}/checksum")).await
    }

    fn failed() -> Status {
        let stage = Failed { failure: Failure::missing_repository(), retry_at: Timestamp::from_millis(0) };
        Status::Failed(Verification::restore(History::default(), stage))
    }

    fn state(answer: &Answer) -> String {
        assert_eq!(answer.status, 200);
        answer.json()["checksum_information"]["checksum_state"].as_str().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn a_good_record_is_shown() {
        let good = Status::Succeeded(Verification::restore(
            History::default(),
            stocktake_domain::Succeeded::default(),
        ));
        assert_eq!(state(&answer("NSAxMDA=", Some((good, true))).await), "succeeded");
    }

    #[actix_web::test]
    async fn bad_content_is_400_with_the_identifier_as_sent() {
        let answer = answer("NSAxMDA", Some((failed(), true))).await;
        answer.is(400, r#"{"message":"400 Bad request - Verifying projects/NSAxMDA failed."}"#);
    }

    #[actix_web::test]
    async fn a_calculation_that_goes_on_is_shown_as_it_is() {
        let started = Status::Started(Verification::<stocktake_domain::Pending>::new().claim());
        assert_eq!(state(&answer("NSAxMDA=", Some((started, false))).await), "started");
        assert_eq!(state(&answer("NSAxMDA=", Some((failed(), false))).await), "failed");
    }

    #[actix_web::test]
    async fn an_unknown_record_is_404() {
        answer("NSAxMDA=", None).await.is(404, r#"{"message":"404 NSAxMDA= Not Found"}"#);
    }
}
