//! What a connection and the requests on it know of each other.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Instant;

use super::head::{Fault, HeadScanner};
use super::limits::ConnectionLimits;

/// What the client has to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing, or a first request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body, or nothing while the answer is made.
    Exchange,
    /// The rest of a body that was answered before it had come.
    UnreadBody,
}

/// The state of a connection.
pub(crate) struct ConnectionState {
    local: SocketAddr,
    limits: ConnectionLimits,
    phase: Cell<Phase>,
    deadline: Cell<Option<Instant>>,
    heads: RefCell<HeadScanner>,
    /// Whether a valid token has come on it.
    is_known: Cell<bool>,
    is_evicted: Cell<bool>,
    waker: RefCell<Waker>,
}

impl ConnectionState {
    /// A connection to this address of ours, of which nothing has been read.
    pub(super) fn new(local: SocketAddr, limits: ConnectionLimits) -> Self {
        Self {
            local,
            limits,
            phase: Cell::new(Phase::Idle),
            deadline: Cell::new(Some(Instant::now() + limits.head)),
            heads: RefCell::new(HeadScanner::new()),
            is_known: Cell::new(false),
            is_evicted: Cell::new(false),
            waker: RefCell::new(Waker::noop().clone()),
        }
    }

    /// The address of ours that the client reached.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// A valid token has come.
    pub(crate) fn set_known(&self) {
        self.is_known.set(true);
    }

    /// The order in which connections are given up: strangers first, and of those who have shown a token only one
    /// without a request under way.
    pub(super) fn eviction_rank(&self) -> Option<(bool, bool)> {
        let rank = (self.is_known.get(), self.phase.get() == Phase::Exchange);
        (rank != (true, true)).then_some(rank)
    }

    /// Ends the connection.
    pub(super) fn evict(&self) {
        self.is_evicted.set(true);
        self.waker.borrow().wake_by_ref();
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.get()
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
    }

    /// When the client must have sent what it owes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Whether there is no request, nor a part of one.
    pub(super) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    /// Whether a head has begun and not ended.
    pub(super) fn owes_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// What the client owes, for the metrics.
    pub(super) fn debt(&self) -> &'static str {
        match self.phase.get() {
            Phase::UnreadBody => "unread body",
            Phase::Idle | Phase::Head | Phase::Exchange => "no request",
        }
    }

    /// Whether the last request was answered before its body had come, so that what cannot be parsed behind it is no
    /// request of its own.
    pub(super) fn has_answered_early(&self) -> bool {
        self.phase.get() == Phase::UnreadBody
    }

    /// The client owes nothing any more.
    pub(super) fn forgive(&self) {
        self.deadline.set(None);
    }

    /// These bytes have come. An error if the parser must not see all of them.
    pub(super) fn receive(&self, bytes: &[u8]) -> Result<(), Fault> {
        if self.phase.get() == Phase::Idle && !bytes.is_empty() {
            self.phase.set(Phase::Head);
            self.deadline.set(Some(Instant::now() + self.limits.head));
        }
        self.heads.borrow_mut().scan(bytes)
    }
}

/// A request under way on a connection, until its answer is written. It then expects the next one, or else, for
/// a while, the rest of the body.
pub(crate) struct Exchange {
    state: Rc<ConnectionState>,
    has_whole_body: bool,
}

impl Exchange {
    /// The head of a request has come.
    pub(crate) fn begin(state: Rc<ConnectionState>) -> Self {
        state.phase.set(Phase::Exchange);
        state.forgive();
        Self { state, has_whole_body: false }
    }

    /// The body has come to its end.
    pub(crate) fn set_whole_body(&mut self) {
        self.has_whole_body = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.has_whole_body {
            self.state.phase.set(Phase::Idle);
        } else {
            self.state.phase.set(Phase::UnreadBody);
            self.state.deadline.set(Some(Instant::now() + self.state.limits.unread_body));
        }
    }
}
