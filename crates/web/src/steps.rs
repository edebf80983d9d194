//! The steps of answering a request that may take long, so that a slow answer can be attributed.
//!
//! A step is a span within the request's. How long it took is logged at `debug`, and at `warn` if it was slow; the line
//! carries the request's id by its span.

use std::time::{Duration, Instant};

use tracing::Instrument as _;

/// A step that takes at least this long is slow.
const SLOW: Duration = Duration::from_secs(1);

/// Does a step of a request; `name` is what it calls, for example `catalogue.page`.
pub async fn step<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    let span = tracing::debug_span!("step", step.name = name);
    let _timer = StepTimer { name, begun: Instant::now() };
    work.instrument(span).await
}

/// Logs how long a step took, also of one that was given up with its request.
struct StepTimer {
    name: &'static str,
    begun: Instant,
}

impl Drop for StepTimer {
    fn drop(&mut self) {
        let (name, took) = (self.name, self.begun.elapsed());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if took >= SLOW {
            tracing::warn!(
                step.name = name,
                step.duration_us = micros,
                "slow step {name}: {} ms",
                took.as_millis()
            );
        } else {
            tracing::debug!(step.name = name, step.duration_us = micros, "step {name}");
        }
    }
}
