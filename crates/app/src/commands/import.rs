//! `stocktake import`: records from NDJSON.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use futures_util::stream;
use stocktake_domain::Model;
use stocktake_domain::ports::{Applied, ImportError};
use tokio::sync::mpsc;

use crate::args::ImportArguments;
use crate::quantities::counted;
use crate::settings::Settings;
use crate::{import, output, wiring};

/// Batches read ahead of the database.
const READ_AHEAD: usize = 4;

/// Runs the command.
pub(super) async fn run(settings: &Settings, arguments: &ImportArguments) -> anyhow::Result<()> {
    let source = open(&arguments.file)?;
    let store = wiring::open_or_make_store(settings).await?;
    let storages: BTreeSet<String> = settings.storages.keys().cloned().collect();
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let warn = |name: &str| {
            output::say(&format!(
                "warning: the storage {name:?} is not configured here; its records fail unless a worker knows it"
            ));
        };
        import::send_entries(BufReader::with_capacity(1 << 18, source), &storages, warn, &sender);
    });
    let entries = Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let applied = store
        .catalogue
        .import(arguments.model, entries)
        .await
        .map_err(told_by_lines)
        .with_context(|| format!("nothing was imported from {}", arguments.file.display()))?;
    output::print_line(&format!(
        "added {}, changed {}, unchanged {}",
        applied.added, applied.changed, applied.unchanged
    ))?;
    output::print_line(&verdict(arguments.model, &applied))
}

/// What the catalogue now knows, and what to do next.
fn verdict(model: Model, Applied { added, changed, unchanged }: &Applied) -> String {
    let all = match added + changed + unchanged {
        0 => return "Nothing was imported: there was no line.".to_owned(),
        all => counted(all, "record"),
    };
    if *added + *changed == 0 {
        format!("The catalogue knew all {all} of {model} as they are.")
    } else {
        format!("The catalogue knows all {all} of {model} now. Read what is due: stocktake verify {model}")
    }
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

fn open(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    Ok(Box::new(file))
}
