//! An HTTP/1.1 proxy that stands between a client and a server and does to the answers what networks do.
//!
//! ```no_run
//! # use stocktake_testbed::{Fault, FaultProxy};
//! let proxy = FaultProxy::start("127.0.0.1:9000", |asked| match asked.number {
//!     0 => Fault::Reset { after: 1_000 },
//!     _ => Fault::None,
//! })?;
//! println!("instead of http://127.0.0.1:9000: {}", proxy.url());
//! # anyhow::Ok(())
//! ```

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::net::sockopt::set_socket_linger;

/// Bytes passed on at a time.
const PIECE: usize = 64 * 1024;

/// The most bytes that the head of a request or of an answer has.
const MAX_HEAD: u64 = 64 * 1024;

/// A request that the proxy was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How many requests came before it.
    pub number: usize,
    /// `GET`, `HEAD`…
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// Names as they were sent, and values.
    pub headers: Vec<(String, String)>,
}

/// What is done to the answer. Numbers of bytes are of the answer's body, as it is sent.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: it is passed on as it is.
    None,
    /// The server is not asked at all; this is answered.
    Answer {
        /// The status, for example 503.
        status: u16,
        /// Headers besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The connection is reset behind so many bytes. The client may have got fewer of them.
    Reset {
        /// Bytes of the body that are passed on before.
        after: u64,
    },
    /// The connection is closed in an orderly way behind so many bytes.
    Truncate {
        /// Bytes of the body that are passed on before.
        after: u64,
        /// Whether `Content-Length` is the number of bytes that really come, so that it looks whole.
        hidden: bool,
    },
    /// Another `Content-Length` than that of the server; all bytes are passed on.
    Length(u64),
    /// Nothing more comes behind so many bytes, until the client hangs up.
    Hang {
        /// Bytes of the body that are passed on before.
        after: u64,
    },
    /// The body comes slowly.
    Drip {
        /// Bytes passed on at a time.
        bytes: usize,
        /// The time between.
        pause: Duration,
    },
}

/// A running proxy. Once dropped it takes no more connections; those that are open go on to their end.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Plan = Box<dyn Fn(&Asked) -> Fault + Send + Sync>;

struct Shared {
    upstream: String,
    plan: Plan,
    asked: Mutex<Vec<Asked>>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Asked {
    /// The value of the header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Fault {
    /// The answer of an S3 server that asks to be asked less often.
    pub fn slow_down() -> Self {
        let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
        Self::Answer {
            status: 503,
            headers: vec![("Content-Type".to_owned(), "application/xml".to_owned())],
            body: body.to_owned(),
        }
    }
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and passes on to `upstream` (host and port, plain HTTP). `plan`
    /// says of each request what is done to its answer.
    pub fn start(
        upstream: &str,
        plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            plan: Box::new(plan),
            asked: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let listening = Arc::clone(&shared);
        thread::Builder::new().name("fault-proxy".to_owned()).spawn(move || listening.listen(&listener))?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the listening thread; if that fails, it is not listening.
        let _woken = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn listen(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            let shared = Arc::clone(&self);
            // One request a connection, and a thread for it. A connection that breaks is the client's to see.
            thread::spawn(move || drop(shared.serve(&client)));
        }
    }

    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut from_client = BufReader::new(client);
        let head = Head::read(&mut from_client)?;
        let (asked, fault) = self.decide(&head)?;
        if let Fault::Answer { status, headers, body } = &fault {
            let mut answer = Head::answer(*status, headers);
            answer.set_length(u64::try_from(body.len()).unwrap_or(0));
            answer.write(client)?;
            return (&mut &*client).write_all(body.as_bytes());
        }
        let server = TcpStream::connect(&self.upstream)?;
        head.write(&server)?;
        let mut body = (&mut from_client).take(head.length().unwrap_or(0));
        io::copy(&mut body, &mut &server)?;
        pass_on(client, &server, &asked, &fault)
    }

    fn decide(&self, head: &Head) -> io::Result<(Asked, Fault)> {
        let mut words = head.first.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other("no request"));
        };
        let mut asked = Asked { number: 0, method, target, headers: head.headers.clone() };
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.number = all.len();
        all.push(asked.clone());
        drop(all);
        let fault = (self.plan)(&asked);
        Ok((asked, fault))
    }
}

/// Passes the answer on to the client, with the fault.
fn pass_on(client: &TcpStream, server: &TcpStream, asked: &Asked, fault: &Fault) -> io::Result<()> {
    let mut from_server = BufReader::with_capacity(PIECE, server);
    let mut head = Head::read(&mut from_server)?;
    let has_body = asked.method != "HEAD" && !head.first.contains(" 204 ") && !head.first.contains(" 304 ");
    let whole = head.length().filter(|_| has_body);
    match fault {
        Fault::Length(bytes) => head.set_length(*bytes),
        Fault::Truncate { after, hidden: true } => {
            head.set_length(whole.map_or(*after, |whole| whole.min(*after)));
        }
        _ => {}
    }
    head.write(client)?;
    if !has_body {
        return Ok(());
    }
    let mut body = from_server.take(whole.unwrap_or(u64::MAX));
    match fault {
        Fault::Reset { after } => {
            io::copy(&mut body.take(*after), &mut &*client)?;
            // Closing a socket that lingers for no time resets the connection.
            set_socket_linger(client, Some(Duration::ZERO))?;
            Ok(())
        }
        Fault::Truncate { after, .. } => io::copy(&mut body.take(*after), &mut &*client).map(drop),
        Fault::Hang { after } => {
            io::copy(&mut body.take(*after), &mut &*client)?;
            io::copy(&mut &*client, &mut io::sink()).map(drop)
        }
        Fault::Drip { bytes, pause } => drip(client, &mut body, *bytes, *pause),
        _ => io::copy(&mut body, &mut &*client).map(drop),
    }?;
    if matches!(fault, Fault::Reset { .. }) { Ok(()) } else { client.shutdown(Shutdown::Write) }
}

fn drip(mut client: &TcpStream, body: &mut impl Read, bytes: usize, pause: Duration) -> io::Result<()> {
    let mut piece = vec![0; bytes.max(1)];
    loop {
        let count = body.read(&mut piece)?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
        client.write_all(read)?;
        thread::sleep(pause);
    }
}

/// The first line and the headers of a request or an answer.
struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn answer(status: u16, headers: &[(String, String)]) -> Self {
        Self { first: format!("HTTP/1.1 {status} Answered by the proxy"), headers: headers.to_vec() }
    }

    fn read(from: &mut impl io::BufRead) -> io::Result<Self> {
        let mut lines = from.take(MAX_HEAD).lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let mut headers = Vec::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { first, headers })
    }

    /// Writes it, saying that the connection is for this one request only.
    fn write(&self, mut to: &TcpStream) -> io::Result<()> {
        let headers = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        let mut lines = vec![self.first.clone()];
        lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
        let head = lines.join("\r\n") + "\r\nConnection: close\r\n\r\n";
        to.write_all(head.as_bytes())
    }

    fn length(&self) -> Option<u64> {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        found.and_then(|(_, value)| value.parse().ok())
    }

    fn set_length(&mut self, bytes: u64) {
        let framing = ["content-length", "transfer-encoding"];
        self.headers.retain(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
        self.headers.push(("Content-Length".to_owned(), bytes.to_string()));
    }
}

#[cfg(test)]
mod tests;
