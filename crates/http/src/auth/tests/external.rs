//! Requests with tokens that are not ours.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::web;
use stocktake_domain::ports::{AuthorityError, Credential, Identity, MockAuthority};
use stocktake_domain::{Job, JobId, Scope, Timestamp};

use crate::Context;
use crate::testing::{Answer, Mocks, identity, send};

const SCOPE: &str = r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}"#;
const UNAUTHORIZED: &str = r#"{"message":"401 Unauthorized"}"#;

/// An authority that gives this answer about any token.
fn answering(
    answer: impl Fn() -> Result<Option<Identity>, AuthorityError> + Send + Sync + 'static,
) -> MockAuthority {
    let mut authority = MockAuthority::new();
    authority.expect_identify().returning(move |_| answer());
    authority
}

fn mocks(authority: MockAuthority) -> Mocks {
    Mocks { authority: Some(authority), ..Mocks::default() }
}

/// A request with a token of GitLab's.
fn request(method: Method, uri: &str) -> TestRequest {
    TestRequest::default().method(method).uri(uri).insert_header(("PRIVATE-TOKEN", "glpat-x"))
}

async fn get(context: &web::Data<Context>, uri: &str) -> Answer {
    send(context, request(Method::GET, uri)).await
}

#[actix_web::test]
async fn rank_and_scope_count_as_with_our_own_tokens() {
    let (nothing, one, user) = ("/api/v4/admin/nothing", "/api/v1/jobs/x", "/api/v4/user");
    let bulk = "/api/v4/admin/data_management/unknown/checksum";
    let (api, read) = (Some(Scope::Api), Some(Scope::ReadApi));
    let (not_found, forbidden) = (r#"{"error":"404 Not Found"}"#, r#"{"message":"403 Forbidden"}"#);
    let (model, id) =
        (r#"{"error":"model_name does not have a valid value"}"#, r#"{"error":"id is invalid"}"#);
    let ada = r#"{"id":42,"username":"ada","name":"Ada Lovelace","is_admin":true}"#;
    let bob = r#"{"id":42,"username":"ada","name":"Ada Lovelace","is_admin":false}"#;
    let rows = [
        (true, api, Method::GET, user, 200, ada),
        (true, api, Method::GET, nothing, 404, not_found),
        (true, api, Method::PUT, bulk, 400, model),
        (true, api, Method::DELETE, one, 400, id),
        (true, read, Method::GET, one, 400, id),
        (true, read, Method::PUT, bulk, 403, SCOPE),
        (true, read, Method::DELETE, one, 403, SCOPE),
        (true, None, Method::GET, one, 403, SCOPE),
        (true, None, Method::GET, nothing, 403, SCOPE),
        (true, None, Method::PUT, bulk, 403, SCOPE),
        (true, None, Method::GET, user, 200, ada),
        (true, None, Method::POST, user, 403, SCOPE),
        (false, api, Method::GET, user, 200, bob),
        (false, api, Method::GET, nothing, 403, forbidden),
        (false, api, Method::PUT, bulk, 403, forbidden),
        (false, read, Method::PUT, bulk, 403, SCOPE),
        (false, None, Method::GET, nothing, 403, SCOPE),
    ];
    for (admin, scope, method, uri, status, body) in rows {
        let context = mocks(answering(move || Ok(Some(Identity { admin, scope, ..identity() })))).context();
        let answer = send(&context, request(method.clone(), uri)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{admin} {scope:?} {method} {uri}");
    }
}

#[actix_web::test]
async fn the_token_is_asked_about_in_the_header_it_came_in() {
    let rows = [
        (("PRIVATE-TOKEN", "glpat-x"), Credential::PrivateToken("glpat-x".to_owned())),
        (("Authorization", "Bearer glpat-x"), Credential::Bearer("glpat-x".to_owned())),
    ];
    let mut authority = MockAuthority::new();
    for (_, credential) in &rows {
        let asked = authority.expect_identify().with(mockall::predicate::eq(credential.clone()));
        asked.times(1).returning(|_| Ok(Some(identity())));
    }
    let context = mocks(authority).context();
    for (header, _) in rows.iter().chain(&rows) {
        let request = TestRequest::get().uri("/api/v4/user").insert_header(*header);
        assert_eq!(send(&context, request).await.status, 200);
    }
}

#[actix_web::test]
async fn unknown_tokens_are_401_and_always_asked_about() {
    let mut authority = MockAuthority::new();
    authority.expect_identify().times(2).returning(|_| Ok(None));
    let context = mocks(authority).context();
    for _ in 0..2 {
        get(&context, "/api/v4/user").await.is(401, UNAUTHORIZED);
    }
    // Without an authority, no token but our own is known.
    get(&Mocks::default().context(), "/api/v4/user").await.is(401, UNAUTHORIZED);
}

#[actix_web::test]
async fn the_authority_is_not_asked_about_our_own_tokens() {
    let context = mocks(MockAuthority::new()).context();
    let with = |token| TestRequest::get().uri("/api/v4/user").insert_header(("PRIVATE-TOKEN", token));
    assert_eq!(send(&context, with(crate::testing::TOKEN)).await.status, 200);
    send(&context, with("stk-wrong")).await.is(401, UNAUTHORIZED);
}

#[actix_web::test]
async fn an_authority_that_is_away_is_503_and_no_wrong_token() {
    let context = mocks(answering(|| Err(AuthorityError("no route to git.internal".into())))).context();
    for _ in 0..10 {
        let answer = get(&context, "/api/v1/summary").await;
        answer.is(503, r#"{"message":"503 Service Unavailable"}"#);
        assert_eq!(answer.header("Retry-After"), Some("5"));
    }
}

#[actix_web::test]
async fn a_valid_token_is_asked_about_once_in_a_minute() {
    let mut authority = MockAuthority::new();
    authority.expect_identify().times(2).returning(|_| Ok(Some(identity())));
    let mocks = mocks(authority);
    let clock = Arc::clone(&mocks.clock);
    let context = mocks.context();
    for millis in [0, 59_999, 60_000, 119_999] {
        clock.set(Timestamp::from_millis(millis));
        assert_eq!(get(&context, "/api/v4/user").await.status, 200);
    }
}

#[actix_web::test]
async fn who_guesses_is_throttled_but_a_valid_token_is_still_answered() {
    let mut authority = MockAuthority::new();
    authority.expect_identify().returning(|credential| {
        Ok((*credential == Credential::PrivateToken("glpat-right".to_owned())).then(identity))
    });
    let context = mocks(authority).context();
    for status in [401, 401, 401, 429, 429] {
        assert_eq!(get(&context, "/api/v4/user").await.status, status);
    }
    let right = TestRequest::get().uri("/api/v4/user").insert_header(("PRIVATE-TOKEN", "glpat-right"));
    assert_eq!(send(&context, right).await.status, 200);
}

#[actix_web::test]
async fn a_job_names_who_asked_for_it() {
    let mut mocks = mocks(answering(|| Ok(Some(identity()))));
    let enqueued = mocks.jobs.expect_enqueue().withf(|job| job.requested_by == "ada").times(1);
    enqueued.returning(|job| Ok(Job::enqueued(JobId(1), job, Timestamp::from_millis(0))));
    let uri = "/api/v4/admin/data_management/uploads/checksum";
    assert_eq!(send(&mocks.context(), request(Method::PUT, uri)).await.status, 200);
}
