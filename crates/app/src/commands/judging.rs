//! Records that are read at once, because something speaks against them: their file was not found, or a report does not
//! name them.

use std::sync::Arc;

use stocktake_diesel_storage::Store;
use stocktake_domain::ports::ClaimFilter;
use stocktake_domain::{FailureKind, Model, RecordKey, Selection};
use stocktake_worker::{Drained, Engine};
use tokio_util::sync::CancellationToken;

use crate::commands::foreground::Foreground;
use crate::output::Spool;
use crate::progress::Meter;
use crate::recalculation;
use crate::settings::Loaded;

/// Keys marked in one step.
const STEP: usize = 1_000;

/// Where the records are, and with what they are read.
#[derive(Clone, Copy)]
pub(super) struct Judging<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) model: Model,
    pub(super) storage: &'a str,
    /// What they are, in the plural, for the progress.
    pub(super) what: &'static str,
}

/// How the records were judged.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) drained: Drained,
    /// Those that were not judged, and are still due.
    pub(super) left: u64,
    /// Whether anything else in the storage is due, such as what is new.
    pub(super) is_more_due: bool,
}

impl Judged {
    /// None of so many records was judged.
    pub(super) fn none_of(records: u64) -> Self {
        Self { left: records, ..Self::default() }
    }

    /// How many were found missing.
    pub(super) fn missing(&self) -> u64 {
        self.drained.stats.failed.get(&FailureKind::Missing).copied().unwrap_or(0)
    }
}

impl Judging<'_> {
    /// Reads the records with these keys, one in each line, now; they stay due if that is stopped.
    pub(super) async fn judge(self, keys: Spool, stop: CancellationToken) -> anyhow::Result<Judged> {
        let Self { loaded, store, engine, model, storage, what } = self;
        let models = [model];
        let outstanding = async |due_from, at_most| {
            let filter = ClaimFilter {
                models: models.to_vec(),
                storages: Some(vec![storage.to_owned()]),
                due_from,
                ..ClaimFilter::any(1)
            };
            store.queue.outstanding(&filter, at_most).await
        };
        let asked = store.clock.now();
        let mut judged = Judged::default();
        let marked = mark(model, store, keys).await?;
        if marked > 0 {
            let meter = Arc::new(Meter::start(what, Some(marked)));
            let foreground = Foreground {
                loaded,
                queue: &*store.queue,
                engine,
                models: &models,
                due_from: Some(asked),
                meter: &meter,
            };
            judged.drained = foreground.drain(meter.clone(), stop).await?;
            meter.finish();
            judged.left = outstanding(Some(asked), marked).await?;
        }
        judged.is_more_due = judged.left == 0 && outstanding(None, 1).await? > 0;
        Ok(judged)
    }
}

/// Marks the records to be read; how many there are.
async fn mark(model: Model, store: &Store, keys: Spool) -> anyhow::Result<u64> {
    let mut lines = keys.lines()?;
    let mut marked = 0;
    loop {
        let keys: anyhow::Result<Vec<RecordKey>> =
            lines.by_ref().take(STEP).map(|line| Ok(line?.parse::<RecordKey>()?)).collect();
        let keys = keys?;
        if keys.is_empty() {
            return Ok(marked);
        }
        marked += u64::try_from(keys.len()).unwrap_or(0);
        let selection = Selection { keys: Some(keys), ..Selection::default() };
        recalculation::mark(&*store.queue, model, &selection, None).await?;
    }
}
