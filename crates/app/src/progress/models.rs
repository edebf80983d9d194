//! How far a sync is, of all its models together.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use stocktake_domain::Model;
use stocktake_source_sync::{ModelReport, SyncProgress};

use super::Meter;

/// Counts the rows of each model.
pub(crate) struct ModelMeters {
    meter: Meter,
    models: Mutex<BTreeMap<Model, Rows>>,
}

/// The rows of one model.
#[derive(Clone, Copy)]
struct Rows {
    read: u64,
    about: Option<u64>,
}

impl ModelMeters {
    /// Nothing is counted yet.
    pub(crate) fn start() -> Self {
        Self { meter: Meter::start("rows", None), models: Mutex::default() }
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<Model, Rows>)) {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut models);
        let about = models.values().map(|rows| rows.about.map(|about| about.max(rows.read)));
        self.meter.set_totals(about.sum(), None);
        self.meter.set(models.values().map(|rows| rows.read).sum(), None);
    }
}

impl SyncProgress for ModelMeters {
    fn model(&self, model: Model, about: Option<u64>) {
        self.change(|models| {
            models.insert(model, Rows { read: 0, about });
        });
    }

    fn advanced(&self, model: Model, rows_read: u64) {
        self.change(|models| {
            if let Some(rows) = models.get_mut(&model) {
                rows.read = rows_read;
            }
        });
    }

    fn done(&self, report: &ModelReport) {
        self.change(|models| {
            if let Some(rows) = models.get_mut(&report.model) {
                rows.about = Some(rows.read);
            }
        });
    }
}
