//! A connection as the server reads and writes it: bounded in time, and never answered without a body or an id.
//!
//! actix-http has a time limit for the first head of a connection only, waits for as long as a client likes for the rest
//! of a body that nobody reads, and for a client that does not read its answer. What it cannot parse it answers itself,
//! with a status and nothing else. [`Connection`] lies between it and the socket: it knows from [`ConnectionState`],
//! which the middleware keeps, what the client owes (the rest of a head, the rest of a body, nothing), and replaces the
//! bare answers of the parser.
//!
//! Where a head takes too long, or something in it is too long, the parser is given a byte that no head may have, so that it
//! fails and its answer comes at the right place behind all others. Where a body is not in chunks as its head says, it ends for
//! the parser, which otherwise takes the client for gone and answers nothing.

mod chunks;
mod head;
mod limits;
mod places;
mod refusal;
mod state;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::ApiError;
use head::Fault;
use places::Place;
use refusal::Refusal;

pub(crate) use head::MAX_URL;
pub use limits::ConnectionLimits;
pub(crate) use places::Connections;
pub(crate) use state::{ConnectionState, Exchange};

/// How long what a refused client still sends is read and dropped, so that it finds the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(2);

/// No head may have this byte in any place.
const UNPARSABLE: &[u8] = b"\0";

const OPEN: &str = "stocktake_http_connections";
const CUT_OFF: &str = "stocktake_http_connections_cut_off_total";

/// Describes the metrics that are recorded here.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!(OPEN, "Open connections.");
    metrics::describe_counter!(CUT_OFF, "Connections that were cut off, by reason.");
}

/// A connection to a client.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    state: Rc<ConnectionState>,
    /// Its place among the connections of this thread.
    _place: Place,
    timer: Pin<Box<Sleep>>,
    limits: ConnectionLimits,
    /// When to give up on a client that does not read its answer.
    write_deadline: Option<Instant>,
    /// Why the parser was made to fail.
    reason: Option<ApiError>,
    /// Whether what the client sends is read no more.
    has_ended: bool,
    /// The last answer, when it is not the parser's own.
    refusal: Option<Refusal>,
    /// When to close, after everything was written.
    linger_until: Option<Instant>,
    /// Whether the client sent something meanwhile.
    has_dropped: bool,
}

impl Connection {
    /// Takes in a connection; `None` if there is no room, or if the client is gone.
    pub(crate) fn accept(stream: TcpStream, connections: &Rc<Connections>) -> Option<Self> {
        let (peer, local) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
        let limits = connections.limits();
        let state = Rc::new(ConnectionState::new(local, limits));
        let place = connections.take_in(&state)?;
        metrics::gauge!(OPEN).increment(1);
        let timer = Box::pin(sleep_until(Instant::now()));
        Some(Self {
            stream,
            peer,
            state,
            _place: place,
            timer,
            limits,
            write_deadline: None,
            reason: None,
            has_ended: false,
            refusal: None,
            linger_until: None,
            has_dropped: false,
        })
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the requests of this connection share with it.
    pub(crate) fn state(&self) -> &Rc<ConnectionState> {
        &self.state
    }

    /// Ready when a deadline has passed; an error if there is no more to wait for. Wakes the task in time.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.set_waker(cx.waker());
        if self.state.is_evicted() {
            return Poll::Ready(Err(cut_off("limit")));
        }
        let deadlines = [self.state.deadline(), self.write_deadline];
        let Some(next) = deadlines.into_iter().flatten().min() else { return Poll::Pending };
        ready!(self.poll_until(cx, next));
        if self.write_deadline == Some(next) {
            return Poll::Ready(Err(cut_off("unread answer")));
        }
        if self.state.owes_head() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(cut_off(self.state.debt())))
        }
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx)
    }

    /// Makes the parser fail, for this reason.
    fn refuse(&mut self, buffer: &mut ReadBuf<'_>, reason: ApiError) {
        self.reason = Some(reason);
        self.state.forgive();
        buffer.put_slice(UNPARSABLE);
    }

    fn poll_plain_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let limit = self.limits.unread_answer;
        self.write_deadline.get_or_insert_with(|| Instant::now() + limit);
        ready!(self.poll_deadline(cx))?;
        // The next head is late, and what came before it is unread.
        Poll::Ready(Err(cut_off("unread answer")))
    }

    /// Writes the last answer, and waits until the client has had the time to read it. Ends with an error, upon which
    /// the server closes the connection.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, bare: &[u8]) -> Poll<io::Result<usize>> {
        let mut refusal = match self.refusal.take() {
            Some(refusal) => refusal,
            None if self.state.has_answered_early() => Refusal::silent(),
            None => Refusal::instead_of(bare, self.reason.take(), self.peer.ip()),
        };
        let ended = self.poll_ending(cx, &mut refusal);
        self.refusal = Some(refusal);
        ended
    }

    fn poll_ending(&mut self, cx: &mut Context<'_>, refusal: &mut Refusal) -> Poll<io::Result<usize>> {
        while !refusal.rest().is_empty() {
            let written = ready!(self.poll_plain_write(cx, refusal.rest()))?;
            refusal.advance(written);
        }
        ready!(self.poll_close(cx))?;
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    /// Ends the sending, then reads and drops what the client still sends until it has ended as well: closed before that,
    /// the connection would be reset, and the client lose the answers that it has not read yet. A client that waits for
    /// nothing is not waited for.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger_until.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let until = *self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
        let mut scratch = [0; 4096];
        while !self.state.is_evicted() {
            let mut dropped = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut dropped) {
                Poll::Ready(Ok(())) if !dropped.filled().is_empty() && Instant::now() < until => {
                    self.has_dropped = true;
                }
                Poll::Ready(_) => break,
                Poll::Pending if self.state.is_idle() && !self.has_dropped => break,
                Poll::Pending => {
                    ready!(self.poll_until(cx, until));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts a connection that is cut off.
fn cut_off(reason: &'static str) -> io::Error {
    metrics::counter!(CUT_OFF, "reason" => reason).increment(1);
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}

impl Drop for Connection {
    fn drop(&mut self) {
        metrics::gauge!(OPEN).decrement(1);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(passed) = this.poll_deadline(cx) {
            passed?;
            this.refuse(buffer, ApiError::RequestTimeout);
            return Poll::Ready(Ok(()));
        }
        if this.has_ended {
            return Poll::Ready(Ok(()));
        }
        if this.reason.is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        match this.state.receive(received) {
            Ok(()) => (),
            Err(Fault::Head(reason)) => {
                buffer.set_filled(before);
                this.refuse(buffer, reason);
            }
            Err(Fault::Chunk(good)) => {
                buffer.set_filled(before + good);
                this.has_ended = true;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match refusal::bare_answer_in(bytes) {
            Some(0) => this.poll_refusal(cx, bytes),
            Some(at) => this.poll_plain_write(cx, bytes.get(..at).unwrap_or(bytes)),
            None => this.poll_plain_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The deadline may be new since the last read, after which nothing else would wake the task. A head that is
        // late is refused by the next read.
        match this.poll_deadline(cx) {
            Poll::Ready(Ok(())) => cx.waker().wake_by_ref(),
            Poll::Ready(error) => return Poll::Ready(error),
            Poll::Pending => (),
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.state.set_waker(cx.waker());
        this.poll_close(cx)
    }
}
