//! `GET /admin/data_management/:model_name/:record_identifier`: one record.

use actix_web::{HttpRequest, HttpResponse, web};
use stocktake_web::step;

use super::named_record;
use crate::Context;
use crate::auth::Reader;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::record::RecordBody;
use crate::schema::{AdministratorRefusals, RecordPath};

/// Shows one record.
#[utoipa::path(
    get, operation_id = "show_record", path = "/api/v4/admin/data_management/{model_name}/{record_identifier}", tag = "data management",
    params(RecordPath),
    responses(
        (status = 200, body = RecordBody, description = "The record."),
        (status = 400, body = ErrorBody, description = "No such model, or no identifier."),
        (status = 404, body = ErrorBody, description = "No such record."),
        AdministratorRefusals,
    )
)]
pub(super) async fn show(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let (model, key, identifier) = named_record(&request)?;
    let record = step("catalogue.get", context.api.catalogue.get(model, &key)).await?;
    let record = record.ok_or(ApiError::NotFound(identifier))?;
    Ok(HttpResponse::Ok().json(RecordBody::from(&record)))
}

#[cfg(test)]
mod tests {
    use mockall::predicate::eq;
    use stocktake_domain::Model;

    use crate::testing::{Mocks, key, record};

    const BASE: &str = "/api/v4/admin/data_management";

    #[actix_web::test]
    async fn a_record_is_found_by_every_spelling_of_its_key() {
        for (text, parts) in
            [("12", &[12][..]), ("-3", &[-3]), ("NSAxMDA=", &[5, 100]), ("NSAxMDA", &[5, 100])]
        {
            let mut mocks = Mocks::default();
            let (wanted, found) = (key(parts), record(parts));
            let get = mocks.catalogue.expect_get().with(eq(Model::LfsObjects), eq(wanted));
            get.times(1).returning(move |_, _| Ok(Some(found.clone())));
            let answer = mocks.get(&format!("{BASE}/lfs%5Fobjects/{text}")).await;
            assert_eq!(answer.status, 200, "{text}");
            assert!(answer.body.starts_with(r#"{"record_identifier":"#), "{}", answer.body);
        }
    }

    #[actix_web::test]
    async fn an_unknown_record_is_404_with_its_identifier_as_sent() {
        for text in ["12345", "NSAxMDA"] {
            let mut mocks = Mocks::default();
            mocks.catalogue.expect_get().returning(|_, _| Ok(None));
            let answer = mocks.get(&format!("{BASE}/projects/{text}")).await;
            answer.is(404, &format!(r#"{{"message":"404 {text} Not Found"}}"#));
        }
        // A number too large for a key is not looked up.
        let answer = Mocks::default().get(&format!("{BASE}/projects/99999999999999999999")).await;
        answer.is(404, r#"{"message":"404 99999999999999999999 Not Found"}"#);
    }

    #[actix_web::test]
    async fn the_model_is_checked_before_the_identifier() {
        let model = r#"{"error":"model_name does not have a valid value"}"#;
        let base64 = r#"{"message":"400 Bad request - invalid base64"}"#;
        let composite = r#"{"message":"400 Bad request - Invalid composite key format"}"#;
        let rows = [
            ("PROJECTS/1", model),
            ("project/!", model),
            ("%FF%00/1", model),
            ("projects/!", base64),
            ("projects/%00%FF", base64),
            ("projects/a%2Fb", base64),
            ("projects/bm9zcGFjZQ", composite),
            ("projects/checksum", composite),
        ];
        for (path, body) in rows {
            Mocks::default().get(&format!("{BASE}/{path}")).await.is(400, body);
        }
    }
}
