//! `stocktake scan`: records for the files of a storage.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::stream;
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{ImportError, ListError, MountBelow, ProbedStorage};
use stocktake_domain::{RecordKey, Selection};
use stocktake_worker::Storages;
use tokio::sync::mpsc;

use super::check;
use crate::args::ScanArguments;
use crate::escape::escaped_json;
use crate::output::Spool;
use crate::progress::Meter;
use crate::quantities::{count, counted};
use crate::scan::{Report, Scan, ScanError, ScanOf, Watcher};
use crate::settings::Loaded;
use crate::system::SystemClock;
use crate::verdict::closed_storage;
use crate::{document, output, recalculation, wiring};

/// The exit status when something is gone, or could not be looked at.
const NOT_ALL: u8 = 1;

/// Why a storage with records is not believed to be whole.
const EMPTY: &str = "is empty. Is it mounted?";

/// Batches listed ahead of the database.
const READ_AHEAD: usize = 4;

/// The most skipped paths to name.
const MOST_NAMED: u64 = 100;

/// The most records whose file is gone that become due. Of more, a verification of all is the answer.
const MOST_DUE: u64 = 10_000;

/// The most records counted to tell the time left.
const MOST_COUNTED: u64 = 10_000_000;

/// Runs the command.
pub(super) async fn run(loaded: &Loaded, arguments: &ScanArguments) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    let (model, name) = (arguments.model, arguments.storage.as_str());
    let storages = wiring::storages(settings)?;
    let storage = storages.get(name).ok_or_else(|| anyhow!(settings.unknown_storage(name)))?;
    let store = wiring::open_or_make_store(settings).await?;
    let largest = store.catalogue.largest_key(model).await?;
    // A scan sees the files of all models.
    let records = store.catalogue.count_in_storage(name, MOST_COUNTED).await?;
    if records > 0 && !arguments.believe_missing {
        let whole = require_storage(loaded, &store, &storages, arguments, records).await;
        whole.with_context(|| format!("the scan of {name:?} was given up, nothing was added"))?;
    }
    let known = store.catalogue.paths(Some(model), name).await?;
    let probed = storage.content.probe().await.ok();
    let found = storage.content.list();
    let catalogue = Arc::clone(&store.catalogue);

    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let meter = Meter::start("files", Some(records).filter(|records| *records > 0));
    let mut notes = Notes::new(meter, arguments.json, probed.as_ref());
    let entries = Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let of = ScanOf {
        model,
        storage: name,
        layout: arguments.layout,
        catalogue: &*catalogue,
        content: &*storage.content,
        clock: &SystemClock,
    };
    let scan = async {
        let result = Scan::new(of, largest.as_ref(), known, &sender, &mut notes).run(found).await;
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
    if let Some(probed) = probed.filter(|_| report.found > 0)
        && storage.content.probe().await.is_ok_and(|now| now == probed)
    {
        wiring::engine(settings, &store, storages.clone()).has_listed(name, &probed, &notes.in_mounts).await;
    }
    let gone = std::mem::take(&mut notes.gone_keys);
    if !gone.is_empty() {
        let gone = Selection { keys: Some(gone), ..Selection::default() };
        recalculation::mark(&*store.queue, model, &gone, None).await?;
    }
    notes.print(&report, &verdict(arguments, &report))?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// Fails if the storage cannot be read, is not the one that was read before, or is empty though records lie in it: a disk
/// that is not mounted leaves an empty folder.
async fn require_storage(
    loaded: &Loaded,
    store: &Store,
    storages: &Arc<Storages>,
    ScanArguments { model, storage: name, .. }: &ScanArguments,
    records: u64,
) -> anyhow::Result<()> {
    let engine = wiring::engine(&loaded.settings, store, Arc::clone(storages));
    let closed = engine.unreadable(Some(std::slice::from_ref(name))).await?.pop();
    let reason = match closed {
        Some(closed) => Some(closed.reason),
        None => match storages.get(name) {
            Some(storage) if storage.content.probe().await.is_ok_and(|probed| probed.is_empty) => {
                Some(EMPTY.to_owned())
            }
            _ => None,
        },
    };
    let Some(reason) = reason else { return Ok(()) };
    let sentence = closed_storage(loaded, name, &reason, Some(records));
    bail!("{sentence} If that is right: stocktake scan {model} {name} --believe-missing")
}

/// Whether the catalogue and the storage agree, and what to do next.
fn verdict(ScanArguments { model, storage, .. }: &ScanArguments, report: &Report) -> String {
    let Report { found, new, gone, skipped, back, .. } = *report;
    let read = format!("Read what is due: stocktake verify {model}");
    if report.is_good() {
        return match (found, new + back) {
            (0, _) => format!("Storage {storage} is empty."),
            (_, 0) => format!("The catalogue knew all {} of storage {storage}.", counted(found, "file")),
            _ => {
                format!("The catalogue knows all {} of storage {storage} now. {read}", counted(found, "file"))
            }
        };
    }
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(match gone {
            1 => format!("1 record of {model} lost its file"),
            _ => format!("{} records of {model} lost their files", count(gone)),
        });
    }
    if skipped > 0 {
        parts.push(format!(
            "{} could not be looked at",
            match skipped {
                1 => "1 file or folder".to_owned(),
                _ => format!("{} files or folders", count(skipped)),
            }
        ));
    }
    let read = if gone > MOST_DUE { format!("{read} --all") } else { read };
    format!("Storage {storage} needs attention: {}. {read}", parts.join(", "))
}

