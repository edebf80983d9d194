//! The table: the status, the body and the header of each error.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use stocktake_domain::Model;

use super::body::{ErrorBody, INSUFFICIENT_SCOPE};
use super::{ApiError, BadParameter, ParamError};

/// How long a client waits before it tries again when the database or the authority is unavailable.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);

/// The methods of a list, which is the only kind of path with a limit on the offset.
const READ_METHODS: &str = "GET, HEAD, OPTIONS";

impl ApiError {
    /// The table: status and body of each error.
    fn row(&self) -> (StatusCode, ErrorBody) {
        use StatusCode as S;
        match self {
            Self::Unauthorized => (S::UNAUTHORIZED, ErrorBody::message("401 Unauthorized")),
            Self::Forbidden => (S::FORBIDDEN, ErrorBody::message("403 Forbidden")),
            Self::InsufficientScope => (S::FORBIDDEN, INSUFFICIENT_SCOPE),
            Self::Parameters(bad) => (S::BAD_REQUEST, ErrorBody::error(parameters_text(bad))),
            Self::BadRequest(why) => (S::BAD_REQUEST, ErrorBody::message(format!("400 Bad request - {why}"))),
            Self::NotFound(what) => (S::NOT_FOUND, ErrorBody::message(format!("404 {what} Not Found"))),
            Self::NoRoute => (S::NOT_FOUND, ErrorBody::error("404 Not Found")),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, ErrorBody::error("405 Not Allowed")),
            Self::OffsetLimit { limit, model } => {
                (S::METHOD_NOT_ALLOWED, ErrorBody::error(offset_limit_text(*limit, *model)))
            }
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, ErrorBody::message("408 Request Timeout")),
            Self::UrlTooLong => (S::URI_TOO_LONG, ErrorBody::message("414 URI Too Long")),
            Self::HeadTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                ErrorBody::message("431 Request Header Fields Too Large"),
            ),
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
            Self::MethodNotAllowed(allow) => Some((header::ALLOW, allow.clone())),
            Self::OffsetLimit { .. } => Some((header::ALLOW, READ_METHODS.to_owned())),
            Self::TooManyRequests { retry_after } => Some((header::RETRY_AFTER, whole_seconds(*retry_after))),
            Self::Unavailable(_) | Self::Authority(_) => {
                Some((header::RETRY_AFTER, whole_seconds(UNAVAILABLE_RETRY)))
            }
            _ => None,
        }
    }
}

fn parameters_text(bad: &[BadParameter]) -> String {
    let texts = bad.iter().map(|(name, fault)| match fault {
        ParamError::Type => format!("{name} is invalid"),
        ParamError::Value => format!("{name} does not have a valid value"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::ResponseError as _;
    use actix_web::body::MessageBody as _;
    use stocktake_domain::KeyError;
    use stocktake_domain::ports::{AuthorityError, StoreError};

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
                ApiError::Parameters(vec![("page", ParamError::Value), ("sort", ParamError::Type)]),
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
            (ApiError::MethodNotAllowed("GET".to_owned()), 405, r#"{"error":"405 Not Allowed"}"#),
            (ApiError::RequestTimeout, 408, r#"{"message":"408 Request Timeout"}"#),
            (ApiError::UrlTooLong, 414, r#"{"message":"414 URI Too Long"}"#),
            (ApiError::HeadTooLarge, 431, r#"{"message":"431 Request Header Fields Too Large"}"#),
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
    fn waiting_times_are_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), "1");
        assert_eq!(whole_seconds(Duration::from_millis(1001)), "2");
    }
}
