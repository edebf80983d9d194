//! Every route with every kind of token, and every method.

use std::path::PathBuf;

use actix_web::App;
use actix_web::dev::Service as _;
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use stocktake_domain::Scope;

use super::*;
use crate::server;
use crate::testing::{Answer, Mocks, TOKEN, send, token};

const BASE: &str = "/api/v4/admin/data_management";

async fn answer(method: Method, uri: &str) -> Answer {
    let request = TestRequest::default().method(method).uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN));
    send(&Mocks::default().context(), request).await
}

#[actix_web::test]
async fn unknown_routes_and_empty_names_are_404() {
    let below = ["", "/", "//", "//1", "//checksum", "/projects//", "/projects/1/2", "/projects//checksum"];
    let below = below.map(|path| format!("{BASE}{path}"));
    for uri in
        below.iter().map(String::as_str).chain(["/nothing", "/api/v4/unknown", "/api/v4/admin", "/api/v1"])
    {
        answer(Method::GET, uri).await.is(404, r#"{"error":"404 Not Found"}"#);
        answer(Method::PUT, uri).await.is(404, r#"{"error":"404 Not Found"}"#);
    }
}

#[actix_web::test]
async fn a_method_a_route_does_not_know_is_405_with_those_it_knows() {
    let rows = [
        (Method::POST, "/api/v4/version", "GET, HEAD, OPTIONS"),
        (Method::PUT, "/api/v4/admin/data_management/projects", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/api/v4/admin/data_management/projects/1", "GET, HEAD, OPTIONS"),
        (Method::POST, "/api/v4/admin/data_management/projects/checksum", "GET, HEAD, OPTIONS, PUT"),
        (Method::GET, "/api/v4/admin/data_management/projects/1/checksum", "OPTIONS, PUT"),
        (Method::PATCH, "/api/v1/jobs/1", "DELETE, GET, HEAD, OPTIONS"),
        (Method::POST, "/metrics", "GET, HEAD, OPTIONS"),
    ];
    for (method, uri, allow) in rows {
        let refused = answer(method, uri).await;
        refused.is(405, r#"{"error":"405 Not Allowed"}"#);
        assert_eq!(refused.header("Allow"), Some(allow), "{uri}");
        let options = answer(Method::OPTIONS, uri).await;
        options.is(204, "");
        assert_eq!(options.header("Allow"), Some(allow), "{uri}");
    }
}

#[actix_web::test]
async fn head_works_wherever_get_does_and_a_slash_behind_changes_nothing() {
    for uri in
        ["/api/v4/version", "/api/v4/version/?a=b", "/-/health", "/api/openapi.json/", "/api/v4/%75ser"]
    {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(answer(method, uri).await.status, 200, "{uri}");
        }
    }
}

const UNAUTHORIZED: &str = r#"{"message":"401 Unauthorized"}"#;
const FORBIDDEN: &str = r#"{"message":"403 Forbidden"}"#;
const SCOPE: &str = r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}"#;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];

/// The answer to a request with a token of this rank and scope, whose handler may do anything but succeed.
async fn with_token(method: &Method, uri: &str, admin: bool, scope: Scope) -> Answer {
    let mut token = token(TOKEN);
    (token.made.admin, token.made.scope) = (admin, scope);
    let request = TestRequest::default().method(method.clone()).uri(uri);
    send(&Mocks::knowing(token).context(), request.insert_header(("PRIVATE-TOKEN", TOKEN))).await
}

/// Sends a request with every kind of token, and checks that it gets as far as the role allows. What it does behind
/// that is the endpoint's: over mocks that expect nothing, often a panic.
async fn walk(method: &Method, uri: &str, role: Option<RequiredRole>) {
    let context = Mocks::default().context();
    let request = || TestRequest::default().method(method.clone()).uri(uri);
    let without = send(&context, request()).await;
    let wrong = send(&context, request().insert_header(("PRIVATE-TOKEN", "stk-wrong"))).await;
    let is_admitted = |answer: &Answer| ![401, 403, 429].contains(&answer.status);
    let case = format!("{method} {uri} as {role:?}");
    let Some(role) = role else {
        assert!(is_admitted(&without) && is_admitted(&wrong), "{case}: {without:?} {wrong:?}");
        return;
    };
    without.is(401, UNAUTHORIZED);
    wrong.is(401, UNAUTHORIZED);
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    for (admin, scope) in
        [(true, Scope::Api), (true, Scope::ReadApi), (false, Scope::Api), (false, Scope::ReadApi)]
    {
        let answer = with_token(method, uri, admin, scope).await;
        if scope == Scope::ReadApi && (role == RequiredRole::Administrator || !reads) {
            answer.is(403, SCOPE);
        } else if !admin && role != RequiredRole::ApiToken {
            answer.is(403, FORBIDDEN);
        } else {
            assert!(is_admitted(&answer), "{case}: {answer:?}");
        }
    }
}

#[actix_web::test]
async fn every_registered_route_needs_the_role_of_its_handler() {
    for endpoint in server::all() {
        let uri = endpoint.path.replace("{model_name}", "uploads");
        let uri = uri.replace("{record_identifier}", "1").replace("{id}", "1");
        for method in METHODS {
            let own = endpoint.methods.iter().find(|(known, _)| *known == method);
            walk(&method, &uri, own.map_or(endpoint.role_of_other_methods(), |(_, role)| *role)).await;
        }
    }
}

#[actix_web::test]
async fn paths_without_an_endpoint_need_what_their_neighbours_need() {
    let reader = Some(RequiredRole::Reader);
    let rows = [
        ("/api/v4/admin", reader),
        ("/api/v4/admin/", reader),
        ("/api/v4/admin/nothing", reader),
        ("/api//v4/admin/data_management/uploads", reader),
        ("//api/v4/admin//", reader),
        ("/api/v4/%61dmin/nothing", reader),
        ("/api/v1", reader),
        ("/api/v1/nothing", reader),
        ("/api/v4/user/nothing", Some(RequiredRole::ApiToken)),
        ("/api", None),
        ("/api/v4", None),
        ("/api/v4/administrator", None),
        ("/nothing", None),
    ];
    for (uri, role) in rows {
        for method in METHODS {
            walk(&method, uri, role).await;
        }
    }
}

#[test]
fn what_is_open_is_listed_here() {
    let endpoints = server::all();
    let roles = |endpoint: &Endpoint| -> Vec<_> { endpoint.methods.iter().map(|(_, role)| *role).collect() };
    let open: Vec<_> = endpoints.iter().filter(|endpoint| roles(endpoint).contains(&None)).collect();
    let open: Vec<_> = open.iter().map(|endpoint| endpoint.path).collect();
    assert_eq!(open, ["/", "/api/openapi.json", "/-/health", "/-/liveness", "/-/readiness", "/metrics"]);
    for endpoint in endpoints.iter().filter(|endpoint| !open.contains(&endpoint.path)) {
        for (method, role) in &endpoint.methods {
            let expected = match (endpoint.path, method) {
                ("/api/v4/version" | "/api/v4/user", _) => RequiredRole::ApiToken,
                (_, &Method::GET | &Method::HEAD) => RequiredRole::Reader,
                _ => RequiredRole::Administrator,
            };
            assert_eq!(*role, Some(expected), "{method} {}", endpoint.path);
        }
    }
}

#[test]
fn no_other_module_gives_handlers_to_actix() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut modules = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            if ["web::resource", "web::scope", "web::route", "web::to(", ".to(", "ServiceConfig"]
                .iter()
                .any(|word| code.contains(word))
            {
                modules.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    modules.retain(|name| name != "tests.rs");
    modules.sort();
    // The server registers the answer where there is no endpoint.
    assert_eq!(modules, ["routing.rs", "server.rs"]);
}

#[actix_web::test]
async fn without_application_data_nothing_is_passed_on() {
    let endpoint = Endpoint::at("/").get(|_: crate::auth::Public| async { HttpResponse::Ok().finish() });
    let app = App::new().service(endpoint.into_resource()).wrap(from_fn(crate::middleware::middleware));
    let service = actix_web::test::init_service(app).await;
    let response = service.call(TestRequest::get().uri("/").to_request()).await.unwrap();
    assert_eq!(response.status(), 500);
}

#[actix_web::test]
async fn no_body_is_read_before_the_role_is_given() {
    let large = "a".repeat(2000);
    let request = |token: &'static str| {
        let put = TestRequest::put().uri("/api/v4/admin/data_management/uploads/checksum");
        put.insert_header(("PRIVATE-TOKEN", token)).set_payload(large.clone())
    };
    let context = Mocks::default().context();
    assert_eq!(send(&context, request("stk-wrong")).await.status, 401);
    assert_eq!(send(&context, request(TOKEN)).await.status, 413);
}
