//! How far a long command is: a bar on a terminal, plain lines otherwise, on standard error.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use stocktake_domain::format_duration;
use stocktake_worker::{Progress, Stats};

use crate::output;

mod models;

pub(crate) use models::ModelMeters;

/// How often a plain line is said at the most.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Counts pieces of work, against a total where one is known.
pub(crate) struct Meter {
    what: &'static str,
    total: Option<u64>,
    began: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Meter {
    /// Starts to count `what` (a plural).
    pub(crate) fn start(what: &'static str, total: Option<u64>) -> Self {
        let began = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Self { what, total, began, bar, last_line: Mutex::new(began) }
    }

    /// So many are done, and so many bytes were read for them.
    pub(crate) fn set(&self, done: u64, bytes: Option<u64>) {
        let text = || describe(self.what, done, self.total, bytes, self.began.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_length(self.total.unwrap_or(done).max(done));
            bar.set_position(done);
            bar.set_message(text());
        } else {
            let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= PLAIN_EVERY {
                *last = Instant::now();
                output::say(&text());
            }
        }
    }

    /// Says something without tearing the bar.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::say(text)),
            None => output::say(text),
        }
    }

    /// Clears the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Progress for Meter {
    fn advanced(&self, done: &Stats) {
        self.set(done.records(), Some(done.bytes));
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() { "[{bar:30}] {percent:>3}% {msg}" } else { "{spinner} {msg}" };
    let bar = ProgressBar::new(total.unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// For example `1,200 of 50,000 records, 400/s, 12.00 MiB/s, 2m 2s left`.
fn describe(what: &str, done: u64, total: Option<u64>, bytes: Option<u64>, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = |count: u64| count.saturating_mul(1_000) / millis;
    let of_total = total.map(|total| format!(" of {}", HumanCount(total.max(done)))).unwrap_or_default();
    let mut parts =
        vec![format!("{}{of_total} {what}", HumanCount(done)), format!("{}/s", HumanCount(per_second(done)))];
    parts.extend(bytes.map(|bytes| format!("{}/s", HumanBytes(per_second(bytes)))));
    if let Some(left) = total.map(|total| total.saturating_sub(done)).filter(|_| done > 0) {
        let seconds = u128::from(left) * u128::from(millis) / u128::from(done) / 1_000;
        let left = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
        parts.push(format!("{} left", format_duration(left)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_told() {
        let text = describe("records", 1_200, Some(50_000), Some(36 << 20), Duration::from_secs(3));
        assert_eq!(text, "1,200 of 50,000 records, 400/s, 12.00 MiB/s, 2m 2s left");
        assert_eq!(describe("files", 10, None, None, Duration::from_secs(1)), "10 files, 10/s");
        assert_eq!(describe("files", 0, Some(3), None, Duration::ZERO), "0 of 3 files, 0/s");
    }
}
