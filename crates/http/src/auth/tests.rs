//! Requests with tokens of our own: who is let in, and what the throttle does.

mod external;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::web;
use stocktake_domain::{Scope, Timestamp};

use crate::Context;
use crate::testing::{Answer, Mocks, TOKEN, send, token};

fn with(name: &'static str, value: &'static str) -> TestRequest {
    TestRequest::get().uri("/api/v4/admin/data_management/unknown").insert_header((name, value))
}

fn unauthorized(answer: &Answer) {
    answer.is(401, r#"{"message":"401 Unauthorized"}"#);
    assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
}

#[actix_web::test]
async fn without_a_valid_token_everything_is_401() {
    let context = Mocks::default().context();
    for uri in ["/api/v4/admin/data_management/unknown?page=x", "/api/v4/admin/nothing", "/api/v1/jobs/x"] {
        for method in [Method::GET, Method::PUT, Method::POST, Method::OPTIONS] {
            unauthorized(&send(&context, TestRequest::default().method(method).uri(uri)).await);
        }
    }
    unauthorized(&send(&context, with("PRIVATE-TOKEN", "stk-wrong")).await);
    unauthorized(&send(&context, with("PRIVATE-TOKEN", "no-prefix")).await);
    unauthorized(&send(&context, with("Authorization", "Basic c3RrLXJpZ2h0")).await);
    assert_eq!(send(&context, with("Authorization", "bearer stk-right")).await.status, 400);
}

#[actix_web::test]
async fn expired_and_revoked_tokens_are_401() {
    let mut expired = token(TOKEN);
    expired.made.expires_at = Some(Timestamp::from_millis(0));
    unauthorized(&Mocks::knowing(expired).get("/api/v4/user").await);
    let mut revoked = token(TOKEN);
    revoked.revoked_at = Some(Timestamp::from_millis(0));
    unauthorized(&Mocks::knowing(revoked).get("/api/v4/user").await);
}

#[actix_web::test]
async fn a_token_that_expires_while_it_is_remembered_is_refused() {
    let mut short = token(TOKEN);
    short.made.expires_at = Some(Timestamp::from_millis(10));
    let mocks = Mocks::knowing(short);
    let clock = Arc::clone(&mocks.clock);
    let context = mocks.context();
    assert_eq!(send(&context, with("PRIVATE-TOKEN", TOKEN)).await.status, 400);
    clock.set(Timestamp::from_millis(10));
    unauthorized(&send(&context, with("PRIVATE-TOKEN", TOKEN)).await);
}

#[actix_web::test]
async fn a_valid_token_is_looked_up_once_while_it_is_remembered() {
    let mut tokens = stocktake_domain::ports::MockTokens::new();
    tokens.expect_find().times(2).returning(|_| Ok(Some(token(TOKEN))));
    let mocks = Mocks { tokens, ..Mocks::default() };
    let clock = Arc::clone(&mocks.clock);
    let context = mocks.context();
    for millis in [0, 49, 50] {
        clock.set(Timestamp::from_millis(millis));
        assert_eq!(send(&context, with("PRIVATE-TOKEN", TOKEN)).await.status, 400);
    }
}

#[actix_web::test]
async fn scope_comes_before_rank_and_both_before_the_route() {
    let answer = |admin, scope, method: Method, uri: &'static str| async move {
        let mut token = token(TOKEN);
        token.made.admin = admin;
        token.made.scope = scope;
        let request = TestRequest::default().method(method).uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN));
        let answer = send(&Mocks::knowing(token).context(), request).await;
        (answer.status, answer.body)
    };
    let forbidden = (403, r#"{"message":"403 Forbidden"}"#.to_owned());
    let scope = (403, r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}"#.to_owned());
    let (bulk, nothing) = ("/api/v4/admin/data_management/unknown/checksum", "/api/v4/admin/nothing");
    for uri in [bulk, nothing, "/api/v1/summary"] {
        assert_eq!(answer(false, Scope::Api, Method::GET, uri).await, forbidden, "{uri}");
        assert_eq!(answer(false, Scope::Api, Method::PUT, uri).await, forbidden, "{uri}");
        assert_eq!(answer(false, Scope::ReadApi, Method::PUT, uri).await, scope, "{uri}");
        assert_eq!(answer(true, Scope::ReadApi, Method::PUT, uri).await, scope, "{uri}");
    }
    assert_eq!(answer(true, Scope::ReadApi, Method::DELETE, "/api/v1/jobs/1").await, scope);
    assert_eq!(answer(true, Scope::ReadApi, Method::GET, nothing).await.0, 404);
    assert_eq!(answer(false, Scope::ReadApi, Method::GET, "/api/v4/version").await.0, 200);
}

/// The answer to a request for `/api/v4/user` from this peer.
async fn user(context: &web::Data<Context>, peer: &str, forwarded_for: &str, token: Option<&str>) -> Answer {
    let request = TestRequest::get().uri("/api/v4/user").peer_addr(peer.parse().unwrap());
    let mut request = request.insert_header(("X-Forwarded-For", forwarded_for));
    if let Some(token) = token {
        request = request.insert_header(("PRIVATE-TOKEN", token));
    }
    send(context, request).await
}

#[actix_web::test]
async fn wrong_tokens_of_an_address_are_throttled_for_the_rest_of_the_minute() {
    let mocks = Mocks::default();
    let clock = Arc::clone(&mocks.clock);
    let context = mocks.context();
    let from = |peer, token| user(&context, peer, "192.0.2.9", token);
    for _ in 0..3 {
        assert_eq!(from("10.0.0.1:1", None).await.status, 401);
        assert_eq!(from("10.0.0.1:1", Some("stk-wrong")).await.status, 401);
    }
    clock.set(Timestamp::from_millis(15_500));
    let refused = from("10.0.0.1:2", Some("stk-wrong")).await;
    refused.is(429, r#"{"message":"429 Too Many Requests"}"#);
    assert_eq!(refused.header("Retry-After"), Some("45"));
    assert_eq!(from("10.0.0.1:1", None).await.status, 401);
    assert_eq!(from("10.0.0.2:1", Some("stk-wrong")).await.status, 401);
    clock.set(Timestamp::from_millis(60_000));
    assert_eq!(from("10.0.0.1:1", Some("stk-wrong")).await.status, 401);
}

#[actix_web::test]
async fn a_valid_token_is_answered_however_many_wrong_ones_came() {
    let context = Mocks::default().context();
    for _ in 0..5 {
        user(&context, "10.0.0.1:1", "", Some("stk-wrong")).await;
    }
    assert_eq!(user(&context, "10.0.0.1:1", "", Some("stk-wrong")).await.status, 429);
    assert_eq!(user(&context, "10.0.0.1:1", "", Some(TOKEN)).await.status, 200);
}

#[actix_web::test]
async fn behind_a_trusted_proxy_each_client_is_counted_alone() {
    let mut mocks = Mocks::default();
    mocks.settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let context = mocks.context();
    let wrong = |forwarded_for| user(&context, "10.0.0.1:1", forwarded_for, Some("stk-wrong"));
    for spoofed in ["192.0.2.1, 2001:db8::1", "192.0.2.2, 2001:db8::2", "192.0.2.3, [2001:db8::3]:80"] {
        assert_eq!(wrong(spoofed).await.status, 401);
    }
    assert_eq!(wrong("192.0.2.4, 2001:db8::4").await.status, 429);
    assert_eq!(wrong("2001:db8:0:1::1").await.status, 401);
    assert_eq!(user(&context, "10.0.0.1:1", "2001:db8::5", Some(TOKEN)).await.status, 200);
}
