//! The summary of a verification.

use std::collections::BTreeSet;
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use stocktake_domain::ports::{Catalogue, ModelSummary, StoreError};
use stocktake_domain::{Model, Record, RecordKey, Timestamp, format_duration};
use stocktake_http::findings;
use stocktake_worker::{ClosedStorage, Drained, Stats, Storages};

use crate::commands::status;
use crate::document;
use crate::findings::{Findings, most_shown};
use crate::output::Text;
use crate::quantities::{count, counted};
use crate::settings::Loaded;
use crate::terminal::TerminalSize;
use crate::verdict::{
    Obstacles, Standing, attention, closed_storage, nothing_that_old, shallow, shallow_text, verb,
};

/// The most failed records in the report for programs; how many more there are is told.
const MOST_NAMED: usize = 10_000;

/// Failed records looked at in one step.
const PAGE: u32 = 1_000;

/// What a verification did and found.
pub(super) struct Report<'a> {
    loaded: &'a Loaded,
    done: Stats,
    closed: Vec<ClosedStorage>,
    shortage: Option<String>,
    took: Duration,
    models: Vec<ModelSummary>,
    terminal: Option<TerminalSize>,
    now: Timestamp,
    /// Only records that failed at or after this time count; `None`: all that are failed.
    since: Option<Timestamp>,
    findings: Findings,
    named: Vec<Value>,
    /// Records in scope that are still due or leased to somebody.
    left: u64,
    /// Which limit stopped it, if one did.
    stopped: Option<String>,
    /// Only records that were last read before this time were asked for.
    old_before: Option<Timestamp>,
}

impl<'a> Report<'a> {
    /// A report without failed records so far. The failed records that count are those since `since`, or all.
    pub(super) fn new(
        loaded: &'a Loaded,
        drained: Drained,
        models: Vec<ModelSummary>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let Drained { stats, closed, shortage } = drained;
        let terminal = crate::terminal::size();
        Self {
            loaded,
            done: stats,
            closed,
            shortage,
            took: Duration::ZERO,
            models,
            terminal,
            now,
            since,
            findings: Findings::new(most_shown(terminal)),
            named: Vec::new(),
            left: 0,
            stopped: None,
            old_before: None,
        }
    }

    /// Says that only records were asked for that were last read before this time.
    pub(super) fn set_old_before(&mut self, before: Option<Timestamp>) {
        self.old_before = before;
    }

    /// Says how long it took, how many records in scope were not read in the end, and which limit stopped it, if one did.
    pub(super) fn set_end(&mut self, took: Duration, left: u64, stopped: Option<&str>) {
        (self.took, self.left) = (took, left);
        self.stopped = stopped.filter(|_| left > 0).map(str::to_owned);
    }

