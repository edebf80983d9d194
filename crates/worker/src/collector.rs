//! Where content adapters put what they saw, until the worker takes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stocktake_domain::ports::InspectionSink;
use stocktake_domain::{ContentError, Observation};

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
