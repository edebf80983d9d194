//! The reading of a lease's content: the task in which an adapter reads, and where it puts what it saw.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use stocktake_domain::ports::{Inspection, InspectionSink, Watch};
use stocktake_domain::{ContentError, Observation};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::settings::Storage;

/// What is being read for a lease. Dropping it calls the reading off.
pub(crate) struct Reading {
    pub(crate) watch: Arc<Watch>,
    pub(crate) collector: Arc<Collector>,
    task: AbortOnDropHandle<()>,
}

impl Reading {
    /// Begins to read `pieces` in a task of its own, so that a panic in the adapter ends nothing else. What has
    /// no place is reported as invalid; without a storage, each piece is. What is no piece to read is reported as it is.
    pub(crate) fn begin(
        name: &str,
        storage: Option<&Storage>,
        pieces: Vec<Result<Inspection, ContentError>>,
    ) -> Self {
        let watch = Arc::new(Watch::default());
        let collector = Arc::new(Collector::default());
        let content = storage.map(|storage| Arc::clone(&storage.content)).ok_or_else(|| name.to_owned());
        let line = Arc::clone(&watch);
        let (pieces, sink) = split_resolved(pieces, &collector);
        let task = tokio::spawn(async move {
            match content {
                Ok(content) => content.inspect(pieces, line, sink).await,
                Err(name) => refuse(&name, pieces.len(), &*sink),
            }
        });
        Self { watch, collector, task: AbortOnDropHandle::new(task) }
    }

    /// Returns when the adapter is done.
    pub(crate) async fn ended(&mut self) -> Result<(), JoinError> {
        (&mut self.task).await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.watch.cancel();
    }
}

/// Reports what cannot be read wherever it lies; the others, with the sink for them.
fn split_resolved(
    pieces: Vec<Result<Inspection, ContentError>>,
    collector: &Arc<Collector>,
) -> (Vec<Inspection>, Arc<dyn InspectionSink>) {
    let sink: Arc<dyn InspectionSink> = collector.clone();
    let (mut left, mut indices) = (Vec::with_capacity(pieces.len()), Vec::with_capacity(pieces.len()));
    for (index, piece) in pieces.into_iter().enumerate() {
        match piece.and_then(|piece| piece.refusal().map_or(Ok(piece), Err)) {
            Err(error) => sink.report(index, Err(error)),
            Ok(piece) => {
                left.push(piece);
                indices.push(index);
            }
        }
    }
    if indices.iter().enumerate().all(|(now, before)| now == *before) {
        return (left, sink);
    }
    (left, Arc::new(ResolvedSink { indices, sink }))
}

/// A sink for some of the pieces.
struct ResolvedSink {
    /// Which of all pieces each is.
    indices: Vec<usize>,
    sink: Arc<dyn InspectionSink>,
}

impl InspectionSink for ResolvedSink {
    fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
        if let Some(index) = self.indices.get(index) {
            self.sink.report(*index, seen);
        }
    }
}

fn refuse(storage: &str, pieces: usize, sink: &dyn InspectionSink) {
    for index in 0..pieces {
        sink.report(index, Err(ContentError::Invalid(format!("unknown storage {storage:?}"))));
    }
}

/// What was seen of the piece with this index.
pub(crate) type Seen = (usize, Result<Observation, ContentError>);

/// Gathers reports from any thread.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    seen: Mutex<Vec<Seen>>,
    reported: AtomicU64,
}

impl Collector {
    /// Moves what was gathered into `buffer`, which must be empty and whose memory is used again.
    pub(crate) fn take(&self, buffer: &mut Vec<Seen>) {
        std::mem::swap(buffer, &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reports so far, taken or not.
    pub(crate) fn reported(&self) -> u64 {
        self.reported.load(Ordering::Relaxed)
    }
}

impl InspectionSink for Collector {
    fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((index, seen));
        self.reported.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_taken_once_and_counted_for_ever() {
        let collector = Collector::default();
        collector.report(3, Err(ContentError::MissingRepository));
        let mut buffer = Vec::new();
        collector.take(&mut buffer);
        assert_eq!(buffer, [(3, Err(ContentError::MissingRepository))]);
        buffer.clear();
        collector.take(&mut buffer);
        assert!(buffer.is_empty());
        assert_eq!(collector.reported(), 1);
    }
}
