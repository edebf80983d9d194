//! The database in memory passes the suites of the database ports.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use stocktake_domain::contract::MemoryFixture;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
fn run(case: impl Future<Output = ()>) {
    let mut case = Box::pin(case);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while case.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        std::thread::park();
    }
}

async fn memory() -> MemoryFixture {
    MemoryFixture::new()
}

stocktake_domain::database_contract!(crate::run, crate::memory);