/// What the scan noticed. The gone paths wait until the scan has ended well.
struct Notes {
    meter: Meter,
    gone: Spool,
    gone_keys: Vec<RecordKey>,
    named: u64,
    as_json: bool,
    /// What is mounted in the storage, as far as no file was seen there.
    mounts: Vec<MountBelow>,
    /// A file in each of the others.
    in_mounts: Vec<String>,
}

impl Notes {
    fn new(meter: Meter, as_json: bool, probed: Option<&ProbedStorage>) -> Self {
        let mounts = probed.iter().flat_map(|probed| probed.mounts.iter().cloned()).collect();
        let (gone, gone_keys, in_mounts) = (Spool::new(), Vec::new(), Vec::new());
        Self { meter, gone, gone_keys, named: 0, as_json, mounts, in_mounts }
    }

    fn print(self, report: &Report, verdict: &str) -> anyhow::Result<()> {
        let Report { found, new, gone, skipped, passed_over, back } = report;
        if self.as_json {
            let fields = json!({
                "found": found, "new": new, "gone": gone, "skipped": skipped, "passed_over": passed_over,
                "back": back, "verdict": verdict,
            });
            let (before, behind) = document::around("paths_gone", fields);
            return Spool::print_array(&before, [self.gone], &behind);
        }
        self.gone.print()?;
        if report.skipped > self.named {
            output::say(&format!("… and {} more were skipped", report.skipped - self.named));
        }
        output::print_line(&format!("found {found}, new {new}, gone {gone}, skipped {skipped}"))?;
        if *back > 0 {
            output::print_line(&format!(
                "{} retired before, and the file is there again: {} verified from now on.",
                match back {
                    1 => "1 record was".to_owned(),
                    _ => format!("{} records were", count(*back)),
                },
                if *back == 1 { "it is" } else { "they are" },
            ))?;
        }
        if let Some(sentence) = check::passed_over(*passed_over) {
            output::print_line(&sentence)?;
        }
        output::print_line(verdict)
    }
}

impl Watcher for Notes {
    fn found(&mut self, path: &str) {
        if !self.mounts.is_empty() {
            let mounts = self.mounts.len();
            self.mounts.retain(|mount| !mount.concerns(path));
            if self.mounts.len() < mounts {
                self.in_mounts.push(path.to_owned());
            }
        }
    }

    fn advanced(&mut self, report: &Report) {
        if report.found.is_multiple_of(1_024) {
            self.meter.set(report.found, None);
        }
    }

    fn skipped(&mut self, what: &ListError) {
        if self.named < MOST_NAMED {
            self.named += 1;
            output::say(&format!("skipped {what}"));
        }
    }

    fn gone(&mut self, path: &str, key: RecordKey) {
        if u64::try_from(self.gone_keys.len()).is_ok_and(|count| count < MOST_DUE) {
            self.gone_keys.push(key);
        }
        if self.as_json {
            self.gone.line(&escaped_json(&Value::from(path).to_string()));
        } else {
            self.gone.line(&format!("gone: {path}"));
        }
    }
}
