//! Reading the parameters of a request that may carry a form or a JSON object.

mod multipart;

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::error::ApiError;
use crate::parameters::Parameters;

/// How long receiving a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// This many bytes of a body that is too large are read and dropped, so that its sender, which reads only when it has
/// sent everything, gets the answer instead of a closed connection.
const DRAINED_BYTES: usize = 64 << 20;

/// What a body is, by its content type.
pub(crate) enum BodyFormat {
    Json,
    UrlEncoded,
    Multipart { boundary: String },
    Unspecified,
}

/// The parameters of the body, and those of the query string that the body does not name.
pub(crate) async fn parameters(
    request: &HttpRequest,
    payload: web::Payload,
    max_bytes: usize,
) -> Result<Parameters, ApiError> {
    let query = Parameters::of_query(request)?;
    let reading = tokio::time::timeout(BODY_TIMEOUT, read(payload, max_bytes));
    let body = reading.await.map_err(|_| ApiError::RequestTimeout)??;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(query);
    }
    Ok(parse(&format(request)?, body).await?.or(query))
}

async fn read(mut payload: web::Payload, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let mut size = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        size = size.saturating_add(chunk.len());
        if size <= max_bytes {
            body.extend_from_slice(&chunk);
        } else if size > max_bytes.saturating_add(DRAINED_BYTES) {
            break;
        }
    }
    if size > max_bytes { Err(ApiError::BodyTooLarge) } else { Ok(body) }
}

fn unreadable(error: &PayloadError) -> ApiError {
    let why = match error {
        PayloadError::Incomplete(_) => "it ends too early, or is not in chunks as its head says".to_owned(),
        other => other.to_string(),
    };
    ApiError::BadRequest(format!("the body cannot be read: {why}"))
}

fn format(request: &HttpRequest) -> Result<BodyFormat, ApiError> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return Ok(BodyFormat::Unspecified) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" => Ok(BodyFormat::Unspecified),
        "application/x-www-form-urlencoded" => Ok(BodyFormat::UrlEncoded),
        "multipart/form-data" => multipart::boundary(&text)
            .map(|boundary| BodyFormat::Multipart { boundary })
            .ok_or_else(bad_multipart),
        json if json == "application/json" || json.ends_with("+json") => Ok(BodyFormat::Json),
        _ => Err(ApiError::ContentType(essence)),
    }
}

fn bad_multipart() -> ApiError {
    ApiError::BadRequest("the body is not a valid multipart form".to_owned())
}

pub(crate) async fn parse(format: &BodyFormat, body: Vec<u8>) -> Result<Parameters, ApiError> {
    let looks_like_json = body.trim_ascii_start().starts_with(b"{");
    match format {
        BodyFormat::UrlEncoded => Ok(Parameters::from_urlencoded(body.trim_ascii_end())?),
        BodyFormat::Unspecified if !looks_like_json => {
            Ok(Parameters::from_urlencoded(body.trim_ascii_end())?)
        }
        BodyFormat::Multipart { boundary } => {
            Ok(multipart::parse(boundary, body.into()).await.ok_or_else(bad_multipart)??)
        }
        BodyFormat::Json | BodyFormat::Unspecified => match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Parameters::from_json(object)?),
            Ok(_) => Err(ApiError::BadRequest("the JSON body is not an object".to_owned())),
            Err(error) => Err(ApiError::BadRequest(format!("the body is not valid JSON: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::parameters::Raw;

    async fn read(content_type: Option<&str>, body: &'static str) -> Result<Parameters, ApiError> {
        let mut request = TestRequest::put().uri("/?checksum_state=failed&other=1").set_payload(body);
        if let Some(name) = content_type {
            request = request.insert_header((header::CONTENT_TYPE, name));
        }
        let (request, mut payload) = request.to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        parameters(&request, payload, 80).await
    }

    async fn state(content_type: Option<&str>, body: &'static str) -> String {
        match read(content_type, body).await {
            Ok(parameters) => {
                assert_eq!(parameters.get("other"), Some(&Raw::Text("1".to_owned())));
                match parameters.get("checksum_state") {
                    Some(Raw::Text(state)) => state.clone(),
                    other => format!("{other:?}"),
                }
            }
            Err(error) => error.to_string(),
        }
    }

    const JSON: Option<&str> = Some("application/json; charset=utf-8");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[actix_web::test]
    async fn what_the_body_names_goes_before_the_query() {
        assert_eq!(state(JSON, r#"{"checksum_state":"pending"}"#).await, "pending");
        assert_eq!(state(Some("Application/Vnd.X+JSON"), r#"{"checksum_state":"pending"}"#).await, "pending");
        assert_eq!(state(FORM, "checksum_state=pending\n").await, "pending");
        assert_eq!(
            state(
                Some("multipart/form-data; boundary=b"),
                "--b\r\nContent-Disposition: form-data; name=\"checksum_state\"\r\n\r\nx\r\n--b--"
            )
            .await,
            "x"
        );
        assert_eq!(state(None, "checksum_state=pending").await, "pending");
        assert_eq!(state(None, r#" {"checksum_state":"pending"}"#).await, "pending");
        for (content_type, body) in [(JSON, "{}"), (FORM, "a=b"), (JSON, ""), (Some("text/plain"), " \n")] {
            assert_eq!(state(content_type, body).await, "failed", "{content_type:?} {body}");
        }
    }

    #[actix_web::test]
    async fn what_is_no_form_or_object_is_refused() {
        let error =
            |content_type, body| async move { read(content_type, body).await.unwrap_err().to_string() };
        assert_eq!(
            error(JSON, r#"{"identifiers":"#).await,
            "bad request: the body is not valid JSON: EOF while parsing a value at line 1 column 15"
        );
        assert_eq!(error(JSON, "[1]").await, "bad request: the JSON body is not an object");
        for name in ["multipart/form-data", "multipart/form-data; boundary=b"] {
            let error = error(Some(name), "a=b").await;
            assert_eq!(error, "bad request: the body is not a valid multipart form");
        }
        assert_eq!(error(Some("text/plain"), "a=b").await, "unsupported content type \"text/plain\"");
    }

    #[actix_web::test]
    async fn a_body_over_the_limit_is_refused() {
        assert!(
            read(FORM, "a=0123456789012345678901234567890123456789012345678901234567890123456789012345678")
                .await
                .is_err()
        );
        assert!(
            read(FORM, "a=012345678901234567890123456789012345678901234567890123456789012345678901234567")
                .await
                .is_ok()
        );
    }
}
