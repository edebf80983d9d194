//! The records of a storage beside what a report says of their objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{ReportApplied, ReportedRecord};
use stocktake_domain::{FailureKind, RecordKey, ReportRules, ReportVerdict, StoredRecord};
use stocktake_store_report::Index;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::ReadReport;
use crate::args::ImportReportArguments;
use crate::escape::escaped_json;
use crate::output::Spool;
use crate::progress::Meter;
use crate::quantities::{count, counted};

/// Records compared in one step.
const PAGE: u32 = 10_000;

/// Records written in one step.
const BATCH: usize = 1_000;

/// More records than these that differ or are not there, and more than half of all, and the report is one of something else.
const MASS: u64 = 10;

/// What the comparison came to, in records.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Those that are not switched off.
    pub(super) records: u64,
    /// Those that the report names.
    pub(super) named: u64,
    /// Looked at, or stored, after the report was made.
    pub(super) newer: u64,
    /// The report has nothing that could be compared.
    pub(super) silent: u64,
    /// As well as the report says, or better.
    pub(super) agreeing: u64,
    /// Good by the report, which is more than was known.
    pub(super) good: u64,
    /// Not good by the report, by kind.
    pub(super) bad: BTreeMap<FailureKind, u64>,
    /// Not named by a report of all objects.
    pub(super) absent: u64,
    /// Named, and to be read.
    pub(super) doubtful: u64,
    /// Not named by a report of some objects.
    pub(super) beside: u64,
}

impl Counts {
    pub(super) fn bad(&self) -> u64 {
        self.bad.values().sum()
    }
}

/// What the report says of all records, not yet written.
pub(super) struct Comparison {
    pub(super) counts: Counts,
    /// Keys and paths of the records that the report judges.
    judged: Spool,
    /// Keys of the records that are to be read.
    pub(super) doubtful: Spool,
}

impl Comparison {
    /// Compares all records of the model in the storage.
    pub(super) async fn new(
        store: &Store,
        arguments: &ImportReportArguments,
        read: &ReadReport,
        rules: ReportRules,
    ) -> anyhow::Result<Self> {
        let is_complete = read.report.is_complete && !arguments.partial;
        let mut comparison = Self { counts: Counts::default(), judged: Spool::new(), doubtful: Spool::new() };
        let meter = Meter::start("records", None);
        let next = |after| {
            let (catalogue, model) = (Arc::clone(&store.catalogue), arguments.model);
            let storage = arguments.storage.clone();
            let page = async move { catalogue.stored(model, &storage, after, PAGE).await };
            AbortOnDropHandle::new(tokio::spawn(page))
        };
        let mut page = next(None).await??;
        while let Some(last) = page.last() {
            // A task of its own reads the next page meanwhile.
            let following = next(Some(last.key.clone()));
            comparison.add(&page, read, rules, is_complete)?;
            meter.set(comparison.counts.records, None);
            meter.set_failures(comparison.counts.bad());
            page = following.await??;
        }
        meter.finish();
        Ok(comparison)
    }

    fn add(
        &mut self,
        page: &[StoredRecord],
        read: &ReadReport,
        rules: ReportRules,
        is_complete: bool,
    ) -> anyhow::Result<()> {
        let records: Vec<_> = page.iter().filter(|record| !record.is_off).collect();
        let said = read.index.get_all(records.iter().map(|record| record.path.as_str()));
        let said = said.context("the report's objects cannot be read again")?;
        for (record, said) in records.into_iter().zip(said) {
            let counts = &mut self.counts;
            counts.records += 1;
            counts.named += u64::from(said.is_some());
            if said.is_none() && !is_complete {
                counts.beside += 1;
                continue;
            }
            match rules.judge(record, said.as_ref()) {
                ReportVerdict::Newer => counts.newer += 1,
                ReportVerdict::Silent => counts.silent += 1,
                ReportVerdict::Agrees => counts.agreeing += 1,
                ReportVerdict::Good(_) => {
                    counts.good += 1;
                    self.judged.line(&line(record));
                }
                ReportVerdict::Bad(failure) => {
                    *counts.bad.entry(failure.kind()).or_default() += 1;
                    self.judged.line(&line(record));
                }
                ReportVerdict::Doubtful => {
                    *(if said.is_some() { &mut counts.doubtful } else { &mut counts.absent }) += 1;
                    self.doubtful.line(&record.key.to_string());
                }
            }
        }
        Ok(())
    }

    /// Fails if the report cannot be one of these records.
    pub(super) fn require_fit(&self, arguments: &ImportReportArguments) -> anyhow::Result<()> {
        let ImportReportArguments { model, storage, force, .. } = arguments;
        let counts = &self.counts;
        if counts.records == 0 {
            bail!("there is no record of {model} in storage {storage} that is verified");
        }
        if counts.named == 0 {
            bail!(
                "the report names none of the {} of {model} in storage {storage}: nothing was judged",
                counted(counts.records, "record")
            );
        }
        let (bad, absent) = (counts.bad(), counts.absent);
        let against = bad + absent;
        if !force && against > MASS && against > counts.records / 2 {
            bail!(
                "{} of {} are another object by the report, and {} are not in it: that is more than half, as if it were of \
                 other objects. Nothing was judged. Of a part of the storage: --partial. If it is right: --force",
                count(bad),
                counted(counts.records, "record"),
                count(absent),
            );
        }
        Ok(())
    }

    /// Records what the report says, in steps, until it is stopped.
    pub(super) async fn apply(
        self,
        store: &Store,
        arguments: &ImportReportArguments,
        index: &Index,
        rules: ReportRules,
        stop: &CancellationToken,
    ) -> anyhow::Result<ReportApplied> {
        let total = self.counts.good + self.counts.bad();
        let meter = Meter::start("records judged", Some(total));
        let mut lines = self.judged.lines()?;
        let (mut applied, mut done) = (ReportApplied::default(), 0);
        while !stop.is_cancelled() {
            let batch = lines.by_ref().take(BATCH).map(|line| reported(&line?, index));
            let batch = batch.collect::<anyhow::Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            done += u64::try_from(batch.len()).unwrap_or(0);
            let written =
                store.catalogue.apply_report(arguments.model, &arguments.storage, rules, batch).await?;
            applied.good += written.good;
            for (kind, count) in written.failed {
                *applied.failed.entry(kind).or_default() += count;
            }
            meter.set(done, None);
        }
        meter.finish();
        Ok(applied)
    }
}

fn line(record: &StoredRecord) -> String {
    escaped_json(&json!([record.key.to_string(), record.path]).to_string())
}

fn reported(line: &str, index: &Index) -> anyhow::Result<ReportedRecord> {
    let [key, path] = serde_json::from_str::<[String; 2]>(line)?;
    let said = index.get(&path).context("the report's objects cannot be read again")?;
    Ok(ReportedRecord { key: key.parse::<RecordKey>()?, path, said: said.unwrap_or_default() })
}

/// The numbers of each kind, for JSON.
pub(super) fn by_kind(counts: &BTreeMap<FailureKind, u64>) -> Value {
    FailureKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), Value::from(counts.get(&kind).copied().unwrap_or(0))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
