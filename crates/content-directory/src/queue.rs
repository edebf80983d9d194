//! The batches that wait for a store's readers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use stocktake_content::Batch;
use stocktake_content::threads::lock;

/// Batches with unclaimed jobs, which the readers serve in turn.
#[derive(Default)]
pub(crate) struct BatchQueue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    closed: bool,
}

impl BatchQueue {
    pub(crate) fn push(&self, batch: Arc<Batch>) {
        let jobs = batch.len();
        lock(&self.state).batches.push_back(batch);
        if jobs == 1 {
            self.ready.notify_one();
        } else {
            self.ready.notify_all();
        }
    }

    /// Waits for a batch with jobs to claim; `None` once the queue is closed.
    pub(crate) fn next(&self) -> Option<Arc<Batch>> {
        let mut state = lock(&self.state);
        while !state.closed {
            match state.batches.pop_front() {
                Some(batch) if batch.has_unclaimed() => {
                    state.batches.push_back(Arc::clone(&batch));
                    return Some(batch);
                }
                Some(_) => {}
                None => state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        None
    }

    /// Ends the readers. They still finish what they have claimed.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }
}
