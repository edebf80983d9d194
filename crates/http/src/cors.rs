//! Cross-origin requests of browsers, from the configured origins alone. Preflight requests, which never carry a token,
//! are answered before anybody asks for one.

use actix_cors::{Cors, CorsError};
use actix_web::ResponseError as _;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::middleware::{Compat, Condition};

use crate::error::ApiError;

/// For how many seconds a browser may remember a preflight answer.
const MAX_AGE: usize = 7_200;

const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "DELETE"];

/// The headers of our answers that scripts may read.
const EXPOSED: [&str; 11] = [
    "Link",
    "Retry-After",
    "X-Next-Cursor",
    "X-Next-Page",
    "X-Page",
    "X-Per-Page",
    "X-Prev-Cursor",
    "X-Prev-Page",
    "X-Request-Id",
    "X-Total",
    "X-Total-Pages",
];

/// Lets scripts of these origins use the API; without any, requests of browsers are like any others.
pub(crate) fn cors(origins: &[String]) -> Compat<Condition<Cors>> {
    let cors = Cors::default().allowed_methods(METHODS).allow_any_header();
    let cors = cors.expose_headers(EXPOSED).max_age(MAX_AGE);
    let cors = origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin));
    Compat::new(Condition::new(!origins.is_empty(), cors))
}

/// A refusal of a preflight request as every other refusal.
pub(crate) fn refusal_as_ours(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let refused = response.response().error().and_then(|error| error.as_error::<CorsError>());
    let Some(refused) = refused.map(|error| ApiError::BadRequest(error.to_string())) else { return response };
    response.into_response(refused.error_response())
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use crate::testing::{Answer, Mocks, TOKEN, page, send};

    const URI: &str = "/api/v4/admin/data_management/projects";

    async fn answer(origins: &[&str], method: Method, headers: &[(&'static str, &'static str)]) -> Answer {
        let mut mocks = Mocks::default();
        mocks.settings.cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        mocks.catalogue.expect_page().returning(|_| Ok(page([1], false, false)));
        let request = TestRequest::with_uri(URI).method(method);
        send(&mocks.context(), headers.iter().fold(request, |request, header| request.insert_header(*header)))
            .await
    }

    const PREFLIGHT: [(&str, &str); 3] = [
        ("Origin", "https://a.test"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "private-token"),
    ];

    #[actix_web::test]
    async fn preflights_of_configured_origins_need_no_token() {
        let asked = answer(&["https://b.test", "https://a.test"], Method::OPTIONS, &PREFLIGHT).await;
        asked.is(200, "");
        assert_eq!(asked.header("Access-Control-Allow-Origin"), Some("https://a.test"));
        assert_eq!(asked.header("Access-Control-Allow-Headers"), Some("private-token"));
        assert!(asked.header("Access-Control-Allow-Methods").unwrap().contains("PUT"));
        assert!(asked.header("X-Request-Id").is_some());
        let other = answer(&["https://b.test"], Method::OPTIONS, &PREFLIGHT).await;
        other.is(400, r#"{"message":"400 Bad request - Origin is not allowed to make this request"}"#);
        assert_eq!(other.header("Access-Control-Allow-Origin"), None);
        answer(&[], Method::OPTIONS, &PREFLIGHT).await.is(401, r#"{"message":"401 Unauthorized"}"#);
    }

    #[actix_web::test]
    async fn answers_name_the_origin_they_are_for() {
        let headers = [("Origin", "https://a.test"), ("PRIVATE-TOKEN", TOKEN)];
        let own = answer(&["https://a.test"], Method::GET, &headers).await;
        assert_eq!((own.status, own.header("Access-Control-Allow-Origin")), (200, Some("https://a.test")));
        assert!(own.header("Access-Control-Expose-Headers").unwrap().contains("x-total-pages"));
        let other = answer(&["https://b.test"], Method::GET, &headers).await;
        assert_eq!((other.status, other.header("Access-Control-Allow-Origin")), (200, None));
        let refused = answer(&["https://a.test"], Method::GET, &headers[..1]).await;
        assert_eq!(
            (refused.status, refused.header("Access-Control-Allow-Origin")),
            (401, Some("https://a.test"))
        );
    }
}
