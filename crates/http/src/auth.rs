//! Who is asking, and whether they may: tokens, scopes, and the brake on guessing.
//!
//! A token that begins with `stk-` is one of ours; any other is somebody else's, who is asked about it if there is
//! such a one. Whoever is found valid is remembered for a while, so that a client that sends hundreds of requests a
//! second costs one look-up in that time.

mod cache;
mod foreign;
mod own;
mod presented;
mod throttle;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use stocktake_domain::Scope;
use stocktake_domain::ports::Identity;

use crate::Api;
use crate::error::ApiError;
use foreign::{Arrival, ForeignTokens};
use own::OwnTokens;
use presented::Presented;
use throttle::Throttle;

/// Whom a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Everybody, without a token.
    Everybody,
    /// Whoever has a valid token.
    TokenHolders,
    /// Administrators.
    Administrators,
}

/// Whom a request was let in as, whoever knew the token.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<Identity>);

/// Lets requests in, or refuses them.
pub(crate) struct Gate {
    own: OwnTokens,
    foreign: ForeignTokens,
    throttle: Arc<Throttle>,
}

impl Gate {
    /// A gate that refuses an address for the rest of a minute after so many wrong tokens; 0: never.
    pub(crate) fn new(wrong_tokens_per_minute: u32) -> Self {
        let throttle = Arc::new(Throttle::new(wrong_tokens_per_minute));
        Self { own: OwnTokens::new(), foreign: ForeignTokens::new(), throttle }
    }

    /// Whether the request may go on, whatever else is wrong with it; `None` if its path is for everybody.
    pub(crate) async fn admit(
        &self,
        request: &ServiceRequest,
        api: &Api,
    ) -> Result<Option<Caller>, ApiError> {
        let audience = audience(request.match_info().as_str());
        if audience == Audience::Everybody {
            return Ok(None);
        }
        let token = Presented::find(request.headers()).ok_or(ApiError::Unauthorized)?;
        let address = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let identity = self.identify(Arrival { token, address, now: api.clock.now() }, api).await?;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let suffices = match identity.scope {
            Some(Scope::Api) => true,
            Some(Scope::ReadApi) => reads,
            None => reads && audience == Audience::TokenHolders,
        };
        if !suffices {
            return Err(ApiError::InsufficientScope);
        }
        if audience == Audience::Administrators && !identity.admin {
            return Err(ApiError::Forbidden);
        }
        Ok(Some(Caller(identity)))
    }

    /// Whom the token stands for, unless its sender's address sent too many wrong ones.
    async fn identify(&self, arrival: Arrival<'_>, api: &Api) -> Result<Arc<Identity>, ApiError> {
        let Arrival { token, address, now } = arrival;
        if let Some(retry_after) = self.throttle.refused_for(address, now) {
            return Err(ApiError::TooManyRequests { retry_after });
        }
        let found = match token.own() {
            Some(text) => self.own.identify(text, now, api).await?,
            None => self.foreign.identify(&arrival, &self.throttle, api).await?,
        };
        if found.is_none() {
            self.throttle.count_wrong(address, now);
        }
        found.ok_or(ApiError::Unauthorized)
    }
}

/// Whom a decoded path is for. Repeated slashes do not change it, so that no spelling of a path leads past.
fn audience(path: &str) -> Audience {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next(), segments.next()) {
        (Some("api"), Some("v4"), Some("admin")) | (Some("api"), Some("v1"), _) => Audience::Administrators,
        (Some("api"), Some("v4"), Some("version" | "user")) => Audience::TokenHolders,
        _ => Audience::Everybody,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::Timestamp;

    use super::*;
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
        for uri in ["/api/v4/admin/data_management/unknown?page=x", "/api/v4/admin/nothing", "/api/v1/jobs/x"]
        {
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
            let request =
                TestRequest::default().method(method).uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN));
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

    #[actix_web::test]
    async fn an_address_that_guesses_is_refused_for_the_rest_of_the_minute() {
        let mocks = Mocks::default();
        let clock = Arc::clone(&mocks.clock);
        let context = mocks.context();
        let from = |address: &str, token: Option<&'static str>| {
            let request = TestRequest::get().uri("/api/v4/user").peer_addr(address.parse().unwrap());
            let forwarded = request.insert_header(("X-Forwarded-For", "192.0.2.9"));
            let request = token.map_or_else(
                || TestRequest::get().uri("/api/v4/user").peer_addr(address.parse().unwrap()),
                |token| forwarded.insert_header(("PRIVATE-TOKEN", token)),
            );
            let context = context.clone();
            async move { send(&context, request).await }
        };
        for _ in 0..3 {
            assert_eq!(from("10.0.0.1:1", None).await.status, 401);
            assert_eq!(from("10.0.0.1:1", Some("stk-wrong")).await.status, 401);
        }
        clock.set(Timestamp::from_millis(15_500));
        let refused = from("10.0.0.1:2", Some(TOKEN)).await;
        refused.is(429, r#"{"message":"429 Too Many Requests"}"#);
        assert_eq!(refused.header("Retry-After"), Some("45"));
        assert_eq!(from("10.0.0.1:1", None).await.status, 401);
        assert_eq!(from("10.0.0.2:1", Some(TOKEN)).await.status, 200);
        clock.set(Timestamp::from_millis(60_000));
        assert_eq!(from("10.0.0.1:1", Some(TOKEN)).await.status, 200);
    }

    #[test]
    fn no_spelling_of_an_administrators_path_leads_past_the_gate() {
        for path in [
            "/api/v4/admin",
            "/api/v4/admin/",
            "/api//v4/admin/x",
            "//api/v4/admin//",
            "/api/v1",
            "/api/v1/x",
        ] {
            assert_eq!(audience(path), Audience::Administrators, "{path}");
        }
        assert_eq!(audience("/api/v4/user/"), Audience::TokenHolders);
        for path in
            ["/", "/api", "/api/v4", "/api/v4/administrator", "/api/openapi.json", "/-/health", "/metrics"]
        {
            assert_eq!(audience(path), Audience::Everybody, "{path}");
        }
    }
}
