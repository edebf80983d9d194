//! `stocktake orphans`: files and repositories that no row of the configured GitLab claims.

mod list;

use std::process::ExitCode;
use std::sync::Arc;

use stocktake_diesel_storage::Store;
use stocktake_domain::{Clock as _, Timestamp};
use stocktake_source_sync::{OrphanParts, OrphanSettings, StorageOutcome, never_read, orphans};
use tokio_util::sync::CancellationToken;

use crate::args::{OrphansArguments, SyncArguments};
use crate::lifecycle::interrupted;
use crate::settings::Settings;
use crate::system::SystemClock;
use crate::{output, wiring};

use list::List;

/// The exit status when not all of a storage could be searched, or records are missing that would claim what is in it.
const NOT_ALL: u8 = 1;

/// Runs the command.
pub(super) async fn run(
    settings: &Settings,
    arguments: &OrphansArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let store = wiring::open_or_make_store(settings).await?;
    // What is stored while the rows are read has a row that was not seen.
    let began = SystemClock.now();
    let search = search(settings, &store, arguments, began, stop.clone());
    let Some(all) = stop.run_until_cancelled(search).await else {
        return Ok(interrupted(""));
    };
    Ok(if all? { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// Whether all could be searched.
async fn search(
    settings: &Settings,
    store: &Store,
    arguments: &OrphansArguments,
    began: Timestamp,
    stop: CancellationToken,
) -> anyhow::Result<bool> {
    let source = wiring::source(settings)?;
    let mut all = true;
    if !arguments.no_sync {
        let everything = SyncArguments { models: Vec::new(), accept_deletions: false, json: false };
        let report = super::sync::once(settings, store, &everything, stop).await?;
        let problems = report.models.iter().filter_map(|model| Some((model.model, model.problem.as_ref()?)));
        for (model, problem) in problems {
            all = false;
            output::say(&format!("{model} could not be read, so that its content may be listed: {problem}"));
        }
    }
    for model in never_read(&store.sync_state.states().await?) {
        all = false;
        output::say(&format!("the rows of {model} were never read, so that its content may be listed"));
    }
    let age = arguments.older_than.unwrap_or_default();
    let changed_before = Some(before(began, age));
    let storages = wiring::storages(settings)?;
    let storages = storages.iter().map(|(name, storage)| (name.clone(), Arc::clone(&storage.content)));
    let parts = OrphanParts { source, catalogue: Arc::clone(&store.catalogue), storages: storages.collect() };
    let mut list = List::begin(arguments.format)?;
    let report = orphans(parts, OrphanSettings { changed_before }, &mut list).await?;
    list.end(&report)?;
    let is_searched =
        |outcome: &StorageOutcome| matches!(outcome, StorageOutcome::Searched | StorageOutcome::Unused(_));
    let searched = report.storages.iter().all(|storage| is_searched(&storage.outcome));
    let searched = searched && report.totals.skipped == 0;
    Ok(all && searched)
}

fn before(time: Timestamp, age: std::time::Duration) -> Timestamp {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(millis))
}
