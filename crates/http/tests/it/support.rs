//! A server over mocks, and a plain client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use stocktake_domain::contract::MemoryStore;
use stocktake_domain::ports::{
    Catalogue, MockCatalogue, MockConditions, MockJobs, MockQueue, MockSyncState, MockTokens, Recalculated,
    Recalculation, StoreError, Tokens,
};
use stocktake_domain::{Clock, Model, NewToken, RecordKey, Scope, Timestamp, Token, TokenDigest, TokenId};
use stocktake_http::{Api, ConnectionLimits, HttpSettings, serve};
use stocktake_web::{Authenticator, AuthenticatorParts, SummaryCache};
use tokio::sync::Notify;

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// Signals when it is asked, and finds nothing once it is let go on.
#[derive(Default)]
pub(crate) struct HeldRecalculation {
    pub(crate) asked: Notify,
    pub(crate) go_on: Notify,
}

#[async_trait]
impl Recalculation for HeldRecalculation {
    async fn recalculate_now(
        &self,
        _: Model,
        _: &RecordKey,
        _: Duration,
    ) -> Result<Option<Recalculated>, StoreError> {
        self.asked.notify_one();
        self.go_on.notified().await;
        Ok(None)
    }
}

/// An API over a database in memory, which knows the token `stk-x`, with these limits.
pub(crate) fn stored_api(connections: ConnectionLimits) -> Arc<Api> {
    let store = MemoryStore::new(Arc::new(StillClock));
    let made = NewToken {
        name: "t".to_owned(),
        owner: "o".to_owned(),
        admin: true,
        scope: Scope::Api,
        expires_at: None,
        digest: TokenDigest(Sha256::digest("stk-x").into()),
    };
    let system = actix_web::rt::System::new();
    system.block_on(store.create(&made)).unwrap().unwrap();
    let settings = HttpSettings { connections, max_body_bytes: 1 << 20, ..settings(false) };
    Arc::new(Api {
        catalogue: store.clone(),
        queue: store.clone(),
        jobs: store.clone(),
        sync_state: store.clone(),
        authenticator: authenticator(store.clone()),
        summary: SummaryCache::new(store.clone(), Arc::new(StillClock)),
        conditions: store,
        recalculation: Arc::new(NoRecalculation),
        settings,
        ..Api::clone(&api(Arc::default(), false))
    })
}

/// Knows these tokens alone.
fn authenticator(tokens: Arc<dyn Tokens>) -> Arc<Authenticator> {
    let parts = AuthenticatorParts { tokens, authority: None, clock: Arc::new(StillClock) };
    Arc::new(Authenticator::new(parts, 100))
}

/// Finds nothing.
struct NoRecalculation;

#[async_trait]
impl Recalculation for NoRecalculation {
    async fn recalculate_now(
        &self,
        _: Model,
        _: &RecordKey,
        _: Duration,
    ) -> Result<Option<Recalculated>, StoreError> {
        Ok(None)
    }
}

fn settings(separate_metrics: bool) -> HttpSettings {
    HttpSettings {
        external_url: None,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        offset_limit: 50_000,
        recalculation_deadline: Duration::from_secs(30),
        connections: ConnectionLimits::new(100),
        max_body_bytes: 1000,
        host: "host".to_owned(),
        version: "1".to_owned(),
        revision: "r".to_owned(),
        front_page: None,
        separate_metrics,
    }
}

pub(crate) fn api(recalculation: Arc<HeldRecalculation>, separate_metrics: bool) -> Arc<Api> {
    let mut tokens = MockTokens::new();
    tokens.expect_find().returning(|digest| {
        let made = NewToken {
            name: "t".to_owned(),
            owner: "o".to_owned(),
            admin: true,
            scope: Scope::Api,
            expires_at: None,
            digest: *digest,
        };
        Ok(Some(Token { id: TokenId(1), made, created_at: Timestamp::from_millis(0), revoked_at: None }))
    });
    let mut catalogue = MockCatalogue::new();
    catalogue.expect_summary().returning(|| Ok(vec![]));
    catalogue.expect_page().returning(|_| Ok(stocktake_domain::ports::Page::default()));
    catalogue.expect_get().returning(|_, _| Err(StoreError::Internal("row 7 is odd".into())));
    let mut jobs = MockJobs::new();
    jobs.expect_open().returning(|| Ok(vec![]));
    jobs.expect_count_open().returning(|| Ok(0));
    let mut syncs = MockSyncState::new();
    syncs.expect_states().returning(|| Ok(vec![]));
    let mut conditions = MockConditions::new();
    conditions.expect_conditions().returning(|| Ok(vec![]));
    let catalogue: Arc<dyn Catalogue> = Arc::new(catalogue);
    Arc::new(Api {
        catalogue: Arc::clone(&catalogue),
        queue: Arc::new(MockQueue::new()),
        jobs: Arc::new(jobs),
        sync_state: Arc::new(syncs),
        conditions: Arc::new(conditions),
        authenticator: authenticator(Arc::new(tokens)),
        summary: SummaryCache::new(catalogue, Arc::new(StillClock)),
        recalculation,
        clock: Arc::new(StillClock),
        settings: settings(separate_metrics),
        metrics: Arc::new(|| "process_metric 1\n".to_owned()),
    })
}

/// What this process logs. Collected before the first server starts, so that no event is registered without it.
pub(crate) static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A server on a thread of its own.
pub(crate) struct Running {
    address: SocketAddr,
    pub(crate) handle: ServerHandle,
    pub(crate) thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) fn start(
        start: impl FnOnce(TcpListener) -> std::io::Result<actix_web::dev::Server> + Send + 'static,
    ) -> Self {
        LazyLock::force(&LOG);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = start(listener)?;
                sender.send(server.handle()).unwrap();
                server.await
            })
        });
        Self { address, handle: receiver.recv().unwrap(), thread }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// The whole answer to a request, whose connection is closed after it.
    pub(crate) fn answer(&self, head: &str, body: &[u8]) -> String {
        let mut stream = self.connect();
        let head = format!("{head}\r\nHost: stock.test\r\nPRIVATE-TOKEN: stk-x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn stop(self) {
        actix_web::rt::System::new().block_on(self.handle.stop(true));
        self.thread.join().unwrap().unwrap();
    }
}

pub(crate) fn start() -> Running {
    Running::start(|listener| serve(api(Arc::default(), false), listener, 1, None))
}
