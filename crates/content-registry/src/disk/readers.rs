//! Threads that read files, so that a disk that hangs holds up nothing else.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use stocktake_content::threads::spawn;
use tokio::sync::oneshot;

use crate::source::RegistryError;

type Job = Box<dyn FnOnce() + Send>;

/// The reading threads of one store. They end when the last of its clones is dropped, except one that hangs in its storage.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    jobs: Sender<Job>,
    count: usize,
}

impl Readers {
    /// Starts this many threads.
    ///
    /// # Panics
    /// When the system cannot start a thread.
    pub(super) fn start(count: usize) -> Self {
        let (jobs, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..count {
            let receiver = Arc::clone(&receiver);
            spawn(format!("registry-{number}"), move || work(&receiver));
        }
        Self { jobs, count }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What this gives, done on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !sender.is_closed() {
                // Nobody receives it if the caller was cancelled meanwhile.
                let _sent = sender.send(work());
            }
        });
        let ended = || RegistryError::Unavailable("reading was aborted by an internal error".to_owned());
        self.jobs.send(job).map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, so that one thread waits in the channel and the others for it.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("reading a registry's directory panicked");
        }
    }
}
