//! Resources that answer every method sensibly: `HEAD` wherever `GET` does, `OPTIONS` with what there is, and
//! anything else with 405 and the same list.

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, Uri, header};
use actix_web::{HttpResponse, Resource, Route, guard, web};

use crate::error::ApiError;

/// `Allow` of a resource that can only be read.
pub(crate) const READ: &str = "GET, HEAD, OPTIONS";

/// A resource at this path. `allow` lists its methods.
pub(crate) fn resource(path: &str, allow: &'static str) -> Resource {
    let options =
        move || async move { HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish() };
    let refuse = move || async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed(allow)) };
    web::resource(path).route(web::method(Method::OPTIONS).to(options)).default_service(web::to(refuse))
}

/// Lets a path with a slash behind it lead where it leads without, as in the original.
pub(crate) fn strip_slash(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else { return };
    let stripped = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = stripped.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// A route for `GET` and `HEAD`; of an answer to `HEAD` the server sends the head alone.
pub(crate) fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use crate::testing::{Answer, Mocks, TOKEN, send};

    const BASE: &str = "/api/v4/admin/data_management";

    async fn answer(method: Method, uri: &str) -> Answer {
        let request = TestRequest::default().method(method).uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN));
        send(&Mocks::default().context(), request).await
    }

    #[actix_web::test]
    async fn unknown_routes_and_empty_names_are_404() {
        let below =
            ["", "/", "//", "//1", "//checksum", "/projects//", "/projects/1/2", "/projects//checksum"];
        let below = below.map(|path| format!("{BASE}{path}"));
        for uri in
            below.iter().map(String::as_str).chain(["/", "/api/v4/unknown", "/api/v4/admin", "/api/v1"])
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
}
