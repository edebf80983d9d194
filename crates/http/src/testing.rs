//! What the tests of the endpoints share: an [`Api`] over mocks, a clock that only moves when it is set, and requests that
//! go through the whole application.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody as _;
use actix_web::dev::Service as _;
use actix_web::test::TestRequest;
use actix_web::web;
use sha2::{Digest as _, Sha256};
use stocktake_domain::ports::{
    Authority, Beyond, Catalogue, Identity, MockAuthority, MockCatalogue, MockConditions, MockJobs,
    MockQueue, MockRecalculation, MockSyncState, MockTokens, Page, StoreError,
};
use stocktake_domain::{
    Clock, Location, Model, NewToken, Record, RecordKey, Scope, SourceRecord, Timestamp, Token, TokenDigest,
    TokenId,
};
use stocktake_web::{Authenticator, AuthenticatorParts, SummaryCache};

use crate::{Api, ConnectionLimits, Context, HttpSettings, server};

/// The text of the token that [`Mocks::default`] knows: an administrator's, for everything.
pub(crate) const TOKEN: &str = "stk-right";

/// A clock that only moves when it is set.
#[derive(Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn set(&self, time: Timestamp) {
        self.0.store(time.millis(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// The parts of an [`Api`], to be given expectations.
pub(crate) struct Mocks {
    pub(crate) catalogue: MockCatalogue,
    pub(crate) jobs: MockJobs,
    pub(crate) sync_state: MockSyncState,
    pub(crate) conditions: MockConditions,
    pub(crate) tokens: MockTokens,
    pub(crate) authority: Option<MockAuthority>,
    pub(crate) recalculation: MockRecalculation,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: HttpSettings,
}

impl Default for Mocks {
    /// Knows [`TOKEN`] alone, and expects nothing else.
    fn default() -> Self {
        Self::knowing(token(TOKEN))
    }
}

impl Mocks {
    /// Knows this token alone, and expects nothing else.
    pub(crate) fn knowing(token: Token) -> Self {
        let mut tokens = MockTokens::new();
        tokens
            .expect_find()
            .returning(move |digest| Ok((token.made.digest == *digest).then(|| token.clone())));
        Self {
            catalogue: MockCatalogue::new(),
            jobs: MockJobs::new(),
            sync_state: MockSyncState::new(),
            conditions: MockConditions::new(),
            tokens,
            authority: None,
            recalculation: MockRecalculation::new(),
            clock: Arc::default(),
            settings: settings(),
        }
    }

    /// The API over these parts.
    pub(crate) fn api(self) -> Arc<Api> {
        let catalogue: Arc<dyn Catalogue> = Arc::new(self.catalogue);
        let parts = AuthenticatorParts {
            tokens: Arc::new(self.tokens),
            authority: self.authority.map(|authority| -> Arc<dyn Authority> { Arc::new(authority) }),
            clock: self.clock.clone(),
        };
        Arc::new(Api {
            catalogue: Arc::clone(&catalogue),
            queue: Arc::new(MockQueue::new()),
            jobs: Arc::new(self.jobs),
            sync_state: Arc::new(self.sync_state),
            conditions: Arc::new(self.conditions),
            authenticator: Arc::new(Authenticator::new(parts, 3)),
            summary: SummaryCache::new(catalogue, self.clock.clone()),
            recalculation: Arc::new(self.recalculation),
            clock: self.clock,
            settings: self.settings,
            metrics: Arc::new(|| "process_metric 1\n".to_owned()),
        })
    }

    /// The context over these parts.
    pub(crate) fn context(self) -> web::Data<Context> {
        web::Data::new(Context::new(self.api()))
    }

    /// The answer to a `GET` with [`TOKEN`].
    pub(crate) async fn get(self, uri: &str) -> Answer {
        send(&self.context(), TestRequest::get().uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN))).await
    }

    /// The answer to a `PUT` with [`TOKEN`].
    pub(crate) async fn put(self, uri: &str) -> Answer {
        send(&self.context(), TestRequest::put().uri(uri).insert_header(("PRIVATE-TOKEN", TOKEN))).await
    }
}

pub(crate) fn settings() -> HttpSettings {
    HttpSettings {
        external_url: Some("https://stock.test".to_owned()),
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        offset_limit: 50_000,
        recalculation_deadline: Duration::from_secs(30),
        connections: ConnectionLimits::new(100),
        max_body_bytes: 1000,
        host: "here".to_owned(),
        version: "1.2.3".to_owned(),
        revision: "abc".to_owned(),
        front_page: None,
        separate_metrics: false,
    }
}

/// An answer as the client sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: actix_web::http::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and body at once.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
    }
}

/// Sends a request through the whole application.
pub(crate) async fn send(context: &web::Data<Context>, request: TestRequest) -> Answer {
    let app = server::app(context.clone(), server::Served { endpoints: server::all, mount: None });
    let service = actix_web::test::init_service(app).await;
    let response = match service.call(request.to_request()).await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().try_into_bytes().unwrap();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// An administrator's token for everything, with this text.
pub(crate) fn token(text: &str) -> Token {
    let digest = TokenDigest(Sha256::digest(text).into());
    let made = NewToken {
        name: "ci".to_owned(),
        owner: "root".to_owned(),
        admin: true,
        scope: Scope::Api,
        expires_at: None,
        digest,
    };
    Token { id: TokenId(7), made, created_at: Timestamp::from_millis(0), revoked_at: None }
}

/// An administrator whose token is for everything, as an authority knows them.
pub(crate) fn identity() -> Identity {
    Identity {
        id: 42,
        username: "ada".to_owned(),
        name: "Ada Lovelace".to_owned(),
        admin: true,
        scope: Some(Scope::Api),
    }
}

/// A pending record of the model `projects`.
pub(crate) fn record(parts: &[i64]) -> Record {
    let location = Location { storage: "main".to_owned(), path: "a".to_owned() };
    Record::new(Model::Projects, SourceRecord::new(key(parts), location))
}

pub(crate) fn key(parts: &[i64]) -> RecordKey {
    RecordKey::from_parts(parts.to_vec()).unwrap()
}

/// A page of records with integer keys.
pub(crate) fn page(keys: impl IntoIterator<Item = i64>, has_previous: bool, has_next: bool) -> Page {
    let beyond = |is_more| if is_more { Beyond::Matches } else { Beyond::Nothing };
    let records = keys.into_iter().map(|key| record(&[key])).collect();
    Page { records, next: beyond(has_next), previous: beyond(has_previous) }
}

pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable("no route to db.internal".into())
}
