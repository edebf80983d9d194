//! What is known of a request while it is answered, in its extensions.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use stocktake_domain::ports::Identity;

/// The header with the id of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request, as its answer and its log lines have it.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

/// Whom a request was let in as; left for its log line.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Identity>);

/// Why an answer that is no 5xx, or says no more, still reports a fault; left for the log.
#[derive(Debug, Clone)]
pub struct LoggedCause(pub String);
