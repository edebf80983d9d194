//! The signal that there may be work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use crate::ports::WakeSignal;

/// How often the signal was given, and who waits for the next time.
#[derive(Debug, Default)]
pub(super) struct Wakes(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    times: u64,
    waiting: Vec<Waker>,
}

impl Wakes {
    pub(super) fn give(&self) {
        let waiting = {
            let mut given = self.given();
            given.times += 1;
            std::mem::take(&mut given.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn signal(self: &Arc<Self>) -> Box<dyn WakeSignal> {
        Box::new(Signal { wakes: Arc::clone(self), heard: self.given().times })
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Signal {
    wakes: Arc<Wakes>,
    heard: u64,
}

#[async_trait]
impl WakeSignal for Signal {
    async fn wait(&mut self) {
        let (wakes, heard) = (&self.wakes, self.heard);
        self.heard = std::future::poll_fn(|context| {
            let mut given = wakes.given();
            if given.times > heard {
                return Poll::Ready(given.times);
            }
            given.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
