//! What happens around every request: its id, the gate, the headers of every answer, its log line, its
//! metrics, and a proper answer even if an endpoint panics.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _, web};
use futures_util::FutureExt as _;
use metrics::Unit;

use crate::Context;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::routing::strip_slash;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken over from a caller.
const MAX_ID_CHARS: usize = 128;

/// The most of a path that is logged, in bytes.
const MAX_LOGGED_PATH: usize = 1024;

/// Why an answer that is no 5xx still tells of a fault; an endpoint leaves it for the log.
pub(crate) struct LoggedCause(pub(crate) String);

const REQUESTS: &str = "stocktake_http_requests_total";
const DURATION: &str = "stocktake_http_request_duration_seconds";

/// Says what the metrics are that are recorded here.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
    metrics::describe_histogram!(DURATION, Unit::Seconds, "Time to answer a request, by method and route.");
}

/// Serves one request with all that happens around it.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let line = |status: StatusCode, owner: Option<&str>, cause: Option<String>| {
        log(&id, &method, uri.path(), status, begun.elapsed(), owner, cause);
    };
    match AssertUnwindSafe(answer(request, next)).catch_unwind().await {
        Ok(Ok(mut response)) => {
            let status = response.status();
            set_headers(response.headers_mut(), &id);
            count(response.request().match_pattern(), &method, status, begun.elapsed());
            let cause = cause(&response);
            let extensions = response.request().extensions();
            let owner = extensions.get::<Caller>().map(|caller| caller.0.username.as_str());
            line(status, owner, cause);
            drop(extensions);
            Ok(response)
        }
        // The request went down with its handler, so that the answer can only be given as an error.
        failed => {
            let error = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "the handler panicked".to_owned(),
            };
            let fault = ApiError::Internal(error.into());
            let mut response = fault.error_response();
            set_headers(response.headers_mut(), &id);
            count(None, &method, response.status(), begun.elapsed());
            line(response.status(), None, Some(fault.chain()));
            Err(InternalError::from_response("internal error", response).into())
        }
    }
}

/// Lets the request through the gate and to its endpoint.
async fn answer(mut request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(context) = request.app_data::<web::Data<Context>>().cloned() else {
        return next.call(request).await;
    };
    strip_slash(&mut request);
    match context.gate.admit(&request, &context.api).await {
        Ok(None) => next.call(request).await,
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.call(request).await
        }
        Err(refusal) => Ok(request.error_response(refusal)),
    }
}

/// The caller's own id, if it sent a sane one; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        (1..=MAX_ID_CHARS).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(new_request_id)
}

/// An id unlike any other: random for the process, counted within it.
fn new_request_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let id = format!("{:016x}{:016x}", *PROCESS, COUNTER.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("none"))
}

fn set_headers(headers: &mut HeaderMap, id: &HeaderValue) {
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, private, must-revalidate"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// What caused an answer, as far as it is a fault.
fn cause(response: &ServiceResponse) -> Option<String> {
    let answer: &HttpResponse = response.response();
    let error = answer.error().filter(|_| answer.status().is_server_error());
    let from_error = error.map(|error| match error.as_error::<ApiError>() {
        Some(error) => error.chain(),
        None => error.to_string(),
    });
    from_error.or_else(|| response.request().extensions().get::<LoggedCause>().map(|cause| cause.0.clone()))
}

fn log(
    id: &HeaderValue,
    method: &Method,
    path: &str,
    status: StatusCode,
    took: Duration,
    owner: Option<&str>,
    cause: Option<String>,
) {
    let id = id.to_str().unwrap_or_default();
    if let Some(cause) = cause {
        tracing::error!(request.id = id, http.status = status.as_u16(), error = cause, "request failed");
    }
    let path = path.get(..MAX_LOGGED_PATH).unwrap_or(path);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        request.id = id,
        http.method = method.as_str(),
        http.path = path,
        http.status = status.as_u16(),
        http.duration_us = micros,
        token.owner = owner,
        "{method} {path} answered {}",
        status.as_u16()
    );
}

/// Counts the answer by its route's pattern, so that the number of series stays bounded whatever is asked for.
fn count(route: Option<String>, method: &Method, status: StatusCode, took: Duration) {
    let route = route.unwrap_or_else(|| "none".to_owned());
    let method = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    metrics::histogram!(DURATION, "method" => method, "route" => route.clone()).record(took);
    metrics::counter!(
        REQUESTS,
        "method" => method, "route" => route, "status" => status.as_str().to_owned()
    )
    .increment(1);
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use crate::testing::{Mocks, TOKEN, send, unavailable};

    #[test]
    fn requests_are_counted_by_route() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            actix_web::rt::System::new().block_on(async {
                let context = Mocks::default().context();
                for uri in ["/api/v1/jobs/x", "/api/v1/jobs/y", "/no/such", "/nor/this"] {
                    send(&context, request(uri)).await;
                }
            });
        });
        let text = recorder.handle().render();
        for line in [
            r#"stocktake_http_requests_total{method="GET",route="/api/v1/jobs/{id}",status="400"} 2"#,
            r#"stocktake_http_requests_total{method="GET",route="none",status="404"} 2"#,
            r#"stocktake_http_request_duration_seconds_count{method="GET",route="/api/v1/jobs/{id}"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    fn request(uri: &str) -> TestRequest {
        TestRequest::get().uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN))
    }

    #[actix_web::test]
    async fn a_sane_request_id_is_kept_and_any_other_replaced() {
        let context = Mocks::default().context();
        let id = |sent: &'static str| {
            let request = request("/-/health").insert_header(("X-Request-Id", sent));
            let context = context.clone();
            async move { send(&context, request).await.header("X-Request-Id").unwrap().to_owned() }
        };
        assert_eq!(id("Abc-1._").await, "Abc-1._");
        let long: &'static str = "a".repeat(128).leak();
        assert_eq!(id(long).await, long);
        let (first, second) = (id("a b").await, id("a".repeat(129).leak()).await);
        assert_eq!((first.len(), second.len()), (32, 32));
        assert_ne!(first, second);
    }

    #[actix_web::test]
    async fn every_answer_has_the_common_headers() {
        let context = Mocks::default().context();
        for uri in ["/api/v4/version", "/api/v4/admin/nothing", "/nothing", "/-/health"] {
            let answer = send(&context, request(uri)).await;
            assert_eq!(answer.header("Cache-Control"), Some("max-age=0, private, must-revalidate"), "{uri}");
            assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{uri}");
            assert_eq!(answer.header("Content-Type"), Some("application/json"), "{uri}");
        }
    }

    #[actix_web::test]
    async fn a_panic_is_answered() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_get().returning(|_, _| panic!("the secret of the handler"));
        let context = mocks.context();
        let request =
            request("/api/v4/admin/data_management/projects/1").insert_header(("X-Request-Id", "a"));
        let answer = send(&context, request).await;
        answer.is(500, r#"{"message":"500 Internal Server Error"}"#);
        assert_eq!(answer.header("X-Request-Id"), Some("a"));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    }

    #[actix_web::test]
    async fn an_unreachable_database_is_503_and_says_no_more() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_get().returning(|_, _| Err(unavailable()));
        let answer = mocks.get("/api/v4/admin/data_management/projects/1").await;
        answer.is(503, r#"{"message":"503 Service Unavailable"}"#);
        assert_eq!(answer.header("Retry-After"), Some("5"));
    }
}
