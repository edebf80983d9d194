//! Everything that can go wrong, as one closed table: each row has one status, one body and its headers.
//!
//! What the client gets never says more than the table; the cause of a 5xx goes to the log.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Serialize;
use stocktake_domain::ports::{AuthorityError, StoreError};
use stocktake_domain::{KeyError, Model};
use utoipa::ToSchema;

/// How long a client waits before it tries again when the database or the authority is away.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);

/// What is wrong with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Of the wrong type.
    Type,
    /// Of the right type, but not among the values it may have.
    Value,
}

/// A parameter that was refused, by name.
pub(crate) type BadParameter = (&'static str, Fault);

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No token, or one that is unknown, expired or revoked.
    #[error("no valid token")]
    Unauthorized,
    /// The token's owner is no administrator.
    #[error("not an administrator")]
    Forbidden,
    /// The token may only read.
    #[error("the token's scope does not cover the request")]
    InsufficientScope,
    /// Parameters are wrong; at least one, in the order in which they are documented.
    #[error("invalid parameters")]
    Parameters(Vec<BadParameter>),
    /// Wrong in a way the text says.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// No such record or job; the text is the identifier as it was sent.
    #[error("{0} not found")]
    NotFound(String),
    /// No such route.
    #[error("no such route")]
    NoRoute,
    /// The route does not know the method; the text lists those it knows.
    #[error("method not allowed")]
    MethodNotAllowed(&'static str),
    /// The page lies too deep for offset pagination.
    #[error("offset beyond {limit}")]
    OffsetLimit {
        /// The largest page × `per_page`.
        limit: u64,
        /// The model that was listed.
        model: Model,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body is larger than the settings allow.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body is neither JSON nor a form; the text is its content type.
    #[error("unsupported content type {0:?}")]
    ContentType(String),
    /// Too many wrong tokens from the client's address.
    #[error("too many wrong tokens")]
    TooManyRequests {
        /// When it may try again.
        retry_after: Duration,
    },
    /// The database cannot be reached, or is not ours to use yet.
    #[error("the store is unavailable")]
    Unavailable(#[source] StoreError),
    /// Whoever knows the token cannot be asked.
    #[error(transparent)]
    Authority(Arc<AuthorityError>),
    /// A fault of our own.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

/// An error in the form `{"message": …}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageBody {
    /// What is wrong.
    #[schema(example = "401 Unauthorized")]
    pub(crate) message: String,
}

/// An error in the form `{"error": …}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorText {
    /// What is wrong.
    #[schema(example = "per_page is invalid")]
    pub(crate) error: String,
}

/// The error of a token that may only read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeBody {
    /// The error's name.
    #[schema(example = "insufficient_scope")]
    pub(crate) error: &'static str,
    /// What it means.
    pub(crate) error_description: &'static str,
    /// The scope that the request needs.
    #[schema(example = "api")]
    pub(crate) scope: &'static str,
}

/// The body of an error, in one of the API's three forms.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ErrorBody {
    /// `{"message": …}`.
    Message(MessageBody),
    /// `{"error": …, "error_description": …, "scope": …}`.
    Scope(ScopeBody),
    /// `{"error": …}`.
    Error(ErrorText),
}

impl ErrorBody {
    fn message(text: impl Into<String>) -> Self {
        Self::Message(MessageBody { message: text.into() })
    }

    fn error(text: impl Into<String>) -> Self {
        Self::Error(ErrorText { error: text.into() })
    }
}

impl ApiError {
    /// The table: status and body of each error.
    fn row(&self) -> (StatusCode, ErrorBody) {
        use StatusCode as S;
        match self {
            Self::Unauthorized => (S::UNAUTHORIZED, ErrorBody::message("401 Unauthorized")),
            Self::Forbidden => (S::FORBIDDEN, ErrorBody::message("403 Forbidden")),
            Self::InsufficientScope => (S::FORBIDDEN, ErrorBody::Scope(INSUFFICIENT_SCOPE)),
            Self::Parameters(bad) => (S::BAD_REQUEST, ErrorBody::error(parameters_text(bad))),
            Self::BadRequest(why) => (S::BAD_REQUEST, ErrorBody::message(format!("400 Bad request - {why}"))),
            Self::NotFound(what) => (S::NOT_FOUND, ErrorBody::message(format!("404 {what} Not Found"))),
            Self::NoRoute => (S::NOT_FOUND, ErrorBody::error("404 Not Found")),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, ErrorBody::error("405 Not Allowed")),
            Self::OffsetLimit { limit, model } => {
                (S::METHOD_NOT_ALLOWED, ErrorBody::error(offset_limit_text(*limit, *model)))
            }
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, ErrorBody::message("408 Request Timeout")),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, ErrorBody::message("413 Request Entity Too Large")),
            Self::ContentType(name) => (S::UNSUPPORTED_MEDIA_TYPE, ErrorBody::error(content_type_text(name))),
            Self::TooManyRequests { .. } => {
                (S::TOO_MANY_REQUESTS, ErrorBody::message("429 Too Many Requests"))
            }
            Self::Unavailable(_) | Self::Authority(_) => {
                (S::SERVICE_UNAVAILABLE, ErrorBody::message("503 Service Unavailable"))
            }
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, ErrorBody::message("500 Internal Server Error")),
        }
    }

    /// The header that belongs to the error, if any.
    fn header(&self) -> Option<(header::HeaderName, String)> {
        match self {
            Self::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer".to_owned())),
            Self::MethodNotAllowed(allow) => Some((header::ALLOW, (*allow).to_owned())),
            Self::OffsetLimit { .. } => Some((header::ALLOW, crate::routing::READ.to_owned())),
            Self::TooManyRequests { retry_after } => Some((header::RETRY_AFTER, whole_seconds(*retry_after))),
            Self::Unavailable(_) | Self::Authority(_) => {
                Some((header::RETRY_AFTER, whole_seconds(UNAVAILABLE_RETRY)))
            }
            _ => None,
        }
    }

    /// The error with everything that caused it, for the log.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

