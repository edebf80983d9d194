//! Everything around a request: its id, its span, its client, the headers of every answer, its log line, its metrics,
//! and a proper answer even if an endpoint panics. It also tells the connection when a request begins and when its answer is
//! written, and whether its body has come.
//!
//! Each request has a span with its id, method, route, status and client's address, in which its endpoint and the steps
//! of it log. tracing-actix-web makes such spans as well, but gives each request an id of its own,
//! where here the caller's is taken over.

mod exchange;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _, web};
use futures_util::FutureExt as _;
use stocktake_web::{Caller, Client, LoggedCause, REQUEST_ID, RequestId};
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::Context;
use crate::answer::{count, new_request_id, set_headers};
use crate::connection::{ConnectionState, Exchange};
use crate::cors::refusal_as_ours;
use crate::error::ApiError;
use crate::routing::strip_slash;
use exchange::{RequestBody, hold};

/// The longest request id that is taken over from a caller.
const MAX_ID_CHARS: usize = 128;

/// The most of a path that is logged, in bytes.
const MAX_LOGGED_PATH: usize = 1024;

/// What is known of a request before it is answered.
struct Received {
    at: Instant,
    id: HeaderValue,
    method: Method,
    uri: Uri,
    /// The client's address; unknown without a context.
    address: Option<IpAddr>,
}

/// How a request was answered.
struct Answered<'a> {
    status: StatusCode,
    /// The pattern of its endpoint's path.
    route: Option<String>,
    /// The owner of its token.
    owner: Option<&'a str>,
    /// What went wrong, as far as it is a fault.
    cause: Option<String>,
}

/// Serves one request with everything around it.
pub(crate) async fn middleware(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let connection = request.conn_data::<Rc<ConnectionState>>().cloned();
    let mut exchange = connection.clone().map(Exchange::begin);
    let body = RequestBody::of(&mut request);
    let context = request.app_data::<web::Data<Context>>().cloned();
    let client = context.as_ref().map(|context| identify_client(&request, context));
    let received = Received {
        at: Instant::now(),
        id: request_id(request.headers()),
        method: request.method().clone(),
        uri: request.uri().clone(),
        address: client.as_ref().map(|client| client.address),
    };
    let span = received.span();
    request.extensions_mut().insert(RequestId(received.id.clone()));
    let answer = AssertUnwindSafe(answer(request, client, next)).catch_unwind().instrument(span.clone());
    let answer = answer.await;
    let has_whole_body = body.has_come().await;
    if let Some(exchange) = exchange.as_mut().filter(|_| has_whole_body) {
        exchange.set_whole_body();
    }
    match answer {
        Ok(Ok(mut response)) => {
            if !has_whole_body {
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            set_headers(response.headers_mut(), &received.id);
            let (status, route) = (response.status(), response.request().match_pattern());
            let cause = cause(&response);
            let extensions = response.request().extensions();
            let owner = extensions.get::<Caller>().map(|caller| caller.0.username.as_str());
            // What is mounted lets people in by itself, and knows no connection.
            if let Some(connection) = connection.filter(|_| owner.is_some()) {
                connection.set_known();
            }
            received.finish(&span, &Answered { status, route, owner, cause });
            drop(extensions);
            Ok(hold(exchange, response))
        }
        // The request was dropped with its handler, so that the answer can only be given as an error.
        failed => {
            let error = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "the handler panicked".to_owned(),
            };
            let fault = ApiError::Internal(error.into());
            let mut response = fault.error_response();
            set_headers(response.headers_mut(), &received.id);
            let (status, cause) = (response.status(), Some(fault.chain()));
            received.finish(&span, &Answered { status, route: None, owner: None, cause });
            Err(InternalError::from_response("internal error", response).into())
        }
    }
}

/// The client of a request. A proxy that is not trusted, where what it says would matter, is warned of once.
fn identify_client(request: &ServiceRequest, context: &Context) -> Client {
    let settings = &context.api.settings;
    let client = Client::of(request.head(), &settings.trusted_proxies);
    let is_noteworthy = client.has_ignored_headers && settings.external_url.is_none();
    if is_noteworthy && !context.has_warned_of_proxy.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            client.address = %client.address,
            "ignored the forwarding headers of {}, which is not in http.trusted_proxies; if it is a proxy, add it \
             there or set http.external_url",
            client.address
        );
    }
    client
}

/// Passes the request on to its endpoint, which decides who may call it. Without a client there is no context, which
/// every decision needs, so that nothing is passed on.
async fn answer(
    mut request: ServiceRequest,
    client: Option<Client>,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(client) = client else {
        return Ok(request.error_response(ApiError::Internal("the server has no application data".into())));
    };
    request.extensions_mut().insert(client);
    strip_slash(&mut request);
    next.call(request).await.map(refusal_as_ours)
}

/// The caller's own id, if it sent a sane one; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        (1..=MAX_ID_CHARS).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(new_request_id)
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

impl Received {
    fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    fn span(&self) -> tracing::Span {
        let span = tracing::info_span!(
            "request",
            request.id = self.id(),
            http.method = self.method.as_str(),
            http.route = Empty,
            http.status = Empty,
            client.address = Empty,
        );
        if let Some(address) = self.address {
            span.record("client.address", display(address));
        }
        span
    }

    /// Records the answer in span, metrics and log.
    fn finish(&self, span: &tracing::Span, answered: &Answered<'_>) {
        let took = self.at.elapsed();
        let route = answered.route.as_deref().unwrap_or("none");
        span.record("http.route", route).record("http.status", answered.status.as_u16());
        count(route, name_of(&self.method), answered.status, took);
        self.log(route, took, answered);
    }

    /// Logs the line of the request, and of a fault its cause. Both can be read without the span.
    fn log(&self, route: &str, took: Duration, answered: &Answered<'_>) {
        let (id, status) = (self.id(), answered.status.as_u16());
        if let Some(cause) = &answered.cause {
            tracing::error!(
                request.id = id,
                http.status = status,
                http.route = route,
                error.cause = cause,
                "request failed"
            );
        }
        let (method, path) = (self.method.as_str(), self.uri.path());
        let path = path.get(..MAX_LOGGED_PATH).unwrap_or(path);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            request.id = id,
            http.method = method,
            http.path = path,
            http.route = route,
            http.status = status,
            http.duration_us = micros,
            client.address = self.address.map(display),
            token.owner = answered.owner,
            "{method} {path} answered {status}"
        );
    }
}

/// The method as it is counted.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
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

    #[actix_web::test]
    async fn headers_of_a_proxy_that_is_not_trusted_are_warned_of() {
        let rows = [(None, true, true), (None, false, false), (Some("https://stock.test"), true, false)];
        for (external_url, is_forwarded, is_warned_of) in rows {
            let mut mocks = Mocks::default();
            mocks.settings.external_url = external_url.map(str::to_owned);
            let context = mocks.context();
            let name = if is_forwarded { "X-Forwarded-For" } else { "X-Other" };
            for _ in 0..2 {
                send(&context, request("/-/health").insert_header((name, "192.0.2.9"))).await;
            }
            assert_eq!(context.has_warned_of_proxy.load(Ordering::Relaxed), is_warned_of, "{external_url:?}");
        }
    }
}
