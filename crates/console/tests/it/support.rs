//! A console over a database in memory, and requests to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody as _;
use actix_web::dev::Service as _;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, cookie::Cookie};
use sha2::{Digest as _, Sha256};
use stocktake_console::{ConfigurationValue, Console, ConsoleSettings, FindingLines, StorageFacts};
use stocktake_domain::contract::{ManualClock, MemoryStore};
use stocktake_domain::ports::{
    Authority, Catalogue, MockAuthority, MockContentAcceptance, MockRecalculation, Tokens as _,
};
use stocktake_domain::{
    Digest, Failed, Failure, FailureTimes, History, Location, Model, NewToken, Record, RecordKey, Scope,
    SessionTerms, SourceRecord, Status, Timestamp, TokenDigest, Verification,
};
use stocktake_web::{Authenticator, AuthenticatorParts, SummaryCache};

/// Tokens of an administrator for everything, of one for reading, and of somebody else.
pub(crate) const ADMIN: &str = "stk-admin";
pub(crate) const READER: &str = "stk-reader";
pub(crate) const NOBODY: &str = "stk-nobody";

/// The parts of a console, to be given expectations.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) catalogue: Option<Arc<dyn Catalogue>>,
    pub(crate) authority: Option<MockAuthority>,
    pub(crate) recalculation: MockRecalculation,
    pub(crate) acceptance: MockContentAcceptance,
    pub(crate) settings: ConsoleSettings,
}

impl World {
    /// An empty database that knows the three tokens.
    pub(crate) async fn new() -> Self {
        let clock = Arc::<ManualClock>::default();
        clock.set(at("2026-11-26T02:03:11Z"));
        let store = MemoryStore::new(clock.clone());
        for (text, admin, scope) in
            [(ADMIN, true, Scope::Api), (READER, true, Scope::ReadApi), (NOBODY, false, Scope::Api)]
        {
            let digest = TokenDigest(Sha256::digest(text).into());
            let (name, owner) = (text.to_owned(), text.trim_start_matches("stk-").to_owned());
            let made = NewToken { name, owner, admin, scope, expires_at: None, digest };
            store.create(&made).await.unwrap().unwrap();
        }
        Self {
            store,
            clock,
            catalogue: None,
            authority: None,
            recalculation: MockRecalculation::new(),
            acceptance: MockContentAcceptance::new(),
            settings: settings(),
        }
    }

    /// With these records besides.
    pub(crate) fn with(self, records: impl IntoIterator<Item = Record>) -> Self {
        for record in records {
            self.store.put(record, None);
        }
        self
    }

    /// The console over these parts.
    pub(crate) fn open(self) -> Site {
        let catalogue = self.catalogue.unwrap_or_else(|| self.store.clone());
        let parts = AuthenticatorParts {
            tokens: self.store.clone(),
            authority: self.authority.map(|authority| -> Arc<dyn Authority> { Arc::new(authority) }),
            clock: self.clock.clone(),
        };
        let console = Console {
            summary: SummaryCache::new(catalogue.clone(), self.clock.clone()),
            catalogue,
            jobs: self.store.clone(),
            sync_state: self.store.clone(),
            conditions: self.store.clone(),
            orphan_walks: self.store.clone(),
            recalculation: Arc::new(self.recalculation),
            acceptance: Arc::new(self.acceptance),
            sessions: self.store.clone(),
            authenticator: Arc::new(Authenticator::new(parts, 2)),
            clock: self.clock,
            secret,
            finding_lines: FindingLines {
                csv_header: || "model,id\n".to_owned(),
                csv_line: |record| format!("{},{}\n", record.model, record.key),
                json: |record| format!("{{\"id\":{}}}", record.key),
            },
            settings: self.settings,
        };
        Site { mount: Arc::new(console.mount()) }
    }
}

/// A value unlike any other.
#[expect(clippy::unnecessary_wraps, reason = "the real one may fail")]
fn secret() -> Option<[u8; 32]> {
    static COUNTER: AtomicU8 = AtomicU8::new(0);
    Some(Sha256::digest([COUNTER.fetch_add(1, Ordering::Relaxed)]).into())
}

fn settings() -> ConsoleSettings {
    ConsoleSettings {
        session: SessionTerms { idle: Duration::from_secs(3_600), longest: Duration::from_secs(7_200) },
        recalculation_deadline: Duration::from_secs(30),
        external_url: None,
        gitlab: None,
        has_source: true,
        has_registries: false,
        host: "files-1".to_owned(),
        version: "1.2.3".to_owned(),
        revision: "abc".to_owned(),
        database: "/var/lib/stocktake.db".to_owned(),
        storages: vec![StorageFacts {
            name: "main".to_owned(),
            kind: "directory".to_owned(),
            place: "/srv/data".to_owned(),
            limit: None,
            hours: None,
            readers: "32".to_owned(),
        }],
        configuration: vec![ConfigurationValue {
            key: "database.url".to_owned(),
            value: "\"postgres://root:***@db\"".to_owned(),
            origin: "stocktake.toml line 2".to_owned(),
        }],
    }
}

