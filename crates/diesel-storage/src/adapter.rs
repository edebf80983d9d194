//! What implements the ports: a driver, and how each call of a port runs and is traced.

use std::future::Future;
use std::time::{Duration, Instant};

use stocktake_domain::ports::StoreError;
use tracing::{Instrument as _, Span};

use crate::error::DbError;
use crate::session::{Driver, Session, Task, Work};

/// An ordinary call that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// Implements the ports over a driver.
pub(crate) struct Adapter<D> {
    pub(crate) driver: D,
}

/// A call of a port, as traces name it. Made by [`call!`].
pub(crate) struct Call {
    name: &'static str,
    span: Span,
}

/// The call of this name, with fields of its span.
macro_rules! call {
    ($name:literal $($fields:tt)*) => {
        $crate::adapter::Call::new($name, tracing::debug_span!($name $($fields)*))
    };
}

pub(crate) use call;

impl Call {
    pub(crate) fn new(name: &'static str, span: Span) -> Self {
        Self { name, span }
    }

    /// Runs work of this call in its span.
    pub(crate) async fn trace<T>(self, work: Work, running: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let outcome = running.instrument(self.span.clone()).await;
        let elapsed = began.elapsed();
        if work.is_ordinary() && elapsed >= SLOW {
            let (call, millis) = (self.name, elapsed.as_millis());
            tracing::warn!(
                parent: &self.span,
                db.call = call,
                db.duration_ms = millis,
                "the database took {millis} ms for {call}"
            );
        }
        outcome
    }
}

impl<D: Driver> Adapter<D> {
    /// Runs a task in a session of the pool.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        call: Call,
        work: Work,
        task: impl Task<D::Session, R>,
    ) -> Result<R, StoreError> {
        call.trace(work, self.driver.run(work, task)).await
    }

    /// Runs a task that says whether records became due, and tells everybody if so.
    pub(crate) async fn run_waking<R: Send + 'static>(
        &self,
        call: Call,
        work: Work,
        task: impl Task<D::Session, (R, bool)>,
    ) -> Result<R, StoreError> {
        let (outcome, due) = self.run(call, work, move |session| Box::pin(announced(session, task))).await?;
        if due {
            self.driver.wake();
        }
        Ok(outcome)
    }
}

async fn announced<S: Session, R>(
    session: &mut S,
    task: impl Task<S, (R, bool)>,
) -> Result<(R, bool), DbError> {
    let (outcome, due) = task(session).await?;
    if due {
        session.announce_work().await?;
    }
    Ok((outcome, due))
}
