//! `stocktake scan`: records for the files of a storage.

use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use futures_util::stream;
use stocktake_domain::Selection;
use stocktake_domain::ports::ImportError;
use tempfile::SpooledTempFile;
use tokio::sync::mpsc;

use crate::args::ScanArguments;
use crate::progress::Meter;
use crate::scan::{Report, Scan, ScanError, Watcher};
use crate::settings::Settings;
use crate::{output, wiring};

/// Batches listed ahead of the database.
const READ_AHEAD: usize = 4;

/// The most skipped paths to name.
const MOST_NAMED: u64 = 100;

/// The most records counted to tell the time left.
const MOST_COUNTED: u64 = 10_000_000;

/// Bytes of the report of gone paths that stay in memory; the rest goes to a temporary file.
const SPOOL: usize = 1 << 20;

/// Runs the command.
pub(super) async fn run(settings: &Settings, arguments: &ScanArguments) -> anyhow::Result<()> {
    let (model, name) = (arguments.model, arguments.storage.as_str());
    let storages = wiring::storages(settings)?;
    let storage =
        storages.get(name).ok_or_else(|| anyhow!("there is no storage {name:?} in the configuration"))?;
    let store = wiring::open_store(settings).await?;
    let largest = store.catalogue.largest_key(model).await?;
    let records = store.catalogue.count(model, &Selection::default(), MOST_COUNTED).await?;
    let known = store.catalogue.paths(Some(model), name).await?;
    let found = storage.content.list();
    let catalogue = Arc::clone(&store.catalogue);

    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let mut notes = Notes::new(Meter::start("files", Some(records).filter(|records| *records > 0)));
    let entries = Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let scan = async {
        let result = Scan::new(name, largest.as_ref(), &sender, &mut notes).run(found, known).await;
        if let Err(error) = result.as_ref() {
            // Undoes the import; the error itself is told from here.
            let _ = sender.send(Err(error.to_string().into())).await;
        }
        drop(sender);
        result
    };
    let (scanned, imported) = tokio::join!(scan, catalogue.import(model, entries));
    notes.meter.finish();
    let report = match (scanned, imported) {
        (Ok(report), Ok(_)) => report,
        (Err(ScanError::Ended) | Ok(_), Err(ImportError::Store(error))) => return Err(error.into()),
        (Ok(_), Err(error)) => return Err(error.into()),
        (Err(error), _) => {
            return Err(error).context(format!("the scan of {name:?} was given up, nothing was added"));
        }
    };
    notes.print(&report)
}

/// What the scan noticed. The gone paths wait until the scan has ended well.
struct Notes {
    meter: Meter,
    gone: SpooledTempFile,
    write_error: Option<std::io::Error>,
    named: u64,
}

impl Notes {
    fn new(meter: Meter) -> Self {
        Self { meter, gone: SpooledTempFile::new(SPOOL), write_error: None, named: 0 }
    }

    fn print(mut self, report: &Report) -> anyhow::Result<()> {
        if let Some(error) = self.write_error {
            return Err(error).context("the report of gone paths cannot be kept");
        }
        self.gone.rewind().context("the report of gone paths cannot be read back")?;
        let mut buffer = vec![0; SPOOL];
        loop {
            let length =
                self.gone.read(&mut buffer).context("the report of gone paths cannot be read back")?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
            output::print_bytes(piece)?;
        }
        if report.skipped > self.named {
            output::say(&format!("… and {} more were skipped", report.skipped - self.named));
        }
        let Report { found, new, gone, skipped } = report;
        output::print_line(&format!("found {found}, new {new}, gone {gone}, skipped {skipped}"))
    }
}

impl Watcher for Notes {
    fn advanced(&mut self, report: &Report) {
        if report.found.is_multiple_of(1_024) {
            self.meter.set(report.found, None);
        }
    }

    fn skipped(&mut self, path: &str, reason: &str) {
        if self.named < MOST_NAMED {
            self.named += 1;
            self.meter.say(&format!("skipped {path}: {reason}"));
        }
    }

    fn gone(&mut self, path: &str) {
        if let Err(error) = writeln!(self.gone, "gone: {path}") {
            self.write_error.get_or_insert(error);
        }
    }
}
