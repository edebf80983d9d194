//! Who is let in, and what every answer has.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use stocktake_domain::ports::{Identity, MockAuthority, Sessions as _, Tokens as _};
use stocktake_domain::{Failure, Model, Scope, SessionTerms};

use crate::support::{ADMIN, Answer, NOBODY, READER, World, altered, at, failed};

const PAGES: [&str; 13] = [
    "/console",
    "/console/sync",
    "/console/orphans",
    "/console/findings",
    "/console/findings.csv",
    "/console/findings.json?model=uploads",
    "/console/jobs",
    "/console/storages",
    "/console/settings",
    "/console/models/uploads",
    "/console/models/uploads?state=failed&sort=desc&identifiers=1,2",
    "/console/models/uploads/1",
    "/console/models/lfs_objects",
];

const ACTIONS: [&str; 6] = [
    "/console/orphans/walk",
    "/console/orphans/1/cancel",
    "/console/models/uploads/recalculate",
    "/console/models/uploads/1/recalculate",
    "/console/models/uploads/1/accept",
    "/console/jobs/1/cancel",
];

async fn world() -> World {
    World::new()
        .await
        .with([altered(Model::Uploads, 1), failed(Model::Projects, 7, "a", Failure::missing_repository())])
}

/// What every answer has.
fn is_safe(answer: &Answer, uri: &str) {
    let policy = answer.header("Content-Security-Policy").unwrap_or_else(|| panic!("{uri} has no policy"));
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{uri}: {policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{uri}: {policy}");
    assert_eq!(answer.header("Referrer-Policy"), Some("same-origin"), "{uri}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{uri}");
    let is_page = answer.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html"));
    if is_page {
        let body = answer.body();
        let inline = ["<style", "style=\"", "onclick", "<script>", "javascript:", "//cdn"];
        assert!(!inline.iter().any(|text| body.contains(text)), "{uri}");
        assert_eq!(body.matches("<script").count(), 1, "{uri}");
        assert_eq!(body.matches("<h1").count(), 1, "{uri}");
    }
}

#[actix_web::test]
async fn without_a_session_there_is_the_way_to_one_and_nothing_else() {
    let site = world().await.open();
    let browser = site.browser();
    for uri in PAGES.into_iter().chain(["/console/nothing", "/console/models/nothing"]) {
        let answer = browser.get(uri).await;
        let to = answer.leads_to().to_owned();
        assert!(to.starts_with("/console/login"), "{uri}: {to}");
        let is_home = uri == "/console";
        assert_eq!(to.contains("?to=%2Fconsole"), !is_home, "{uri}: {to}");
        is_safe(&answer, uri);
    }
    for uri in ACTIONS.into_iter().chain(["/console/logout"]) {
        let answer = browser.post(uri, &[("csrf", "x")]).await;
        assert_eq!(answer.leads_to(), "/console/login", "{uri}");
        is_safe(&answer, uri);
    }
}

#[actix_web::test]
async fn a_token_that_may_read_sees_everything_and_changes_nothing() {
    let site = world().await.open();
    let reader = site.signed_in(READER).await;
    for uri in PAGES {
        let answer = reader.get(uri).await;
        assert_eq!(answer.status, 200, "{uri}: {}", answer.body());
        is_safe(&answer, uri);
        answer.says_not("method=\"post\" action=\"/console/models");
        answer.says_not("/cancel\"");
    }
    for uri in ACTIONS {
        let answer = reader.act(uri, &[]).await;
        assert_eq!(answer.status, 403, "{uri}");
        answer.says("Your token may only read.");
        is_safe(&answer, uri);
    }
    assert_eq!(reader.act("/console/logout", &[]).await.leads_to(), "/console/login");
    assert_eq!(reader.get("/console").await.status, 303);
}

#[actix_web::test]
async fn an_administrator_sees_everything() {
    let site = world().await.open();
    let admin = site.signed_in(ADMIN).await;
    for uri in PAGES {
        let answer = admin.get(uri).await;
        assert_eq!(answer.status, 200, "{uri}");
        is_safe(&answer, uri);
    }
    for uri in [
        "/console/nothing",
        "/console/models/nothing",
        "/console/models/uploads/9",
        "/console/models/uploads/!",
    ] {
        let answer = admin.get(uri).await;
        assert_eq!(answer.status, 404, "{uri}");
        is_safe(&answer, uri);
    }
    for uri in [
        "/console/models/uploads?state=x",
        "/console/models/uploads?identifiers=!",
        "/console/findings?model=x",
    ] {
        assert_eq!(admin.get(uri).await.status, 400, "{uri}");
    }
    for (method, uri) in
        [(Method::DELETE, "/console"), (Method::GET, ACTIONS[2]), (Method::PUT, "/console/jobs")]
    {
        let answer = admin.send(TestRequest::default().method(method).uri(uri)).await;
        assert!([404, 405].contains(&answer.status), "{uri}: {}", answer.status);
    }
    let head = admin.send(TestRequest::default().method(Method::HEAD).uri("/console")).await;
    assert_eq!(head.status, 200);
}

#[actix_web::test]
async fn who_is_no_administrator_is_refused_with_a_sentence() {
    let site = world().await.open();
    let answer = site.browser().sign_in(NOBODY).await;
    assert_eq!((answer.status, answer.header("Set-Cookie")), (403, None));
    answer.says("nobody is no administrator.");
    is_safe(&answer, "login");
}

#[actix_web::test]
async fn a_wrong_token_is_invalid_and_many_are_throttled() {
    let site = world().await.open();
    let mut browser = site.browser();
    for token in ["stk-wrong", "glpat-wrong"] {
        let answer = browser.sign_in(token).await;
        assert_eq!((answer.status, answer.header("Set-Cookie")), (401, None), "{token}");
        answer.says("Invalid token");
        is_safe(&answer, "login");
    }
    let answer = browser.sign_in("stk-other").await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("Retry-After").is_some());
    // A valid one is let in all the same.
    assert_eq!(browser.sign_in(ADMIN).await.status, 303);
}

