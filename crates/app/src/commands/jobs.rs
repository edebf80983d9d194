//! `stocktake jobs`: bulk jobs, and how they are cancelled.

use anyhow::bail;
use serde_json::json;
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{CountLimit, CountedTo};
use stocktake_domain::{Job, JobId, JobScope, JobState, Model, Selection, Timestamp};
use stocktake_http::job_json;

use crate::args::JobsCommand;
use crate::output::Text;
use crate::quantities::{age, count, counted};
use crate::settings::Settings;
use crate::{document, output, wiring};

/// Jobs read in one step.
const PAGE: u32 = 100;

/// The most records counted to tell of how many a job is.
const MOST_COUNTED: u64 = 10_000_000;

/// Jobs listed where not all are wanted.
const RECENT: usize = 20;

/// Runs the command; without another word it lists.
pub(super) async fn run(
    settings: &Settings,
    command: Option<&JobsCommand>,
    json: bool,
) -> anyhow::Result<()> {
    if let Some(JobsCommand::Cancel { id }) = command {
        let store = wiring::open_store(settings).await?;
        return cancel(&store, *id, json, store.clock.now()).await;
    }
    let all = matches!(command, Some(JobsCommand::List { all: true }));
    let store = wiring::open_to_read(settings).await?;
    show(&store, all, json, store.clock.now()).await
}

async fn show(store: &Store, all: bool, json: bool, now: Timestamp) -> anyhow::Result<()> {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let page = store.jobs.list(jobs.last().map(|job| job.id), PAGE).await?;
        let is_last = page.is_empty();
        jobs.extend(page);
        if is_last || (!all && jobs.len() > RECENT) {
            break;
        }
    }
    let is_cut = !all && jobs.len() > RECENT;
    if is_cut {
        jobs.truncate(RECENT);
    }
    if json {
        let jobs: Vec<_> = jobs.iter().map(job_json).collect();
        return output::print(&document::text(json!({ "jobs": jobs, "left_out": is_cut })));
    }
    let mut totals = Vec::new();
    for job in &jobs {
        totals.push(total(store, job).await?);
    }
    output::print(&list(&jobs, &totals, is_cut, now))
}

/// Of how many records the job is, as far as that can be told: those that it marked, and those that it still may mark.
/// `None` of one that was cancelled, and of one over named records in a state, whose keys are not looked at.
async fn total(store: &Store, job: &Job) -> anyhow::Result<Option<u64>> {
    let JobScope { state, key_count, filter } = job.scope.clone();
    Ok(match (job.state, state, key_count) {
        (JobState::Cancelled, ..) => None,
        (JobState::Finished, ..) => Some(job.marked),
        // All of a whole model were marked at once.
        (JobState::Running, None, None) if filter.is_empty() => Some(job.marked),
        (_, state, Some(keys)) => state.is_none().then_some(keys),
        (_, state, None) => {
            let selection = Selection { state, keys: None, filter };
            let matches = matching(store, job.model, &selection).await?;
            // What it marked is in another state now.
            matches.map(|matches| if state.is_some() { job.marked + matches } else { matches })
        }
    })
}

/// How many records match, if that is known without looking at very many of them.
async fn matching(store: &Store, model: Model, selection: &Selection) -> anyhow::Result<Option<u64>> {
    let counted = store.catalogue.count(model, selection, CountLimit::page(MOST_COUNTED)).await?;
    Ok((counted.to == CountedTo::End).then_some(counted.matches))
}

async fn cancel(store: &Store, id: i64, json: bool, now: Timestamp) -> anyhow::Result<()> {
    let before = store.jobs.get(JobId(id)).await?;
    let cancelled = store.jobs.cancel(JobId(id)).await?;
    let (Some(before), Some(job)) = (before, cancelled) else {
        bail!("there is no job {id}; stocktake jobs lists them");
    };
    if json {
        return output::print(&document::text(json!({ "job": job_json(&job) })));
    }
    output::print_line(&cancellation(&before, &job, now))
}

fn list(jobs: &[Job], totals: &[Option<u64>], is_cut: bool, now: Timestamp) -> Text {
    if jobs.is_empty() {
        return Text::of("There are no bulk jobs.");
    }
    let header = ["job", "model", "of", "state", "marked", "asked for by", "when"];
    let rows = jobs.iter().zip(totals).map(|(job, total)| {
        vec![
            job.id.0.to_string(),
            job.model.to_string(),
            selection(job),
            job.state.to_string(),
            match total {
                Some(total) => format!("{} of {}", count(job.marked), count(*total)),
                None => count(job.marked),
            },
            job.requested_by.clone(),
            age(job.created_at, now),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect();
    let mut text = Text::table(&rows, usize::MAX);
    let open = jobs.iter().filter(|job| !job.state.is_over()).count();
    let marked = jobs.iter().map(|job| job.marked).sum();
    text.line(format!(
        "{} marked in {}. {} not ended.{}",
        counted(marked, "record"),
        counted(u64::try_from(jobs.len()).unwrap_or(u64::MAX), "job"),
        match open {
            1 => "1 job has".to_owned(),
            open => format!("{open} jobs have"),
        },
        if is_cut { " Older ones are left out: stocktake jobs list --all" } else { "" },
    ));
    text
}

/// Which records the job is of.
fn selection(job: &Job) -> String {
    let JobScope { state, key_count, filter } = &job.scope;
    let records = match (state, key_count) {
        (None, None) if filter.is_empty() => "all records".to_owned(),
        (None, None) => "records".to_owned(),
        (Some(state), None) => format!("{state} records"),
        (None, Some(keys)) => counted(*keys, "record"),
        (Some(state), Some(keys)) => format!("{}, if {state}", counted(*keys, "record")),
    };
    if filter.is_empty() { records } else { format!("{records} {filter}") }
}

fn cancellation(before: &Job, job: &Job, now: Timestamp) -> String {
    let id = job.id.0;
    if before.state.is_over() {
        let when = job.finished_at.map(|at| format!(" {}", age(at, now))).unwrap_or_default();
        return format!("Job {id} had ended already: {}{when}. Nothing was changed.", before.state);
    }
    format!(
        "Job {id} ({}, {}) is cancelled. It had marked {}, which stay due.",
        job.model,
        selection(job),
        counted(job.marked, "record"),
    )
}
