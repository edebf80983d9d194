//! Tokens of a GitLab's administrators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use stocktake_testbed::{Fault, FaultProxy};

use crate::support::{Database, Installation, line};

/// What a GitLab answers to `GET /api/v4/user` and about the token itself.
fn gitlab(asked: &Arc<AtomicU32>) -> FaultProxy {
    let asked = Arc::clone(asked);
    let answer = |status, body: &str| Fault::Answer {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_owned(),
    };
    FaultProxy::start("127.0.0.1:9", move |request| {
        let header = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("private-token"));
        let token = header.map_or("", |(_, value)| value.as_str());
        match (request.target.as_str(), token) {
            ("/api/v4/user", "glpat-root" | "glpat-reader") => {
                asked.fetch_add(1, Ordering::Relaxed);
                answer(
                    200,
                    r#"{"id":1,"username":"root","name":"Administrator","state":"active","is_admin":true}"#,
                )
            }
            ("/api/v4/user", "glpat-someone") => {
                answer(200, r#"{"id":2,"username":"someone","name":"Someone","state":"active"}"#)
            }
            ("/api/v4/personal_access_tokens/self", "glpat-reader") => {
                answer(200, r#"{"id":5,"active":true,"revoked":false,"scopes":["read_api"]}"#)
            }
            ("/api/v4/personal_access_tokens/self", _) => {
                answer(200, r#"{"id":4,"active":true,"revoked":false,"scopes":["api"]}"#)
            }
            _ => answer(401, r#"{"message":"401 Unauthorized"}"#),
        }
    })
    .unwrap()
}

#[test]
fn administrators_of_the_gitlab_use_the_token_they_have() {
    let asked = Arc::new(AtomicU32::new(0));
    let proxy = gitlab(&asked);
    let installation = Installation::with(
        Database::Sqlite,
        &format!("[auth]\nallow_plain_http = true\ngitlab_url = {:?}\n", proxy.url()),
    );
    installation.file("a.bin", 1, 10);
    installation.import("uploads", &[line(1, "a.bin", "")]).success();
    let (_service, own) = installation.serve();
    let path = "/api/v4/admin/data_management/uploads";
    let status = |token, method: Method, path: &str| own.with(Some(token)).send(method, path).status;
    for _ in 0..3 {
        assert_eq!(status("glpat-root", Method::GET, path), 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the answer is remembered");
    let user = own.with(Some("glpat-root")).get("/api/v4/user").ok();
    assert_eq!((user["id"].as_i64(), user["username"].as_str()), (Some(1), Some("root")));
    assert_eq!(status("glpat-root", Method::PUT, &format!("{path}/1/checksum")), 200);
    assert_eq!(status("glpat-reader", Method::GET, path), 200);
    assert_eq!(status("glpat-reader", Method::PUT, &format!("{path}/1/checksum")), 403);
    assert_eq!(status("glpat-someone", Method::GET, path), 403);
    assert_eq!(status("glpat-nobody", Method::GET, path), 401);
    assert_eq!(own.get(path).status, 200, "Stocktake's own tokens keep working");
}

#[test]
fn a_gitlab_that_is_away_is_no_wrong_token() {
    let installation = Installation::with(
        Database::Sqlite,
        "[auth]\nallow_plain_http = true\ngitlab_url = \"http://127.0.0.1:9\"\n",
    );
    let (_service, own) = installation.serve();
    let answer = own.with(Some("glpat-root")).get("/api/v4/admin/data_management/uploads");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(own.get("/api/v4/admin/data_management/uploads").status, 200);
}
