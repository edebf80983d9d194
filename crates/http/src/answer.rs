//! What every answer has, also one to what is no request: an id, the common headers, and a place in the metrics.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use metrics::Unit;
use stocktake_web::REQUEST_ID;

const REQUESTS: &str = "stocktake_http_requests_total";
const DURATION: &str = "stocktake_http_request_duration_seconds";

/// Describes the metrics that are recorded here.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
    metrics::describe_histogram!(DURATION, Unit::Seconds, "Time to answer a request, by method and route.");
}

/// Completes, logs and counts the answer to what is no request.
pub(crate) fn finish_refusal(answer: &mut HttpResponse, address: IpAddr) {
    let (id, status) = (new_request_id(), answer.status());
    set_headers(answer.headers_mut(), &id);
    count("none", "other", status, Duration::ZERO);
    tracing::info!(
        request.id = id.to_str().unwrap_or_default(),
        http.status = status.as_u16(),
        client.address = %address,
        "what is no request answered {}",
        status.as_u16()
    );
}

/// An id unlike any other: random for the process, counted within it.
pub(crate) fn new_request_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let id = format!("{:016x}{:016x}", *PROCESS, COUNTER.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("none"))
}

/// Sets the headers that all answers have; how long an answer may be kept, unless it says so itself.
pub(crate) fn set_headers(headers: &mut HeaderMap, id: &HeaderValue) {
    headers.insert(REQUEST_ID, id.clone());
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, private, must-revalidate"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Counts the answer by its route's pattern, so that the number of series stays bounded whatever is asked for.
pub(crate) fn count(route: &str, method: &'static str, status: StatusCode, took: Duration) {
    let route = route.to_owned();
    metrics::histogram!(DURATION, "method" => method, "route" => route.clone()).record(took);
    metrics::counter!(
        REQUESTS,
        "method" => method, "route" => route, "status" => status.as_str().to_owned()
    )
    .increment(1);
}
