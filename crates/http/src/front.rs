//! `GET /`: what somebody finds who opens the server's address.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::Context;
use crate::auth::Public;
use crate::error::{ApiResult, ErrorBody};
use crate::routing::{Endpoint, no_endpoint};
use crate::schema::InternalRefusal;

/// What is said where there is no page to go to.
const SENTENCE: &str = "This is Stocktake. Its API is described at /api/openapi.json; the console is switched off \
                        (console.enabled).\n";

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/").get(front)]
}

/// Leads to the console, or says what this is.
#[utoipa::path(
    get, path = "/", tag = "operation", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "What this is, where there is no console."),
        (status = 404, body = ErrorBody, description = "Only JSON is accepted, of which there is none here."),
        (status = 302, description = "To the console.", headers(("Location" = String, description = "Its path."))),
        InternalRefusal,
    )
)]
async fn front(_: Public, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    if asks_for_json(&request) {
        return no_endpoint(request).await;
    }
    Ok(match &context.api.settings.front_page {
        Some(page) => HttpResponse::Found().insert_header((header::LOCATION, page.as_str())).finish(),
        None => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(SENTENCE),
    })
}

/// Whether a program asks, which looks for an endpoint, and not somebody with a browser.
fn asks_for_json(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("application/json") && !accepted.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::testing::{Mocks, send};

    #[actix_web::test]
    async fn it_leads_to_the_console_where_there_is_one() {
        let context = Mocks::default().context();
        let answer = send(&context, TestRequest::get().uri("/")).await;
        answer.is(200, SENTENCE);
        let mut api = (*context.api).clone();
        api.settings.front_page = Some("/console".to_owned());
        let context = web::Data::new(Context::new(std::sync::Arc::new(api)));
        let answer = send(&context, TestRequest::get().uri("/")).await;
        assert_eq!((answer.status, answer.header("Location")), (302, Some("/console")));
        let json = TestRequest::get().uri("/").insert_header(("Accept", "application/json"));
        send(&context, json).await.is(404, r#"{"error":"404 Not Found"}"#);
    }
}
