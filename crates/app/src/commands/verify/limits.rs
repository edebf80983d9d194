//! What ends a verification before everything is read.

use std::convert::Infallible;
use std::future::pending;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stocktake_worker::{Progress, Stats};
use tokio_util::sync::CancellationToken;

use crate::args::VerifyArguments;
use crate::progress::Meter;
use crate::quantities::{counted, span};

/// Shows how far it is, and stops at the first limit.
pub(super) struct Limits {
    meter: Arc<Meter>,
    after: Option<Duration>,
    max_failures: Option<NonZeroU64>,
    /// Cancelled by a limit, or by the user.
    pub(super) stop: CancellationToken,
    reason: OnceLock<String>,
}

impl Limits {
    /// The limits that were asked for.
    pub(super) fn new(meter: Arc<Meter>, arguments: &VerifyArguments, stop: &CancellationToken) -> Self {
        let limits = Self {
            meter,
            after: arguments.stop_after,
            max_failures: arguments.max_failures,
            stop: stop.child_token(),
            reason: OnceLock::new(),
        };
        // No time is no time, however fast a few records are read.
        if let Some(after @ Duration::ZERO) = limits.after {
            limits.end_after(after);
        }
        limits
    }

    /// Stops when the time is over.
    pub(super) async fn time_out(&self) -> Infallible {
        if let Some(after) = self.after {
            tokio::time::sleep(after).await;
            self.end_after(after);
        }
        pending().await
    }

    fn end_after(&self, after: Duration) {
        self.end(format!("Stopped after {}", span(after)));
    }

    /// Why it was stopped, if a limit did that.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    fn end(&self, reason: String) {
        self.reason.get_or_init(|| reason);
        self.stop.cancel();
    }
}

impl Progress for Limits {
    fn advanced(&self, done: &Stats) {
        self.meter.advanced(done);
        if self.max_failures.is_some_and(|most| done.failures() >= most.get()) {
            self.end(format!("Stopped after {}", counted(done.failures(), "failure")));
        }
    }
}
