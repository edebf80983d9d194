//! `stocktake import-report`: judging records by what their object store reports of its objects.
//!
//! The report is read first, whole, into an index on its objects; then the records of the storage go by it once, in pages. What
//! comes of that is kept aside until all were compared, so that a report that does not fit writes nothing.

mod comparison;
mod notes;

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use stocktake_content_objects::{Mode, ObjectSettings, S3Settings, Service};
use stocktake_diesel_storage::Store;
use stocktake_domain::{CLOCK_TOLERANCE, Clock as _, ReportRules};
use stocktake_store_report::{Given, Index, IndexBuilder, Report, Row};
use tokio_util::sync::CancellationToken;

use crate::args::ImportReportArguments;
use crate::lifecycle::interrupted;
use crate::output::Spool;
use crate::progress::Meter;
use crate::quantities::minute;
use crate::settings::{Content, Loaded, Settings};
use crate::system::SystemClock;
use crate::wiring;

use super::judging::{Judged, Judging};
use comparison::Comparison;
use notes::Told;

/// The exit status when something is wrong, or could not be looked at.
const NOT_ALL: u8 = 1;

/// Rows between two looks at whether to stop.
const ROWS_BETWEEN: u64 = 10_000;

/// The bucket of a storage.
struct Bucket<'a> {
    name: &'a str,
    /// What the keys of its objects begin with, with a slash at its end unless it is empty.
    prefix: String,
    /// Whether nothing of its objects is read.
    metadata_suffices: bool,
}

/// A report that was read.
pub(super) struct ReadReport {
    report: Report,
    index: Index,
    rows: u64,
    /// Objects that do not lie below the storage's prefix.
    outside: u64,
}

/// Runs the command.
pub(super) async fn run(
    loaded: &Loaded,
    arguments: &ImportReportArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    let bucket = bucket(settings, &arguments.storage)?;
    let given = Given {
        columns: arguments.columns.clone(),
        made_at: arguments.as_of.map(|moment| moment.seen_from(SystemClock.now())),
    };
    let files = arguments.files.clone();
    let report = tokio::task::spawn_blocking(move || Report::open(&files, &given)).await??;
    if let Some(other) = report.bucket.as_deref().filter(|name| *name != bucket.name) {
        bail!("the report is of bucket {other}, and storage {} is bucket {}", arguments.storage, bucket.name);
    }
    let now = SystemClock.now();
    if report.made_at > now.after(CLOCK_TOLERANCE) {
        bail!(
            "the report was made at {}, in the future: is the clock of this host right?",
            minute(report.made_at)
        );
    }
    let store = if arguments.dry_run {
        wiring::open_to_read(settings).await?
    } else {
        wiring::open_store(settings).await?
    };
    let rules = ReportRules { made_at: report.made_at, metadata_suffices: bucket.metadata_suffices };
    let Some(read) = read(report, &bucket, stop.clone()).await? else {
        return Ok(interrupted("; nothing was judged"));
    };
    let comparing = Comparison::new(&store, arguments, &read, rules);
    let Some(mut comparison) = stop.run_until_cancelled(comparing).await.transpose()? else {
        return Ok(interrupted("; nothing was judged"));
    };
    comparison.require_fit(arguments)?;
    let mut told = Told::new(arguments, &read, comparison.counts.clone());
    if arguments.dry_run {
        told.print(loaded)?;
        return Ok(if told.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) });
    }
    let doubtful = std::mem::replace(&mut comparison.doubtful, Spool::new());
    told.applied = comparison.apply(&store, arguments, &read.index, rules, &stop).await?;
    if stop.is_cancelled() {
        return Ok(interrupted("; what was not judged is as it was, and the same command goes on with it"));
    }
    told.judged = Some(judge(loaded, arguments, &store, doubtful, stop.clone()).await?);
    told.print(loaded)?;
    if stop.is_cancelled() {
        return Ok(interrupted("; what was not read is still due, and stocktake verify goes on with it"));
    }
    Ok(if told.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// The bucket of the storage of this name.
fn bucket<'a>(settings: &'a Settings, name: &str) -> anyhow::Result<Bucket<'a>> {
    let storage = settings.storages.get(name).ok_or_else(|| anyhow!(settings.unknown_storage(name)))?;
    match &storage.content {
        Content::Objects(ObjectSettings {
            service: Service::S3(S3Settings { bucket, .. }),
            prefix,
            mode,
            ..
        }) => {
            let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            Ok(Bucket {
                name: bucket,
                prefix: format!("{prefix}{slash}"),
                metadata_suffices: *mode == Mode::Metadata,
            })
        }
        _ => bail!(
            "storage {name} is no bucket of S3 (storages.{name}.kind, {}): the reports that can be read are those of \
             Amazon S3",
            storage.place
        ),
    }
}

/// Reads all rows of the report; `None` if that was stopped.
async fn read(
    report: Report,
    bucket: &Bucket<'_>,
    stop: CancellationToken,
) -> anyhow::Result<Option<ReadReport>> {
    let meter = Meter::start("rows", None);
    meter.set_totals(None, Some(report.bytes));
    let (name, prefix) = (bucket.name.to_owned(), bucket.prefix.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let mut index = IndexBuilder::default();
        let (mut rows, mut bytes, mut outside) = (0, 0, 0);
        let mut each = |row: Row<'_>| {
            rows += 1;
            if rows % ROWS_BETWEEN == 0 && stop.is_cancelled() {
                return Err(String::new());
            }
            if let Some(other) = row.bucket.filter(|other| *other != name) {
                return Err(format!("it is of bucket {other}, and not of bucket {name}"));
            }
            let Some(said) = row.said else { return Ok(()) };
            let Some(path) = row.key.strip_prefix(prefix.as_str()) else {
                outside += 1;
                return Ok(());
            };
            index.add(path, &said).map_err(|error| format!("it cannot be kept in a temporary file: {error}"))
        };
        let read = report.read(
            |count| {
                bytes += count;
                meter.set(0, Some(bytes));
            },
            &mut each,
        );
        meter.finish();
        if stop.is_cancelled() {
            return Ok(None);
        }
        let rows = read?;
        let index = index.finish().context("the report's objects cannot be kept in a temporary file")?;
        anyhow::Ok(Some(ReadReport { report, index, rows, outside }))
    });
    reading.await?
}

/// Reads the records that something speaks against.
async fn judge(
    loaded: &Loaded,
    arguments: &ImportReportArguments,
    store: &Store,
    keys: Spool,
    stop: CancellationToken,
) -> anyhow::Result<Judged> {
    let storages = wiring::storages(&loaded.settings)?;
    let mut how = wiring::engine_settings(&loaded.settings);
    how.storages = Some(vec![arguments.storage.clone()]);
    let engine = wiring::engine_with(store, storages, how);
    let judging = Judging {
        loaded,
        store,
        engine: &engine,
        model: arguments.model,
        storage: &arguments.storage,
        what: "records in doubt",
    };
    judging.judge(keys, stop).await
}
