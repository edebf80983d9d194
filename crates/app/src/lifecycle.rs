//! The life of a service: tasks that run until a signal, and end together.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::output;
use crate::signals::{INTERRUPTED, LAST_MOMENT};

/// How long the tasks may take to end after the first signal: a little less than what ends the process whatever they do.
const GRACE: Duration = LAST_MOMENT.saturating_sub(Duration::from_millis(200));

/// Says that a command was stopped by a signal, and what became of its work; the exit status to end with.
pub(crate) fn interrupted(sentence: &str) -> ExitCode {
    output::complain(&format!("interrupted{sentence}"));
    ExitCode::from(INTERRUPTED)
}

/// Tasks that run until the token is cancelled.
pub(crate) struct Tasks {
    stop: CancellationToken,
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Tasks {
    /// No tasks yet.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { stop, running: JoinSet::new() }
    }

    /// Starts a task, which must end soon after the token is cancelled and not before.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.spawn(async move { (name, task.await) });
    }

    /// Waits for the end of all tasks. One that ends by itself ends the others, and the exit status says so.
    pub(crate) async fn finish(self) -> ExitCode {
        let Self { stop, running } = self;
        let grace = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let good = tokio::select! {
            good = all_ended_well(running, &stop) => good,
            () = grace => {
                tracing::error!("not everything ended within 10 s; leaving it");
                false
            }
        };
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

async fn all_ended_well(
    mut running: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: &CancellationToken,
) -> bool {
    let mut good = true;
    while let Some(ended) = running.join_next().await {
        good &= ended_well(ended, stop.is_cancelled());
        stop.cancel();
    }
    good
}

/// Whether a task ended as it should: without an error, and because it was told to.
fn ended_well(ended: Result<(&'static str, anyhow::Result<()>), JoinError>, was_told: bool) -> bool {
    match ended {
        Ok((_, Ok(()))) if was_told => return true,
        Ok((name, Ok(()))) => tracing::error!(task = name, "the {name} ended by itself"),
        Ok((name, Err(error))) => {
            tracing::error!(task = name, error = format!("{error:#}"), "the {name} failed");
        }
        Err(error) => tracing::error!(error = error.to_string(), "a task panicked"),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_ends_the_others_and_is_a_failure() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        let other = stop.clone();
        tasks.spawn("other", async move {
            other.cancelled().await;
            Ok(())
        });
        tasks.spawn("dying", async { anyhow::bail!("no more") });
        assert_eq!(tasks.finish().await, ExitCode::FAILURE);
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn tasks_that_end_when_told_are_a_success() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        let child = stop.clone();
        tasks.spawn("task", async move {
            child.cancelled().await;
            Ok(())
        });
        stop.cancel();
        assert_eq!(tasks.finish().await, ExitCode::SUCCESS);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("panicking", async { panic!("on purpose") });
        assert_eq!(tasks.finish().await, ExitCode::FAILURE);
    }
}