/// A console that answers.
pub(crate) struct Site {
    mount: Arc<dyn Fn(&mut actix_web::web::ServiceConfig)>,
}

/// An answer as the browser gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// Where it leads to.
    pub(crate) fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("Location").unwrap()
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.body().contains(text), "{text:?} is not in\n{}", self.body());
    }

    #[track_caller]
    pub(crate) fn says_not(&self, text: &str) {
        assert!(!self.body().contains(text), "{text:?} is in\n{}", self.body());
    }

    /// What a person reads, without the tags.
    pub(crate) fn text(&self) -> String {
        let pieces =
            self.body().split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
        pieces.collect()
    }

    /// All of these, each behind the one before it.
    #[track_caller]
    pub(crate) fn says_in_order(&self, texts: &[&str]) {
        let mut rest = self.body();
        for text in texts {
            let found = rest.split_once(text);
            assert!(found.is_some(), "{text:?} is not behind the others in\n{}", self.body());
            rest = found.map(|(_, rest)| rest).unwrap_or_default();
        }
    }

    /// The value that the forms of the page have.
    pub(crate) fn form_value(&self) -> String {
        let (_, rest) = self.body().split_once("name=\"csrf\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Somebody with a browser.
pub(crate) struct Browser<'a> {
    site: &'a Site,
    cookie: Option<Cookie<'static>>,
}

impl Site {
    pub(crate) async fn send(&self, request: TestRequest) -> Answer {
        let mount = Arc::clone(&self.mount);
        let service = init_service(App::new().configure(move |config| mount(config))).await;
        let response = service.call(request.to_request()).await.unwrap().into_parts().1;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = actix_web::body::to_bytes(response.into_body().boxed()).await.unwrap().to_vec();
        Answer { status, headers, bytes }
    }

    /// Nobody yet.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookie: None }
    }

    /// Somebody who signed in with this token.
    pub(crate) async fn signed_in(&self, token: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser.sign_in(token).await;
        assert_eq!(answer.status, 303, "{}", answer.body());
        browser
    }
}

impl Browser<'_> {
    /// Signs in, and keeps the cookie.
    pub(crate) async fn sign_in(&mut self, token: &str) -> Answer {
        let answer = self.post("/console/login", &[("token", token)]).await;
        let set = answer.header("Set-Cookie").map(|set| Cookie::parse(set.to_owned()).unwrap());
        self.cookie = set.or(self.cookie.take());
        answer
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(TestRequest::get().uri(uri)).await
    }

    /// Sends a form as it is.
    pub(crate) async fn post(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(TestRequest::post().uri(uri).set_form(fields)).await
    }

    /// Sends a form with the value that pages of the session have.
    pub(crate) async fn act(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let value = self.get("/console/settings").await.form_value();
        let mut all = vec![("csrf", value.as_str())];
        all.extend(fields);
        self.post(uri, &all).await
    }

    pub(crate) async fn send(&self, mut request: TestRequest) -> Answer {
        if let Some(cookie) = &self.cookie {
            request = request.cookie(cookie.clone());
        }
        self.site.send(request).await
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A pending record with an integer key.
pub(crate) fn record(model: Model, key: i64, path: &str) -> Record {
    let location = Location { storage: "main".to_owned(), path: path.to_owned() };
    Record::new(model, SourceRecord::new(RecordKey::integer(key), location))
}

/// A failed record.
pub(crate) fn failed(model: Model, key: i64, path: &str, failure: Failure) -> Record {
    let (failures, retry_at) =
        (Some(FailureTimes::once(at("2026-11-25T22:41:07Z"))), at("2026-11-26T02:55:20Z"));
    let history = History { attempt: 4, retry_count: 4, baseline: None, failures };
    let status = Status::Failed(Verification::restore(history, Failed { failure, retry_at }));
    Record { status, ..record(model, key, path) }
}

/// A record whose content is another one than the recorded.
pub(crate) fn altered(model: Model, key: i64) -> Record {
    let (expected, found) = (Digest::Md5([0x11; 16]), Digest::Md5([0x22; 16]));
    let failure = Failure::checksum_mismatch(expected, found);
    Record {
        expected: Some(expected),
        file_size: Some(48_213_772),
        ..failed(model, key, "ab/cd.bin", failure)
    }
}
