//! How far a sync is: a bar for each model on a terminal, plain lines otherwise, on standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use stocktake_domain::Model;
use stocktake_source_sync::{ModelReport, SyncProgress};

use super::{PLAIN_EVERY, bar, describe};
use crate::output;

/// Counts the rows of each model.
pub(crate) struct ModelMeters {
    all: MultiProgress,
    meters: Mutex<BTreeMap<Model, Rows>>,
    plain: bool,
}

/// The rows of one model.
struct Rows {
    about: Option<u64>,
    began: Instant,
    bar: ProgressBar,
    last_line: Instant,
}

impl ModelMeters {
    /// Nothing is counted yet.
    pub(crate) fn start() -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), meters: Mutex::default(), plain }
    }

    fn with(&self, model: Model, act: impl FnOnce(&mut Rows)) {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = meters.get_mut(&model) {
            act(rows);
        }
    }
}

impl SyncProgress for ModelMeters {
    fn model(&self, model: Model, about: Option<u64>) {
        let began = Instant::now();
        let bar = self.all.add(bar(about));
        bar.set_message(model.name());
        let rows = Rows { about, began, bar, last_line: began };
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).insert(model, rows);
    }

    fn advanced(&self, model: Model, rows_read: u64) {
        self.with(model, |rows| {
            let text = || {
                format!("{model}: {}", describe("rows", rows_read, rows.about, None, rows.began.elapsed()))
            };
            rows.bar.set_length(rows.about.unwrap_or(rows_read).max(rows_read));
            rows.bar.set_position(rows_read);
            rows.bar.set_message(text());
            if self.plain && rows.last_line.elapsed() >= PLAIN_EVERY {
                rows.last_line = Instant::now();
                output::say(&text());
            }
        });
    }

    fn done(&self, report: &ModelReport) {
        self.with(report.model, |rows| rows.bar.finish_and_clear());
    }
}