    /// Adds the model's failed records: those with one of the keys (all, if `None`).
    pub(super) async fn add_failed(
        &mut self,
        catalogue: &dyn Catalogue,
        model: Model,
        keys: Option<&Vec<RecordKey>>,
    ) -> Result<(), StoreError> {
        if let Some(keys) = keys {
            for key in keys.iter().collect::<BTreeSet<_>>() {
                self.take(catalogue.get(model, key).await?);
            }
            return Ok(());
        }
        let mut after = None;
        loop {
            let records = catalogue.findings(model, after.take(), PAGE).await?;
            after = records.last().map(|record| record.key.clone());
            self.take(records);
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, records: impl IntoIterator<Item = Record>) {
        let since = self.since;
        let is_finding = |record: &Record| {
            let failed_at = record.history().failed_at();
            record.status.last_failure().is_some()
                && since.is_none_or(|since| failed_at.is_some_and(|at| at >= since))
        };
        for record in records.into_iter().filter(is_finding) {
            if self.named.len() < MOST_NAMED {
                self.named.push(failed_record(&record));
            }
            self.findings.add(record);
        }
    }

    /// Whether a record failed.
    pub(super) fn has_failed(&self) -> bool {
        self.findings.count() > 0
    }

    /// Whether all that was to be read was judged.
    pub(super) fn is_complete(&self) -> bool {
        let none_waits = self.closed.iter().all(|storage| storage.waiting == 0);
        self.left == 0 && self.shortage.is_none() && none_waits && !self.has_drawn_none()
    }

    /// Whether records were selected, and chance took none of them.
    fn has_drawn_none(&self) -> bool {
        self.since.is_some()
            && self.done.records() == 0
            && self.old_before.is_none()
            && self.closed.is_empty()
    }

    /// The report for people.
    pub(super) async fn text(
        &self,
        catalogue: &dyn Catalogue,
        storages: &Storages,
    ) -> Result<Text, StoreError> {
        let mut text = self.findings.text(catalogue, storages, self.terminal, self.now).await?;
        if !text.is_empty() {
            text.line("");
        }
        text.line(format!(
            "checked {}, {}, in {}: {} good, {} failed",
            counted(self.done.records(), "record"),
            HumanBytes(self.done.bytes),
            format_duration(self.took),
            count(self.done.succeeded),
            count(self.done.failures()),
        ));
        if self.done.metadata_only > 0 {
            text.line(format!(
                "of {} good ones only what their object store says was looked at, not the content",
                count(self.done.metadata_only),
            ));
        }
        if let Some(reason) = &self.shortage {
            text.line(format!("this process could not go on reading: {reason}"));
        }
        for sentence in self.closed_storages() {
            text.line(sentence);
        }
        for (storage, compared) in shallow(&self.loaded.settings, &catalogue.storages().await?) {
            text.line(shallow_text(&storage, compared));
        }
        text.line(self.verdict());
        Ok(text)
    }

    fn closed_storages(&self) -> impl Iterator<Item = String> {
        self.closed.iter().map(|storage| {
            let sentence = closed_storage(self.loaded, &storage.name, &storage.reason, Some(storage.waiting));
            // It can be read, but is not what it was.
            let is_doubted = storage.reason.ends_with('?');
            let hint = if is_doubted { " If that is right: stocktake verify --believe-missing" } else { "" };
            sentence + hint
        })
    }

    /// The answer in one sentence.
    fn verdict(&self) -> String {
        let interval = self.loaded.settings.verification.reverify_after;
        let standing = Standing::of(&self.models);
        let obstacles = Obstacles::storages(self.closed.iter().map(|storage| storage.name.clone()));
        let left = match (self.left, &self.stopped) {
            (0, _) => String::new(),
            (left, Some(stopped)) => {
                format!(
                    " {stopped}: {} {} still due, and stocktake verify goes on with them.",
                    count(left),
                    verb(left)
                )
            }
            (left, None) => format!(" {} could not be read now and {} still due.", count(left), verb(left)),
        };
        if self.has_failed() {
            return if self.since.is_some() {
                format!("{}{left}", attention(&self.findings.by_kind(), self.done.records()))
            } else {
                format!("{}{left}", standing.sentence(interval, self.now, &obstacles))
            };
        }
        if self.has_drawn_none() && left.is_empty() && self.shortage.is_none() {
            "No record was read: chance drew none.".to_owned()
        } else if !self.is_complete() && left.is_empty() {
            "Nothing was due, but not every storage can be read.".to_owned()
        } else if !self.is_complete() {
            format!("No record failed, but not all were read:{left}")
        } else if let (0, Some(before)) = (self.done.records(), self.old_before) {
            nothing_that_old(before, self.now)
        } else if self.done.records() == 0 {
            standing.nothing_due(interval, self.now, &obstacles)
        } else if self.since.is_some() {
            match self.done.records() {
                1 => "The only record read now is good.".to_owned(),
                records => format!("All {} read now are good.", counted(records, "record")),
            }
        } else {
            standing.sentence(interval, self.now, &obstacles)
        }
    }

    /// The report for programs.
    pub(super) fn json(&self) -> Text {
        let kinds: Map<String, Value> =
            self.done.failed.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into())).collect();
        let closed: Vec<Value> = self
            .closed
            .iter()
            .map(|storage| {
                json!({ "name": storage.name, "reason": storage.reason, "waiting": storage.waiting })
            })
            .collect();
        let named = u64::try_from(self.named.len()).unwrap_or(u64::MAX);
        let fields = json!({
            "checked": {
                "succeeded": self.done.succeeded,
                "metadata_only": self.done.metadata_only,
                "failed": self.done.failures(),
                "failures": kinds,
                "bytes": self.done.bytes,
                "seconds": self.took.as_secs_f64(),
            },
            "closed_storages": closed,
            "shortage": self.shortage,
            "left": self.left,
            "stopped": self.stopped,
            "verdict": self.verdict(),
            "models": self.models.iter().map(status::to_json).collect::<Vec<_>>(),
            "failed": self.findings.count(),
            "failed_records": self.named,
            "failed_records_left_out": self.findings.count().saturating_sub(named),
        });
        document::text(fields)
    }
}

/// The record as `export` shows it, and when it failed.
fn failed_record(record: &Record) -> Value {
    let finding = serde_json::from_str(&findings::json(record)).unwrap_or_default();
    let failed_at = record.history().failed_at().map(|at| at.to_string());
    document::joined(finding, json!({ "failed_at": failed_at }))
}
