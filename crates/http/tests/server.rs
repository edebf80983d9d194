//! The servers themselves, over real connections.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use stocktake_domain::ports::{
    MockCatalogue, MockJobs, MockQueue, MockTokens, Recalculated, Recalculation, StoreError,
};
use stocktake_domain::{Clock, Model, NewToken, RecordKey, Scope, Timestamp, Token, TokenId};
use stocktake_http::{Api, HttpSettings, serve, serve_metrics};
use tokio::sync::Notify;

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// Tells when it is asked, and finds nothing once it is let go on.
#[derive(Default)]
struct HeldRecalculation {
    asked: Notify,
    go_on: Notify,
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

fn api(recalculation: Arc<HeldRecalculation>, metrics_elsewhere: bool) -> Arc<Api> {
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
    let mut jobs = MockJobs::new();
    jobs.expect_open().returning(|| Ok(vec![]));
    let settings = HttpSettings {
        external_url: None,
        offset_limit: 50_000,
        recalculation_deadline: Duration::from_secs(30),
        max_body_bytes: 1000,
        wrong_tokens_per_minute: 100,
        version: "1".to_owned(),
        revision: "r".to_owned(),
        metrics_elsewhere,
    };
    Arc::new(Api {
        catalogue: Arc::new(catalogue),
        queue: Arc::new(MockQueue::new()),
        jobs: Arc::new(jobs),
        tokens: Arc::new(tokens),
        recalculation,
        clock: Arc::new(StillClock),
        settings,
        metrics: Arc::new(|| "process_metric 1\n".to_owned()),
    })
}

/// A server on a thread of its own.
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(
        start: impl FnOnce(TcpListener) -> std::io::Result<actix_web::dev::Server> + Send + 'static,
    ) -> Self {
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

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// The whole answer to a request, whose connection is closed after it.
    fn answer(&self, head: &str, body: &[u8]) -> String {
        let mut stream = self.connect();
        let head = format!("{head}\r\nHost: stock.test\r\nPRIVATE-TOKEN: stk-x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(self) {
        actix_web::rt::System::new().block_on(self.handle.stop(true));
        self.thread.join().unwrap().unwrap();
    }
}

fn start() -> Running {
    Running::start(|listener| serve(api(Arc::default(), false), listener, 1))
}

#[test]
fn head_is_get_without_the_body() {
    let server = start();
    let get = server.answer("GET /api/v4/version HTTP/1.1", b"");
    let (head, body) = get.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"version":"1","revision":"r"}"#);
    let only_head = server.answer("HEAD /api/v4/version HTTP/1.1", b"");
    let length = format!("content-length: {}", body.len());
    assert!(head.contains(&length) && only_head.contains(&length), "{only_head}");
    assert!(only_head.ends_with("\r\n\r\n"));
    server.stop();
}

#[test]
fn a_sender_of_too_large_a_body_gets_its_answer() {
    let server = start();
    let body = vec![b'a'; 8 << 20];
    let head = "PUT /api/v4/admin/data_management/uploads/checksum HTTP/1.1";
    let answer = server.answer(&format!("{head}\r\nContent-Length: {}", body.len()), &body);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(r#"{"message":"413 Request Entity Too Large"}"#), "{answer}");
    server.stop();
}

#[test]
fn links_name_the_host_that_was_asked() {
    let server = start();
    let answer =
        server.answer("GET /api/v4/admin/data_management/uploads HTTP/1.1\r\nX-Forwarded-Host: x", b"");
    let first =
        "link: <http://stock.test/api/v4/admin/data_management/uploads?page=1&per_page=20>; rel=\"first\"";
    assert!(answer.contains(first), "{answer}");
    server.stop();
}

#[test]
fn nothing_a_client_writes_is_our_fault() {
    let server = start();
    let long = format!("GET /{} HTTP/1.1", "a".repeat(70_000));
    for head in [
        long.as_str(),
        "GET /%00%FF/../.. HTTP/1.1",
        "BREW / HTTP/1.1",
        "GET http://[ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let mut stream = server.connect();
        // The server may stop reading a head that is too long, so that the rest cannot be written.
        let _ = stream.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{} {answer}", head.get(..20).unwrap_or(head));
    }
    server.stop();
}

#[test]
fn a_graceful_stop_finishes_what_is_under_way() {
    let held = Arc::new(HeldRecalculation::default());
    let recalculation = Arc::clone(&held);
    let server = Running::start(move |listener| serve(api(recalculation, false), listener, 1));
    let mut idle = server.connect();
    idle.write_all(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0];
    idle.read_exact(&mut first).unwrap();
    let mut busy = server.connect();
    let put = "PUT /api/v4/admin/data_management/uploads/1/checksum HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: stk-x\r\n\r\n";
    busy.write_all(put.as_bytes()).unwrap();
    let system = actix_web::rt::System::new();
    let stopped = system.block_on(async {
        held.asked.notified().await;
        let stopping = actix_web::rt::spawn(server.handle.stop(true));
        held.go_on.notify_one();
        stopping.await
    });
    stopped.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    server.thread.join().unwrap().unwrap();
}

#[test]
fn metrics_can_have_an_address_of_their_own() {
    let main = Running::start(|listener| serve(api(Arc::default(), true), listener, 1));
    let own = Running::start(|listener| serve_metrics(api(Arc::default(), true), listener));
    assert!(main.answer("GET /metrics HTTP/1.1", b"").starts_with("HTTP/1.1 404 "));
    assert!(own.answer("GET /metrics HTTP/1.1", b"").contains("process_metric 1\n"));
    assert!(own.answer("GET /api/v4/version HTTP/1.1", b"").starts_with("HTTP/1.1 404 "));
    main.stop();
    own.stop();
    let both = start();
    assert!(both.answer("GET /metrics HTTP/1.1", b"").contains("process_metric 1\n"));
    both.stop();
}
