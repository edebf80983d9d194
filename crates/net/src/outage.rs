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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    /// Where the log goes.
    #[derive(Debug, Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
        let (log, outage) = (Log::default(), Outage::default());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
        let _guard =
            tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
        let error = io::Error::other("no route");
        outage.worked();
        for _ in 0..3 {
            outage.failed("database", "claiming work", &error);
        }
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        outage.failed("source", "syncing", &error);
        outage.worked();
        outage.worked();
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let expected = [
            ("WARN", "claiming work failed and will be tried again: no route"),
            ("WARN", "syncing failed and will be tried again: no route"),
            ("INFO", "the source answers again after 2.0 s"),
        ];
        assert_eq!(log.lines().count(), expected.len(), "{log}");
        for (line, (level, text)) in log.lines().zip(expected) {
            assert!(line.trim_start().starts_with(level) && line.contains(text), "{line}");
        }
    }
}
