//! `stocktake orphans`: files and repositories that no row of the configured GitLab claims, and what container registries
//! keep though nothing refers to it.

mod list;
mod registries;

use std::process::ExitCode;
use std::sync::Arc;

use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{ModelSyncState, Source};
use stocktake_domain::{Clock as _, Model, StorageOutcome, Timestamp};
use stocktake_source_sync::{OrphanReport, OrphanSettings, SearchSettings, StorageOrphans, never_read};
use tokio_util::sync::CancellationToken;

use crate::args::{OrphansArguments, SyncArguments};
use crate::lifecycle::interrupted;
use crate::settings::Settings;
use crate::system::SystemClock;
use crate::{output, wiring};

use list::List;

/// The exit status when not all of a storage could be searched, or records are missing that would claim what is in it.
const NOT_ALL: u8 = 1;

/// The exit status when no storage could be searched at all.
const NOTHING: u8 = 2;

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
    let Some(status) = stop.run_until_cancelled(search).await else {
        return Ok(interrupted(""));
    };
    status.map(ExitCode::from)
}

/// Searches, and returns the exit status.
async fn search(
    settings: &Settings,
    store: &Store,
    arguments: &OrphansArguments,
    began: Timestamp,
    stop: CancellationToken,
) -> anyhow::Result<u8> {
    let storages = wiring::storages(settings)?;
    // Without a GitLab, registries alone can say what in them is not needed.
    let synced = if settings.gitlab.is_some() || !wiring::has_registries(&storages) {
        Some(synced_source(settings, store, arguments, began, stop).await?)
    } else {
        None
    };
    let engine = wiring::engine(settings, store, Arc::clone(&storages));
    let mut list = List::begin(arguments.format())?;
    let older_than = arguments.older_than.unwrap_or_default();
    let (source, unread, read) = match synced {
        Some(Synced { source, unread, read }) => (Some(source), unread, read),
        None => (None, Vec::new(), began),
    };
    let are_all_read = unread.is_empty();
    let parts = wiring::search_parts(store, source, &storages, engine);
    let settings = SearchSettings {
        orphans: OrphanSettings { changed_before: Some(before(read, older_than)), unread },
        registries_before: before(began, older_than),
    };
    let report = stocktake_source_sync::search(parts, settings, &mut list).await?;
    let status = status_of(&report.orphans).max(registries::status_of(&report.registries));
    list.end(&report.orphans, &report.registries)?;
    Ok(if are_all_read { status } else { status.max(NOT_ALL) })
}

/// The configured GitLab, and how far the catalogue is in line with it.
struct Synced {
    source: Arc<dyn Source>,
    /// The models of which not all rows were read.
    unread: Vec<Model>,
    /// When the rows of the others were read: what was stored since may have a row that was not seen.
    read: Timestamp,
}

/// The configured GitLab, with the catalogue brought in line with it, unless that is not wanted.
async fn synced_source(
    settings: &Settings,
    store: &Store,
    arguments: &OrphansArguments,
    began: Timestamp,
    stop: CancellationToken,
) -> anyhow::Result<Synced> {
    let source = wiring::source(settings)?;
    let mut unread = Vec::new();
    if !arguments.no_sync {
        let everything =
            SyncArguments { models: Vec::new(), accept_deletions: false, check: false, json: false };
        let report = super::sync::once(settings, store, &everything, stop).await?;
        let problems = report.models.iter().filter_map(|model| Some((model.model, model.problem.as_ref()?)));
        for (model, problem) in problems {
            unread.push(model);
            output::say(&format!(
                "{model} could not be read, so that nothing is searched where it may lie: {problem}"
            ));
        }
    }
    let states = store.sync_state.states().await?;
    for model in never_read(&states) {
        if !unread.contains(&model) {
            unread.push(model);
            output::say(&format!(
                "the rows of {model} were never read, so that nothing is searched where it may lie"
            ));
        }
    }
    for table in source.check().await?.not_understood {
        output::say(&format!("GitLab records files in {table}, which no rule knows: some may be listed"));
    }
    let read_before =
        if arguments.no_sync { states.iter().filter_map(ModelSyncState::last_read).min() } else { None };
    Ok(Synced { source, unread, read: read_before.map_or(began, |read| read.min(began)) })
}

/// The exit status of a search: 0 if all was looked at.
fn status_of(report: &OrphanReport) -> u8 {
    let is_searched = |storage: &StorageOrphans| {
        matches!(storage.outcome, StorageOutcome::Searched | StorageOutcome::Unused(_))
    };
    let is_nothing = |storage: &StorageOrphans| !is_searched(storage) && storage.totals.looked_at == 0;
    if !report.storages.is_empty() && report.storages.iter().all(is_nothing) {
        NOTHING
    } else if report.storages.iter().all(is_searched) && report.totals.skipped == 0 {
        0
    } else {
        NOT_ALL
    }
}

fn before(time: Timestamp, age: std::time::Duration) -> Timestamp {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use stocktake_domain::OrphanTotals;

    use super::*;

    #[test]
    fn a_search_that_could_look_at_nothing_has_a_status_of_its_own() {
        let status = |outcomes: &[(StorageOutcome, u64)]| {
            let storages = outcomes.iter().map(|(outcome, looked_at)| StorageOrphans {
                storage: "a".to_owned(),
                outcome: outcome.clone(),
                not_understood: std::collections::BTreeMap::new(),
                totals: OrphanTotals { looked_at: *looked_at, ..OrphanTotals::default() },
            });
            status_of(&OrphanReport { storages: storages.collect(), totals: OrphanTotals::default() })
        };
        let closed = || (StorageOutcome::Failed("closed".to_owned()), 0);
        let good = || (StorageOutcome::Searched, 0);
        assert_eq!([status(&[]), status(&[good()])], [0, 0]);
        assert_eq!(status(&[good(), closed()]), NOT_ALL);
        assert_eq!(status(&[(StorageOutcome::Failed("broke".to_owned()), 9)]), NOT_ALL);
        assert_eq!(status(&[closed(), closed()]), NOTHING);
    }
}
