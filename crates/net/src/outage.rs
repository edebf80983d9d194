//! Outages of a service that an activity depends on: logged when they begin and when they end.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::error::ErrorChain;

/// Whether a service is away, so that an outage is logged once when it begins and once when it ends. Shared by
/// all activities that need the service.
#[derive(Debug, Default)]
pub struct Outage {
    since: Mutex<Option<(Instant, &'static str)>>,
}

impl Outage {
    /// A call failed and will be made again: `service` (for example `database`) did not answer while `doing`
    /// (for example `claiming work`). Of several services, the one that failed last is the one that is away.
    pub fn failed(&self, service: &'static str, doing: &'static str, error: &dyn Error) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = ErrorChain(error).to_string();
        if since.is_some_and(|(_, before)| before == service) {
            tracing::debug!(
                outage.service = service,
                outage.doing = doing,
                error.cause = cause,
                "{doing} still fails: {cause}"
            );
        } else {
            since.get_or_insert((Instant::now(), service)).1 = service;
            tracing::warn!(
                outage.service = service,
                outage.doing = doing,
                error.cause = cause,
                "{doing} failed and will be tried again: {cause}"
            );
        }
    }

    /// A call succeeded.
    pub fn worked(&self) {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((since, service)) = since {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(
                outage.service = service,
                outage.seconds = seconds,
                "the {service} answers again after {seconds:.1} s"
            );
        }
    }
}
