//! `GET /api/v1/jobs`: the bulk jobs, newest first.

use actix_web::{HttpRequest, HttpResponse, web};
use stocktake_domain::JobId;
use stocktake_web::step;
use utoipa::IntoParams;

use super::JobBody;
use crate::Context;
use crate::auth::Reader;
use crate::error::{ApiResult, ErrorBody};
use crate::links::Links;
use crate::parameters::Parameters;
use crate::schema::{AdministratorRefusals, Positive};
use crate::validation::Checker;

const DEFAULT_PER_PAGE: u64 = 20;
const MAX_PER_PAGE: u64 = 100;

/// Which jobs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document's description of what the checker reads")]
struct JobParameters {
    /// Only jobs with a smaller number than this.
    #[param(inline)]
    before: Option<Positive>,
    /// The most jobs on the page; 20 by default, and values over 100 mean 100.
    #[param(inline)]
    per_page: Option<Positive>,
}

/// Lists the bulk jobs, newest first.
#[utoipa::path(
    get, operation_id = "list_jobs", path = "/api/v1/jobs", tag = "operation",
    params(JobParameters),
    responses(
        (status = 200, body = Vec<JobBody>, description = "The page; empty when there are no more.", headers(
            ("Link" = String, description = "`next`, while there are older jobs."),
        )),
        (status = 400, body = ErrorBody, description = "Wrong parameters."),
        AdministratorRefusals,
    )
)]
pub(super) async fn list(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let parameters = Parameters::of_query(&request)?;
    let mut checker = Checker::new(&parameters);
    let before = checker.positive("before").map(|id| JobId(i64::try_from(id).unwrap_or(i64::MAX)));
    let per_page = checker.positive("per_page").unwrap_or(DEFAULT_PER_PAGE).min(MAX_PER_PAGE);
    let (before, per_page) = checker.finish(Some((before, per_page)))?;

    // One job more than is shown reveals whether there is another page.
    let limit = u32::try_from(per_page).unwrap_or(u32::MAX).saturating_add(1);
    let mut jobs = step("jobs.list", context.api.jobs.list(before, limit)).await?;
    let shown = usize::try_from(per_page).unwrap_or(usize::MAX);
    let has_next = jobs.len() > shown;
    jobs.truncate(shown);
    let mut answer = HttpResponse::Ok();
    if let Some(last) = jobs.last().filter(|_| has_next) {
        let mut links = Links::new(&request, context.api.settings.external_url.as_deref());
        links.add("next", &[("before", &last.id.0.to_string()), ("per_page", &per_page.to_string())]);
        if let Some(link) = links.into_header() {
            answer.insert_header(link);
        }
    }
    Ok(answer.json(jobs.iter().map(JobBody::from).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use mockall::predicate::eq;
    use stocktake_domain::JobId;

    use crate::jobs::tests::job;
    use crate::testing::Mocks;

    #[actix_web::test]
    async fn jobs_are_paged_newest_first() {
        let mut mocks = Mocks::default();
        let list = mocks.jobs.expect_list().with(eq(Some(JobId(10))), eq(3));
        list.times(1).returning(|_, _| Ok(vec![job(9), job(7), job(6)]));
        let answer = mocks.get("/api/v1/jobs?per_page=2&before=10").await;
        let ids: Vec<_> = answer.json().as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
        assert_eq!(ids, [9, 7]);
        let link = "<https://stock.test/api/v1/jobs?before=7&per_page=2>; rel=\"next\"";
        assert_eq!(answer.header("Link"), Some(link));

        let mut mocks = Mocks::default();
        mocks.jobs.expect_list().with(eq(None), eq(21)).returning(|_, _| Ok(vec![job(1)]));
        assert_eq!(mocks.get("/api/v1/jobs").await.header("Link"), None);
        let wrong = Mocks::default().get("/api/v1/jobs?per_page=0&before=x").await;
        wrong.is(400, r#"{"error":"before is invalid, per_page does not have a valid value"}"#);
    }
}
