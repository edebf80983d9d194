//! The summary of a verification.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Map, Value, json};
use stocktake_domain::ports::{Catalogue, ModelSummary, PageRequest, PageStart, SortOrder, StoreError};
use stocktake_domain::{Failure, Model, Record, RecordKey, Selection, State, Timestamp, format_duration};
use stocktake_worker::{ClosedStorage, Drained, Stats};

use crate::commands::status;
use crate::output::Text;

/// The most failed records named.
const MOST_NAMED: usize = 50;

/// Failed records looked at in one step.
const PAGE: u32 = 1_000;

/// What a verification did and found.
pub(super) struct Report {
    done: Stats,
    closed: Vec<ClosedStorage>,
    shortage: Option<String>,
    took: Duration,
    models: Vec<ModelSummary>,
    failed: u64,
    named: Vec<Record>,
    /// Records in scope that are still due or leased to somebody.
    left: u64,
    /// How long a success counts.
    interval: Duration,
}

impl Report {
    /// A report without failed records so far.
    pub(super) fn new(
        drained: Drained,
        took: Duration,
        summary: Vec<ModelSummary>,
        models: &[Model],
    ) -> Self {
        let models = summary.into_iter().filter(|summary| models.contains(&summary.model)).collect();
        let Drained { stats, closed, shortage } = drained;
        let (named, interval) = (Vec::new(), Duration::ZERO);
        Self { done: stats, closed, shortage, took, models, failed: 0, named, left: 0, interval }
    }

    /// Says how many records in scope were not read in the end, and how long a success counts.
    pub(super) fn set_left(&mut self, left: u64, interval: Duration) {
        (self.left, self.interval) = (left, interval);
    }

    /// Adds the model's failed records: those with one of the keys (all, if `None`), found failed at or after
    /// `since`.
    pub(super) async fn add_failed(
        &mut self,
        catalogue: &dyn Catalogue,
        model: Model,
        keys: Option<&Vec<RecordKey>>,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let selection = Selection { state: Some(State::Failed), keys: keys.cloned() };
        let mut start = PageStart::First;
        loop {
            let request = PageRequest {
                model,
                selection: selection.clone(),
                order: SortOrder::Ascending,
                start,
                limit: PAGE,
            };
            let page = catalogue.page(&request).await?;
            let Some(last) = page.records.last().map(|record| record.key.clone()).filter(|_| page.has_next)
            else {
                self.take(page.records, since);
                return Ok(());
            };
            self.take(page.records, since);
            start = PageStart::After(last);
        }
    }

    fn take(&mut self, records: Vec<Record>, since: Option<Timestamp>) {
        for record in records {
            if since.is_none_or(|since| record.history().failed_at.is_some_and(|at| at >= since)) {
                self.failed += 1;
                if self.named.len() < MOST_NAMED {
                    self.named.push(record);
                }
            }
        }
    }

    /// Whether a record failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Whether all that was to be read was judged.
    pub(super) fn is_complete(&self) -> bool {
        let none_waits = self.closed.iter().all(|storage| storage.waiting == 0);
        self.left == 0 && self.shortage.is_none() && none_waits
    }

    /// The report for people.
    pub(super) fn text(&self) -> Text {
        let mut text = if self.models.is_empty() { Text::default() } else { status::text(&self.models) };
        if !self.named.is_empty() {
            text.line("");
            text.line("failed:");
        }
        for record in &self.named {
            let failure = record.status.failure().map_or_else(String::new, Failure::text);
            text.line(format!("{} {}: {failure}", record.model, record.key));
        }
        let unnamed = self.failed.saturating_sub(u64::try_from(self.named.len()).unwrap_or(u64::MAX));
        if unnamed > 0 {
            text.line(format!("… and {} more", HumanCount(unnamed)));
        }
        if !text.is_empty() {
            text.line("");
        }
        text.line(format!(
            "checked {} records, {}, in {}: {} good, {} failed",
            HumanCount(self.done.records()),
            HumanBytes(self.done.bytes),
            format_duration(self.took),
            HumanCount(self.done.succeeded),
            HumanCount(self.done.failures()),
        ));
        for ClosedStorage { name, reason, waiting } in &self.closed {
            text.line(format!(
                "storage {name} cannot be read, its {} records were left as they were: {reason}",
                HumanCount(*waiting),
            ));
        }
        if let Some(reason) = &self.shortage {
            text.line(format!("this process could not go on reading: {reason}"));
        }
        if self.done.metadata_only > 0 {
            text.line(format!(
                "of {} good ones only what their object store says was looked at, not the content",
                HumanCount(self.done.metadata_only),
            ));
        }
        text.line(self.verdict());
        text
    }

    /// The answer in one sentence.
    fn verdict(&self) -> String {
        let left = match self.left {
            0 => String::new(),
            left => format!("; {} could not be read now and are still due", HumanCount(left)),
        };
        let count = |state| self.models.iter().map(|model| status::count(model, state)).sum::<u64>();
        let interval = format_duration(self.interval);
        if self.failed > 0 {
            format!("{} records need attention{left}.", HumanCount(self.failed))
        } else if !self.is_complete() {
            format!("No record failed, but not all were read{left}.")
        } else if self.done.records() > 0 {
            "All records in scope are good.".to_owned()
        } else {
            let oldest = self.models.iter().filter_map(|model| model.oldest_success).min();
            let span =
                oldest.map(|oldest| format!(" (oldest {oldest}, next due {})", oldest.after(self.interval)));
            format!(
                "Nothing was due: all {} records were read within {interval}{}. Read everything again now: stocktake \
                 verify --all",
                HumanCount(count(State::Succeeded)),
                span.unwrap_or_default(),
            )
        }
    }

    /// The report for programs.
    pub(super) fn json(&self) -> Text {
        let kinds: Map<String, Value> =
            self.done.failed.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into())).collect();
        let named: Vec<Value> = self.named.iter().map(failed_record).collect();
        let closed: Vec<Value> = self
            .closed
            .iter()
            .map(|storage| {
                json!({ "name": storage.name, "reason": storage.reason, "waiting": storage.waiting })
            })
            .collect();
        let document = json!({
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
            "verdict": self.verdict(),
            "models": self.models.iter().map(status::to_json).collect::<Vec<_>>(),
            "failed": self.failed,
            "failed_records": named,
        });
        Text::json(&document)
    }
}

fn failed_record(record: &Record) -> Value {
    let key = record.key.as_integer().map_or_else(|| Value::from(record.key.to_string()), Value::from);
    json!({
        "model_name": record.model.name(),
        "record_identifier": key,
        "kind": record.status.failure().map(|failure| failure.kind().name()),
        "checksum_failure": record.status.failure().map(Failure::text),
    })
}
