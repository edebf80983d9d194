//! `stocktake import`: records from NDJSON.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow, bail};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use stocktake_domain::Model;
use stocktake_domain::ports::{Applied, ImportError, Outage, StoreError};
use tokio::sync::mpsc;

use crate::args::ImportArguments;
use crate::progress::Meter;
use crate::quantities::counted;
use crate::settings::Settings;
use crate::{document, output, wiring};

/// Batches read ahead of the database.
const READ_AHEAD: usize = 4;

/// Runs the command.
pub(super) async fn run(settings: &Settings, arguments: &ImportArguments) -> anyhow::Result<()> {
    let read = Arc::new(AtomicU64::new(0));
    let (source, length) = open(&arguments.file)?;
    let source = Counted { source, read: Arc::clone(&read) };
    let meter = Meter::start("lines", None);
    meter.set_totals(None, length);
    let store = wiring::open_or_make_store(settings).await?;
    let storages: BTreeSet<String> = settings.storages.keys().cloned().collect();
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let warn = |name: &str| {
            output::say(&format!(
                "warning: the storage {name:?} is not configured here; its records fail unless a worker knows it"
            ));
        };
        stocktake_import::send_entries(BufReader::with_capacity(1 << 18, source), &storages, warn, &sender);
    });
    let mut lines = 0;
    let entries = stream::poll_fn(|context| receiver.poll_recv(context)).inspect(|batch| {
        lines += batch.as_ref().map_or(0, |batch| u64::try_from(batch.len()).unwrap_or(0));
        meter.set(lines, Some(read.load(Ordering::Relaxed)));
    });
    let applied = store.catalogue.import(arguments.model, Box::pin(entries)).await.map_err(|error| {
        let file = arguments.file.display();
        let what = if is_answer_lost(&error) {
            format!("{file} may have been imported or not, import it again")
        } else {
            format!("nothing was imported from {file}")
        };
        told_by_lines(error).context(what)
    })?;
    meter.finish();
    if applied == Applied::default() {
        // Whoever pipes a list into it wants to know that the list was empty.
        bail!("nothing was imported from {}: there was no line", arguments.file.display());
    }
    let verdict = verdict(arguments.model, &applied);
    if arguments.json {
        let Applied { added, changed, unchanged } = applied;
        let fields =
            json!({ "added": added, "changed": changed, "unchanged": unchanged, "verdict": verdict });
        return output::print(&document::text(fields));
    }
    output::print_line(&format!(
        "added {}, changed {}, unchanged {}",
        applied.added, applied.changed, applied.unchanged
    ))?;
    output::print_line(&verdict)
}

/// Whether the database may have committed without our knowing of it.
fn is_answer_lost(error: &ImportError) -> bool {
    let ImportError::Store(StoreError::Unavailable(unavailable)) = error else { return false };
    matches!(unavailable.outage, Outage::Silent | Outage::Unreachable)
}

/// What the catalogue now knows, and what to do next.
fn verdict(model: Model, Applied { added, changed, unchanged }: &Applied) -> String {
    let records = added + changed + unchanged;
    if *added + *changed == 0 {
        return match records {
            1 => format!("The catalogue knew this record of {model} as it is."),
            _ => format!("The catalogue knew all {} of {model} as they are.", counted(records, "record")),
        };
    }
    let these = match records {
        1 => "this record".to_owned(),
        _ => format!("all {}", counted(records, "record")),
    };
    format!("The catalogue knows {these} of {model} now. Read what is due: stocktake verify {model}")
}

/// The numbers of the entries are those of their lines.
fn told_by_lines(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Conflict { key, first, second } => {
            anyhow!("line {second} and line {first} both have the record_identifier {key}, and differ")
        }
        error => error.into(),
    }
}

/// Opens the source, and says how many bytes it has, if it is a file.
fn open(path: &Path) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let length = file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
    Ok((Box::new(file), length))
}

/// Counts the bytes that are read.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}
