//! `stocktake scan`: records for the files of a storage.

mod notes;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::stream;
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{ImportError, PathStream, ScanBasis, StoreError};
use stocktake_domain::{Model, ModelKind};
use stocktake_worker::{Engine, Storages};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::args::ScanArguments;
use crate::lifecycle::interrupted;
use crate::progress::Meter;
use crate::scan::{Report, Scan, ScanError, ScanOf};
use crate::settings::Loaded;
use crate::system::SystemClock;
use crate::verdict::{EMPTY, closed_storage};
use crate::wiring;

use super::judging::{Judged, Judging};
use notes::Notes;

/// The exit status when something is gone, or could not be looked at.
const NOT_ALL: u8 = 1;

/// Batches listed ahead of the database.
const READ_AHEAD: usize = 4;

/// Runs the command. Records whose file is not there are judged at once, so that whatever is asked next knows of them.
pub(super) async fn run(
    loaded: &Loaded,
    arguments: &ScanArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let Some(scanned) = stop.run_until_cancelled(Scanned::new(loaded, arguments)).await else {
        return Ok(interrupted("; nothing was added"));
    };
    let Scanned { store, engine, report, mut notes } = scanned?;
    let judging = Judging {
        loaded,
        store: &store,
        engine: &engine,
        model: arguments.model,
        storage: &arguments.storage,
        what: "records without a file",
    };
    // What was found is told even if the records could not be judged.
    let (judged, error) = match judging.judge(notes.take_keys(), stop.clone()).await {
        Ok(judged) => (judged, None),
        Err(error) => (Judged::none_of(report.gone + report.replaced), Some(error)),
    };
    notes.print(loaded, arguments, &report, &judged)?;
    if let Some(error) = error {
        return Err(error.context("the records without a file could not be judged, and stay due"));
    }
    if stop.is_cancelled() {
        return Ok(interrupted("; what was not judged is still due, and stocktake verify goes on with it"));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// A scan that has ended well.
struct Scanned {
    store: Store,
    engine: Arc<Engine>,
    report: Report,
    notes: Notes,
}

impl Scanned {
    /// Scans the storage, and imports what is new.
    async fn new(loaded: &Loaded, arguments: &ScanArguments) -> anyhow::Result<Self> {
        let settings = &loaded.settings;
        let (model, name) = (arguments.model, arguments.storage.as_str());
        let storages = wiring::storages(settings)?;
        let storage = storages.get(name).ok_or_else(|| anyhow!(settings.unknown_storage(name)))?;
        require_kind(loaded, arguments)?;
        let store = wiring::open_or_make_store(settings).await?;
        let mut how = wiring::engine_settings(settings);
        (how.storages, how.believe_missing) = (Some(vec![name.to_owned()]), arguments.believe_missing);
        let engine = wiring::engine_with(&store, Arc::clone(&storages), how);
        // A scan sees the files of all models.
        let records = store.catalogue.count_in_storage(name).await?;
        if records > 0 && !arguments.believe_missing {
            let whole = require_storage(loaded, &engine, &storages, arguments, records).await;
            whole.with_context(|| format!("the scan of {name:?} was given up, nothing was added"))?;
        }
        let (basis, known) = known(&store, model, name).await?;
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
            let result = Scan::new(of, &basis, known, &sender, &mut notes).run(found).await;
            if let Err(error) = result.as_ref() {
                // Undoes the import; the error itself is told from here.
                let _ = sender.send(Err(error.to_string().into())).await;
            }
            drop(sender);
            result
        };
        let (scanned, imported) = tokio::join!(scan, catalogue.import_scanned(model, &basis, entries));
        notes.finish();
        let report = match (scanned, imported) {
            (Ok(report), Ok(_)) => report,
            (Err(ScanError::Ended) | Ok(_), Err(ImportError::Store(error))) => return Err(error.into()),
            (Ok(_), Err(error @ ImportError::Outdated(_))) => {
                return Err(error).context("nothing was added: scan again");
            }
            (Ok(_), Err(error)) => return Err(error.into()),
            (Err(error), _) => {
                return Err(error).context(format!("the scan of {name:?} was given up, nothing was added"));
            }
        };
        if let Some(probed) = probed.filter(|_| report.found > 0)
            && storage.content.probe().await.is_ok_and(|now| now == probed)
        {
            engine.has_listed(name, &probed, notes.in_mounts()).await;
        }
        Ok(Self { store, engine, report, notes })
    }
}

/// The paths that records have in the storage, and what new ones are numbered behind.
async fn known(store: &Store, model: Model, name: &str) -> Result<(ScanBasis, PathStream), StoreError> {
    let largest_in_storage = store.catalogue.largest_key_in(model, name).await?;
    let paths = store.catalogue.paths(Some(model), name).await?;
    let largest = store.catalogue.largest_key(model).await?;
    Ok((ScanBasis { storage: name.to_owned(), largest_in_storage, largest }, paths))
}

/// Fails if the storage holds something else than the records of the model are of: the files of a repository would each be a
/// repository, of which nothing would ever be found wrong.
fn require_kind(
    loaded: &Loaded,
    ScanArguments { model, storage: name, .. }: &ScanArguments,
) -> anyhow::Result<()> {
    let words = |kind| match kind {
        ModelKind::Blob => "files",
        ModelKind::GitRepository => "git repositories",
        ModelKind::ContainerRepository => "container repositories",
    };
    let held = loaded.settings.storages.get(name).map(|storage| storage.content.holds());
    match held.filter(|held| *held != model.kind()) {
        Some(held) => bail!(
            "storage {name:?} holds {} by its `kind` in the configuration, and {model} are {}: nothing was added",
            words(held),
            words(model.kind()),
        ),
        None => Ok(()),
    }
}

/// Fails if the storage cannot be read, is not the one that was read before, or is empty though records lie in it: a disk
/// that is not mounted leaves an empty folder.
async fn require_storage(
    loaded: &Loaded,
    engine: &Engine,
    storages: &Storages,
    ScanArguments { model, storage: name, .. }: &ScanArguments,
    records: u64,
) -> anyhow::Result<()> {
    let closed = engine.unreadable(Some(std::slice::from_ref(name))).await?.pop();
    let probed = match storages.get(name) {
        Some(storage) => storage.content.probe().await.ok(),
        None => None,
    };
    let is_empty = probed.as_ref().is_some_and(|probed| probed.is_empty);
    let reason = closed.map(|closed| closed.reason).or_else(|| is_empty.then(|| EMPTY.to_owned()));
    let Some(reason) = reason else { return Ok(()) };
    let sentence = closed_storage(loaded, name, &reason, Some(records));
    if probed.is_none() {
        bail!("{sentence}");
    }
    bail!("{sentence} If that is right: stocktake scan {model} {name} --believe-missing")
}
