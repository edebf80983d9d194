//! What becomes of the records whose file a scan did not find.

use std::sync::Arc;

use stocktake_diesel_storage::Store;
use stocktake_domain::ports::ClaimFilter;
use stocktake_domain::{FailureKind, RecordKey, Selection};
use stocktake_worker::{Drained, Engine};
use tokio_util::sync::CancellationToken;

use crate::args::ScanArguments;
use crate::commands::foreground::Foreground;
use crate::output::Spool;
use crate::progress::Meter;
use crate::recalculation;
use crate::scan::Report;
use crate::settings::Loaded;

/// Keys marked in one step.
const STEP: usize = 1_000;

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
    /// Reads the records with these keys, one in each line, now; they stay due if that is stopped.
    pub(super) async fn new(
        loaded: &Loaded,
        arguments: &ScanArguments,
        store: &Store,
        engine: &Engine,
        keys: Spool,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let models = [arguments.model];
        let outstanding = async |due_from, at_most| {
            let filter = ClaimFilter {
                models: models.to_vec(),
                storages: Some(vec![arguments.storage.clone()]),
                due_from,
                ..ClaimFilter::any(1)
            };
            store.queue.outstanding(&filter, at_most).await
        };
        let asked = store.clock.now();
        let mut judged = Self::default();
        let marked = mark(arguments, store, keys).await?;
        if marked > 0 {
            let meter = Arc::new(Meter::start("records without a file", Some(marked)));
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

    /// None of the records was judged for which the scan found no file.
    pub(super) fn none_of(report: &Report) -> Self {
        Self { left: report.gone + report.replaced, ..Self::default() }
    }

    /// How many were found missing.
    pub(super) fn missing(&self) -> u64 {
        self.drained.stats.failed.get(&FailureKind::Missing).copied().unwrap_or(0)
    }
}

/// Marks the records to be read; how many there are.
async fn mark(arguments: &ScanArguments, store: &Store, keys: Spool) -> anyhow::Result<u64> {
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
        recalculation::mark(&*store.queue, arguments.model, &selection, None).await?;
    }
}
