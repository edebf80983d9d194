//! `GET /api/openapi.json`: the OpenAPI document of all endpoints, generated from the code.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Required};
use utoipa::{Modify, OpenApi};

use crate::auth::Public;
use crate::routing::Endpoint;
use crate::{conditions, data_management, findings, front, health, identity, jobs, metrics, summary, sync};

use crate::schema::InternalRefusal;

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/openapi.json").get(document)]
}

/// The OpenAPI 3.1 document of all endpoints, as JSON.
pub fn openapi_json() -> String {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| Document::openapi().to_pretty_json().unwrap_or_default());
    DOCUMENT.clone()
}

/// Shows this document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "operation", security(()),
    responses((status = 200, body = serde_json::Value, description = "This document."), InternalRefusal)
)]
async fn document(_: Public) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi_json())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stocktake",
        description = "The Data management API over a catalogue of records with their checksums.",
    ),
    paths(
        data_management::list,
        data_management::show,
        data_management::recalculate_many,
        data_management::recalculate_one,
        identity::version,
        identity::user,
        summary::summary,
        findings::findings,
        sync::sync,
        conditions::conditions,
        jobs::list,
        jobs::show,
        jobs::cancel,
        document,
        front::front,
        health::health,
        health::liveness,
        health::readiness,
        metrics::metrics,
    ),
    security(("private_token" = []), ("bearer" = [])),
    modifiers(&Tokens, &OptionalBodies),
)]
struct Document;

/// The two headers for a token.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKey::Header(ApiKeyValue::new("PRIVATE-TOKEN"));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("private_token", SecurityScheme::ApiKey(key));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// No request needs a body.
struct OptionalBodies;

impl Modify for OptionalBodies {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let operations = document.paths.paths.values_mut().filter_map(|item| item.put.as_mut());
        for body in operations.filter_map(|operation| operation.request_body.as_mut()) {
            if let RefOr::T(body) = body {
                body.required = Some(Required::False);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use actix_web::http::Method;
    use actix_web::test::TestRequest;
    use serde_json::Value;

    use super::*;
    use crate::testing::{Mocks, TOKEN, send};

    /// Set to accept the document as it is now.
    const UPDATE: &str = "UPDATE_SNAPSHOTS";

    #[test]
    fn the_document_is_the_one_that_was_reviewed() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let document = openapi_json() + "\n";
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap();
        assert!(
            reviewed == document,
            "openapi.json differs: look at it after {UPDATE}=1 cargo test -p stocktake-http"
        );
    }

    #[actix_web::test]
    async fn every_documented_operation_is_routed_and_no_other() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut ids = BTreeSet::new();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in document["paths"].as_object().unwrap() {
            let uri = path
                .replace("{model_name}", "uploads")
                .replace("{record_identifier}", "1")
                .replace("{id}", "1");
            let options = TestRequest::default().method(Method::OPTIONS).uri(&uri);
            let request = options.insert_header(("PRIVATE-TOKEN", TOKEN));
            let answer = send(&Mocks::default().context(), request).await;
            let allowed = answer.header("Allow").unwrap_or_else(|| panic!("{path} is not routed"));
            for operation in item.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            }
            for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
                // Reading a bulk job's path only gives an error.
                let readable_only = path.ends_with("{model_name}/checksum") && method == "GET";
                let documented = item.get(method.to_lowercase()).is_some() || readable_only;
                assert_eq!(allowed.split(", ").any(|known| known == method), documented, "{method} {path}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = openapi_json();
        let document: Value = serde_json::from_str(&text).unwrap();
        let references: Vec<_> = text.split("\"$ref\": \"#").skip(1).collect();
        assert!(!references.is_empty());
        for rest in references {
            let pointer = rest.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[actix_web::test]
    async fn the_document_needs_no_token() {
        let answer = send(&Mocks::default().context(), TestRequest::get().uri("/api/openapi.json")).await;
        answer.is(200, &openapi_json());
    }
}
