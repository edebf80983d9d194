//! The jobs of one call of `inspect`, for adapters that read with threads of their own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use stocktake_domain::ports::{Inspection, InspectionSink, Watch};
use stocktake_domain::{ContentError, Observation};
use tokio::sync::Notify;
use tracing::Span;

use crate::beneath::Root;

/// How often a caller that waits for readers checks whether the call has been cancelled.
pub const CANCELLATION_POLL: Duration = Duration::from_millis(50);

/// The jobs of one call, which readers claim one by one. Each is reported to the sink exactly once.
pub struct Batch {
    inspections: Vec<Inspection>,
    next: AtomicUsize,
    /// One for each job: the first report counts.
    reported: Box<[AtomicBool]>,
    open: AtomicUsize,
    watch: Arc<Watch>,
    sink: Arc<dyn InspectionSink>,
    abandoned: AtomicBool,
    /// The caller's span, so that what reading threads log belongs to it.
    span: Span,
    reported_last: Notify,
}

/// A claimed job. If it is dropped without a report (its thread panicked), it is reported as cancelled.
pub struct Job {
    batch: Arc<Batch>,
    index: usize,
}

/// Cancels a batch when it is dropped, after which nothing is reported any more.
pub struct CancelGuard(Arc<Batch>);

impl Batch {
    /// A batch of which nothing has been claimed.
    pub fn new(inspections: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) -> Arc<Self> {
        Arc::new(Self {
            next: AtomicUsize::new(0),
            reported: inspections.iter().map(|_| AtomicBool::new(false)).collect(),
            open: AtomicUsize::new(inspections.len()),
            inspections,
            watch,
            sink,
            abandoned: AtomicBool::new(false),
            span: Span::current(),
            reported_last: Notify::new(),
        })
    }

    /// Cancels the batch when the guard is dropped: the caller may drop the future of its call.
    pub fn cancel_on_drop(self: &Arc<Self>) -> CancelGuard {
        CancelGuard(Arc::clone(self))
    }

    /// The span in which the batch was made.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The number of jobs.
    pub fn len(&self) -> usize {
        self.inspections.len()
    }

    /// Whether there are no jobs.
    pub fn is_empty(&self) -> bool {
        self.inspections.is_empty()
    }

    /// Whether there may be jobs that no reader has claimed.
    pub fn has_unclaimed(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.inspections.len()
    }

    /// Claims the next job.
    pub fn claim(self: &Arc<Self>) -> Option<Job> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.inspections.len()).then(|| Job { batch: Arc::clone(self), index })
    }

    /// Whether the caller cancelled the call, or dropped it.
    pub fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled() || self.abandoned.load(Ordering::Relaxed)
    }

    /// Opens the storage's root to look for content in it, and tells the caller which storage it is.
    pub fn open_root(&self, path: &Path) -> Result<Root, Errno> {
        let root = Root::open(path)?;
        self.watch.looked_in(&root.storage_identity()?);
        Ok(root)
    }

    /// Adds to the number of bytes read.
    pub fn add_bytes(&self, count: u64) {
        self.watch.add_bytes(count);
    }

    /// Waits until every job has been reported. If the call is cancelled, the open jobs are reported as
    /// cancelled without waiting for readers, which may hang in their storage.
    pub async fn wait(&self) {
        while tokio::time::timeout(CANCELLATION_POLL, self.all_reported()).await.is_err() {
            if self.is_cancelled() {
                self.cancel_open();
            }
        }
    }

    async fn all_reported(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.reported_last.notified().await;
        }
    }

    fn cancel_open(&self) {
        self.next.store(self.inspections.len(), Ordering::Relaxed);
        for index in 0..self.inspections.len() {
            self.report(index, Err(ContentError::CANCELLED));
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
            self.reported_last.notify_one();
        }
    }
}

impl Job {
    /// What to read.
    pub fn inspection(&self) -> Option<&Inspection> {
        self.batch.inspections.get(self.index)
    }

    /// Reports the result, unless the job has been cancelled meanwhile.
    pub fn report(self, seen: Result<Observation, ContentError>) {
        self.batch.report(self.index, seen);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.batch.report(self.index, Err(ContentError::CANCELLED));
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use stocktake_domain::{Algorithms, Digests, Model};

    use super::*;
    use crate::threads::lock;

    type Report = (usize, Result<Observation, ContentError>);

    #[derive(Default)]
    struct Reports(Mutex<Vec<Report>>);

    impl InspectionSink for Reports {
        fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
            lock(&self.0).push((index, seen));
        }
    }

    fn batch(jobs: usize) -> (Arc<Batch>, Arc<Watch>, Arc<Reports>) {
        let (watch, sink) = (Arc::new(Watch::default()), Arc::new(Reports::default()));
        let inspections = vec![Inspection::new(Model::Uploads, "file", Algorithms::default()); jobs];
        (Batch::new(inspections, Arc::clone(&watch), sink.clone()), watch, sink)
    }

    fn seen() -> Observation {
        Observation::of_content(1, Digests::default())
    }

    #[tokio::test]
    async fn each_job_is_claimed_and_reported_once() {
        let (batch, _, sink) = batch(3);
        let jobs: Vec<_> = std::iter::from_fn(|| batch.claim()).collect();
        assert!(jobs.len() == 3 && !batch.has_unclaimed());
        for (number, job) in jobs.into_iter().enumerate().rev() {
            // One that is dropped, as by a panic, is reported as cancelled.
            if number != 1 {
                job.report(Ok(seen()));
            }
        }
        batch.wait().await;
        assert_eq!(*lock(&sink.0), [(2, Ok(seen())), (1, Err(ContentError::CANCELLED)), (0, Ok(seen()))]);
    }

    #[tokio::test]
    async fn a_cancelled_call_does_not_wait_for_readers() {
        let (batch, watch, sink) = batch(2);
        let hanging = batch.claim().unwrap();
        watch.cancel();
        batch.wait().await;
        hanging.report(Ok(seen()));
        let cancelled = [0, 1].map(|index| (index, Err(ContentError::CANCELLED)));
        assert_eq!(*lock(&sink.0), cancelled);
    }

    #[test]
    fn a_dropped_call_is_cancelled_and_gets_no_reports() {
        let (batch, watch, sink) = batch(1);
        let job = batch.claim().unwrap();
        drop(batch.cancel_on_drop());
        assert!(batch.is_cancelled() && !watch.is_cancelled());
        job.report(Ok(seen()));
        assert!(lock(&sink.0).is_empty());
    }
}
