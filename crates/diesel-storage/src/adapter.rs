//! What implements the ports: a driver, and how each call of a port runs and is traced.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::StoreError;
use tracing::{Instrument as _, Span};

use crate::clock::DatabaseClock;
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::session::{Driver, Session, Task, TimedTask, Work};
use crate::sql::Sql;

/// An ordinary call that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// Implements the ports over a driver.
pub(crate) struct Adapter<D> {
    pub(crate) driver: D,
    pub(crate) clock: Arc<DatabaseClock>,
    pub(crate) encryption: Encryption,
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

    /// Runs a look-up; see [`Driver::look_up`].
    pub(crate) async fn look_up<R: Send + 'static>(
        &self,
        call: Call,
        task: impl Task<D::Lookup, R>,
    ) -> Result<R, StoreError> {
        call.trace(Work::Read, self.driver.look_up(task)).await
    }

    /// Runs one statement that changes something; its last values are bound by `at`, which is told the time. Returns how
    /// many rows it changed.
    pub(crate) async fn change(
        &self,
        call: Call,
        sql: Sql,
        at: impl FnOnce(Sql, Timestamp) -> Sql + Send + 'static,
    ) -> Result<u64, StoreError> {
        let change = self.timed(move |session, now| {
            let sql = at(sql, now);
            Box::pin(async move { session.execute(sql).await })
        });
        self.run(call, Work::Write, change).await
    }

    /// A task that is told the database's time, as it is when the task begins.
    pub(crate) fn timed<R: Send>(&self, task: impl TimedTask<D::Session, R>) -> impl Task<D::Session, R> {
        let clock = Arc::clone(&self.clock);
        as_task(move |session| {
            Box::pin(async move {
                let now = clock.read(session).await?;
                task(session, now).await
            })
        })
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

/// Names the type of a closure.
fn as_task<S, R>(
    task: impl for<'s> FnOnce(&'s mut S) -> BoxFuture<'s, Result<R, DbError>> + Send + 'static,
) -> impl Task<S, R> {
    task
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
