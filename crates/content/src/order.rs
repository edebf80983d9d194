//! What one call of `inspect` asked for, and what became of it: for adapters that read with threads of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stocktake_domain::ports::{Inspection, InspectionSink, Watch};
use stocktake_domain::{ContentError, Observation};
use tokio::sync::Notify;

/// The pieces of one call, which readers claim one by one.
pub struct Order {
    pieces: Vec<Inspection>,
    next: AtomicUsize,
    /// One for each piece: so that each is reported once, whoever comes first.
    reported: Box<[AtomicBool]>,
    open: AtomicUsize,
    watch: Arc<Watch>,
    sink: Arc<dyn InspectionSink>,
    abandoned: AtomicBool,
    all_reported: Notify,
}

/// A claimed piece. Dropped without a report (its thread panicked), it counts as given up.
pub struct Piece {
    order: Arc<Order>,
    index: usize,
}

/// Ends the readers' work for an order when nobody waits for it any more.
pub struct Abandon(Arc<Order>);

impl Order {
    /// An order of which nothing was claimed yet.
    pub fn new(pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) -> Arc<Self> {
        Arc::new(Self {
            next: AtomicUsize::new(0),
            reported: pieces.iter().map(|_| AtomicBool::new(false)).collect(),
            open: AtomicUsize::new(pieces.len()),
            pieces,
            watch,
            sink,
            abandoned: AtomicBool::new(false),
            all_reported: Notify::new(),
        })
    }

    /// Gives the order up once what is returned is dropped.
    pub fn abandon_on_drop(self: &Arc<Self>) -> Abandon {
        Abandon(Arc::clone(self))
    }

    /// The number of pieces.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there may be pieces that no reader has claimed.
    pub fn has_unclaimed(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.pieces.len()
    }

    /// The next piece that nobody has claimed.
    pub fn claim(self: &Arc<Self>) -> Option<Piece> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.pieces.len()).then(|| Piece { order: Arc::clone(self), index })
    }

    /// Whether nobody wants the rest any more.
    pub fn is_called_off(&self) -> bool {
        self.watch.is_cancelled() || self.abandoned.load(Ordering::Relaxed)
    }

    /// Adds bytes that were read.
    pub fn add_bytes(&self, count: u64) {
        self.watch.add_bytes(count);
    }

    /// Waits until every piece was reported.
    pub async fn done(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.all_reported.notified().await;
        }
    }

    /// Reports all that is still open as given up, without waiting for readers that may hang.
    pub fn give_up(&self) {
        self.next.store(self.pieces.len(), Ordering::Relaxed);
        for index in 0..self.pieces.len() {
            self.report(index, Err(ContentError::Cancelled));
        }
    }

    fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
        let first = self.reported.get(index).is_some_and(|flag| !flag.swap(true, Ordering::Relaxed));
        if !first {
            return;
        }
        if !self.abandoned.load(Ordering::Relaxed) {
            self.sink.report(index, seen);
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_reported.notify_one();
        }
    }
}

impl Piece {
    /// What to look at.
    pub fn inspection(&self) -> Option<&Inspection> {
        self.order.pieces.get(self.index)
    }

    /// Tells what was seen, unless the piece was given up meanwhile.
    pub fn report(self, seen: Result<Observation, ContentError>) {
        self.order.report(self.index, seen);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.order.report(self.index, Err(ContentError::Cancelled));
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}