const INSUFFICIENT_SCOPE: ScopeBody = ScopeBody {
    error: "insufficient_scope",
    error_description: "The request requires higher privileges than provided by the access token.",
    scope: "api",
};

fn parameters_text(bad: &[BadParameter]) -> String {
    let texts = bad.iter().map(|(name, fault)| match fault {
        Fault::Type => format!("{name} is invalid"),
        Fault::Value => format!("{name} does not have a valid value"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn offset_limit_text(limit: u64, model: Model) -> String {
    let class = model.class();
    format!(
        "Offset pagination has a maximum allowed offset of {limit} for requests that return objects of type \
         {class}. Remaining records can be retrieved using keyset pagination."
    )
}

fn content_type_text(name: &str) -> String {
    format!("The provided content-type '{name}' is not supported.")
}

/// Whole seconds, rounded up, at least one.
fn whole_seconds(span: Duration) -> String {
    span.as_millis().div_ceil(1000).max(1).to_string()
}

impl actix_web::ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.row().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, body) = self.row();
        let mut response = HttpResponse::build(status);
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.json(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Schema(_) => Self::Unavailable(error),
            StoreError::Internal(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl ApiError {
    /// The error of a text that is no record identifier. One that no record can have is not found.
    pub(crate) fn identifier(error: KeyError, text: &str) -> Self {
        match error {
            KeyError::InvalidBase64 | KeyError::InvalidComposite => Self::BadRequest(error.to_string()),
            KeyError::Unknowable => Self::NotFound(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use actix_web::body::MessageBody as _;

    use super::*;

    fn shown(error: &ApiError) -> (u16, String) {
        let response = error.error_response();
        let status = response.status().as_u16();
        let body = response.into_body().try_into_bytes().unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn the_table_is_the_contract() {
        let unavailable = || StoreError::Unavailable("secret host".into());
        let authority = || ApiError::Authority(Arc::new(AuthorityError("secret host".into())));
        let rows = [
            (ApiError::Unauthorized, 401, r#"{"message":"401 Unauthorized"}"#),
            (ApiError::Forbidden, 403, r#"{"message":"403 Forbidden"}"#),
            (
                ApiError::InsufficientScope,
                403,
                r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}"#,
            ),
            (
                ApiError::Parameters(vec![("page", Fault::Value), ("sort", Fault::Type)]),
                400,
                r#"{"error":"page does not have a valid value, sort is invalid"}"#,
            ),
            (
                ApiError::identifier(KeyError::InvalidBase64, "!"),
                400,
                r#"{"message":"400 Bad request - invalid base64"}"#,
            ),
            (
                ApiError::identifier(KeyError::InvalidComposite, "abcd"),
                400,
                r#"{"message":"400 Bad request - Invalid composite key format"}"#,
            ),
            (ApiError::NotFound("12345".to_owned()), 404, r#"{"message":"404 12345 Not Found"}"#),
            (ApiError::NoRoute, 404, r#"{"error":"404 Not Found"}"#),
            (ApiError::MethodNotAllowed("GET"), 405, r#"{"error":"405 Not Allowed"}"#),
            (ApiError::BodyTimeout, 408, r#"{"message":"408 Request Timeout"}"#),
            (ApiError::BodyTooLarge, 413, r#"{"message":"413 Request Entity Too Large"}"#),
            (
                ApiError::ContentType("text/plain".to_owned()),
                415,
                r#"{"error":"The provided content-type 'text/plain' is not supported."}"#,
            ),
            (
                ApiError::TooManyRequests { retry_after: Duration::ZERO },
                429,
                r#"{"message":"429 Too Many Requests"}"#,
            ),
            (unavailable().into(), 503, r#"{"message":"503 Service Unavailable"}"#),
            (authority(), 503, r#"{"message":"503 Service Unavailable"}"#),
            (StoreError::Schema("old".into()).into(), 503, r#"{"message":"503 Service Unavailable"}"#),
            (StoreError::Internal("secret".into()).into(), 500, r#"{"message":"500 Internal Server Error"}"#),
        ];
        for (error, status, body) in rows {
            assert_eq!(shown(&error), (status, body.to_owned()), "{error:?}");
        }
    }

    #[test]
    fn the_log_gets_the_whole_cause() {
        let error = ApiError::from(StoreError::Internal("row 7 is odd".into()));
        assert_eq!(
            error.chain(),
            "internal error: the database refused or returned something unexpected: row 7 is odd"
        );
        let error = ApiError::Authority(Arc::new(AuthorityError("no route".into())));
        assert_eq!(error.chain(), "who a token belongs to cannot be found out: no route");
    }

    #[test]
    fn waiting_times_are_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), "1");
        assert_eq!(whole_seconds(Duration::from_millis(1001)), "2");
    }
}