#[actix_web::test]
async fn the_cookie_is_strict_and_goes_over_https_alone_where_there_is_https() {
    let mut world = world().await;
    world.settings.external_url = Some("https://stock.test/".to_owned());
    let site = world.open();
    for (host, is_secure) in [("stock.test", true), ("127.0.0.1:8080", false)] {
        let form = TestRequest::post().uri("/console/login").insert_header(("Host", host));
        let answer = site.send(form.set_form([("token", ADMIN)])).await;
        let cookie = answer.header("Set-Cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
    }
}

#[actix_web::test]
async fn who_signs_in_comes_to_the_page_that_was_asked_for() {
    let site = world().await.open();
    let browser = site.browser();
    let asked = "/console/models/uploads?state=failed";
    let login = browser.get(asked).await.leads_to().to_owned();
    browser.get(&login).await.says("name=\"to\" value=\"/console/models/uploads?state=failed\"");
    let answer = browser.post("/console/login", &[("token", ADMIN), ("to", asked)]).await;
    assert_eq!(answer.leads_to(), asked);
    for elsewhere in ["//evil.example", "https://evil.example", "/console//evil.example"] {
        let answer = browser.post("/console/login", &[("token", ADMIN), ("to", elsewhere)]).await;
        assert_eq!(answer.leads_to(), "/console", "{elsewhere}");
    }
}

#[actix_web::test]
async fn a_session_ends_with_its_token_and_by_time() {
    let world = world().await;
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let reader = site.signed_in(READER).await;
    // The script's looks for newer figures are no use of the session.
    clock.set(at("2026-11-26T02:40:00Z"));
    let live = TestRequest::get().uri("/console").insert_header(("X-Stocktake-Live", "1"));
    assert_eq!(reader.send(live).await.status, 200);
    assert_eq!(admin.get("/console").await.status, 200);
    clock.set(at("2026-11-26T03:10:00Z"));
    assert_eq!(reader.get("/console").await.status, 303);
    assert_eq!(admin.get("/console").await.status, 200);
    clock.set(at("2026-11-26T03:50:00Z"));
    assert_eq!(admin.get("/console").await.status, 200);
    clock.set(at("2026-11-26T04:03:11Z"));
    assert_eq!(admin.get("/console").await.status, 303);

    let admin = site.signed_in(ADMIN).await;
    store.revoke(ADMIN).await.unwrap().unwrap();
    clock.set(at("2026-11-26T04:03:12Z"));
    assert_eq!(admin.get("/console").await.status, 303);
    let terms = SessionTerms { idle: std::time::Duration::MAX, longest: std::time::Duration::MAX };
    assert_eq!(store.delete_ended(terms).await.unwrap(), 0);
}

#[actix_web::test]
async fn a_token_of_gitlab_counts_as_long_as_gitlab_says_so() {
    let mut world = world().await;
    let clock = world.clock.clone();
    let mut authority = MockAuthority::new();
    let mut known = vec![false, true, true];
    authority.expect_identify().times(3).returning(move |_| {
        let (username, name) = ("ada".to_owned(), "Ada".to_owned());
        let ada = Identity { id: 42, username, name, admin: true, scope: Some(Scope::Api) };
        Ok(known.pop().unwrap().then_some(ada))
    });
    world.authority = Some(authority);
    let site = world.open();
    let ada = site.signed_in("glpat-x").await;
    ada.get("/console").await.says("ada");
    clock.set(at("2026-11-26T02:05:00Z"));
    assert_eq!(ada.get("/console").await.status, 200);
    clock.set(at("2026-11-26T02:07:00Z"));
    assert_eq!(ada.get("/console").await.status, 303);
}

#[actix_web::test]
async fn who_comes_from_another_site_is_asked_to_come_again() {
    let site = world().await.open();
    let link = TestRequest::get().uri("/console/jobs").insert_header(("Sec-Fetch-Site", "cross-site"));
    let answer = site.send(link).await;
    assert_eq!((answer.status, answer.header("Refresh")), (200, Some("0")));
    answer.says("href=\"/console/jobs\"");
    is_safe(&answer, "from elsewhere");
}

#[actix_web::test]
async fn the_root_leads_to_the_console_for_browsers_alone() {
    let site = world().await.open();
    let home = |accept| TestRequest::get().uri("/").insert_header(("Accept", accept));
    let answer = site.send(home("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")).await;
    assert_eq!(answer.leads_to(), "/console");
    for accept in ["application/json", "*/*"] {
        assert_eq!(site.send(home(accept)).await.status, 404, "{accept}");
    }
}
