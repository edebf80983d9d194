//! The list of orphans, printed one by one as they are found.

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Map, Value, json};
use stocktake_domain::{
    Orphan, OrphanTotals, QuotedCell, RegistryPiece, SearchedRegistry, StorageOutcome, Timestamp,
    Unreferenced, UnreferencedTotals,
};
use stocktake_source_sync::{OrphanReport, OrphanWatcher, SearchWatcher, StorageOrphans};

use super::registries;
use crate::args::ListFormat;
use crate::document;
use crate::output::{self, Text};
use crate::progress::Meter;
use crate::quantities::counted;

/// The most skipped paths named in each storage.
const MOST_NAMED: u64 = 100;

/// How often the meter is told.
const EVERY: u64 = 1_024;

/// A line of the list.
struct Line<'a> {
    storage: &'a str,
    path: &'a str,
    size: Option<u64>,
    modified_at: Option<Timestamp>,
    /// What it is, for programs.
    kind: &'static str,
    /// Why it is in the list, for people.
    why: String,
}

/// A list under way.
pub(super) struct List {
    format: ListFormat,
    meter: Meter,
    is_empty: bool,
    /// Whether the list of what claims nothing is behind, and that of what nothing refers to has begun.
    in_registries: bool,
    named: u64,
    looked_at: u64,
    /// What kept the list from being printed.
    error: Option<anyhow::Error>,
}

impl List {
    pub(super) fn begin(format: ListFormat) -> anyhow::Result<Self> {
        match format {
            ListFormat::Text => {}
            ListFormat::Csv => output::print(&Text::of("storage,path,size,modified_at,kind").verbatim())?,
            ListFormat::Json => output::print_json(&document::around("orphans", Map::new().into()).0)?,
        }
        let meter = Meter::start("files and repositories", None);
        Ok(Self { format, meter, is_empty: true, in_registries: false, named: 0, looked_at: 0, error: None })
    }

    /// Prints what comes behind the list.
    pub(super) fn end(mut self, report: &OrphanReport, searched: &[SearchedRegistry]) -> anyhow::Result<()> {
        self.begin_registries();
        self.meter.finish();
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.format {
            ListFormat::Text => output::print(&text(report, searched)),
            // The totals would be no line of the table.
            ListFormat::Csv => {
                output::say_text(&text(report, searched));
                Ok(())
            }
            ListFormat::Json => {
                let storages: Vec<Value> = report.storages.iter().map(storage).collect();
                let registries: Vec<Value> = searched.iter().map(registries::value).collect();
                let behind = if self.is_empty { "" } else { "\n" };
                let totals = totals(&report.totals);
                output::print_json(&format!(
                    "{behind}],\n\"storages\": {},\n\"registries\": {},\n\"totals\": {totals},\n\"verdict\": {}}}\n",
                    Value::from(storages),
                    Value::from(registries),
                    Value::from(verdict(report, searched)),
                ))
            }
        }
    }

    fn print(&mut self, line: &Line<'_>) {
        if let Err(error) = self.try_print(line) {
            self.error.get_or_insert(error);
        }
        self.is_empty = false;
    }

    fn try_print(&self, line: &Line<'_>) -> anyhow::Result<()> {
        let Line { storage, path, size, modified_at, kind, why } = line;
        let time = modified_at.map(|time| time.to_string());
        match self.format {
            ListFormat::Text => {
                let size = size.map_or_else(|| "-".to_owned(), |size| HumanBytes(size).to_string());
                let time = time.unwrap_or_else(|| "-".to_owned());
                output::print_line(&format!("{size:>12}  {time:24}  {storage}  {path}{why}"))
            }
            ListFormat::Csv => {
                let size = size.map(|size| size.to_string()).unwrap_or_default();
                let [storage, path] = [storage, path].map(|text| QuotedCell(text).to_string());
                let cells = [storage, path, size, time.unwrap_or_default(), (*kind).to_owned()];
                output::print(&Text::of(csv_line(&cells).trim_end()).verbatim())
            }
            ListFormat::Json => {
                let separator = if self.is_empty { "\n" } else { ",\n" };
                let mut orphan =
                    json!({ "storage": storage, "path": path, "size": size, "modified_at": time });
                if let Value::Object(fields) = &mut orphan
                    && self.in_registries
                {
                    fields.insert("kind".to_owned(), Value::from(*kind));
                }
                output::print_json(&format!("{separator}{orphan}"))
            }
        }
    }

    /// The list of what nothing in registries refers to begins, if it has not.
    fn begin_registries(&mut self) {
        if self.in_registries {
            return;
        }
        if self.format == ListFormat::Json {
            let behind = if self.is_empty { "" } else { "\n" };
            if let Err(error) = output::print_json(&format!("{behind}],\n\"unreferenced\": [")) {
                self.error.get_or_insert(error);
            }
        }
        (self.in_registries, self.is_empty) = (true, true);
    }

    /// So much of a storage was looked at.
    fn advanced_to(&self, looked_at: u64) {
        if looked_at.is_multiple_of(EVERY) {
            self.meter.set(self.looked_at + looked_at, None);
        }
    }

    /// The search of a storage has ended, of which so much was looked at.
    fn searched(&mut self, storage: &str, looked_at: u64) {
        self.looked_at += looked_at;
        if self.named > MOST_NAMED {
            let more = HumanCount(self.named - MOST_NAMED);
            output::say(&format!("… and {more} more of {storage} were skipped"));
        }
    }
}

impl OrphanWatcher for List {
    fn storage(&mut self, _: &str) {
        self.named = 0;
    }

    fn advanced(&mut self, totals: &OrphanTotals) {
        self.advanced_to(totals.looked_at);
    }

    fn skipped(&mut self, storage: &str, path: &str, reason: &str) {
        self.named += 1;
        if self.named <= MOST_NAMED {
            output::say(&format!("skipped {storage}: {path}: {reason}"));
        }
    }

    fn orphan(&mut self, orphan: &Orphan) {
        let Orphan { location, size, modified_at } = orphan;
        self.print(&Line {
            storage: &location.storage,
            path: &location.path,
            size: *size,
            modified_at: *modified_at,
            kind: "unclaimed",
            why: String::new(),
        });
    }

    fn done(&mut self, storage: &StorageOrphans) {
        self.searched(&storage.storage, storage.totals.looked_at);
    }
}

impl SearchWatcher for List {
    fn registry(&mut self, _: &str) {
        self.named = 0;
        self.begin_registries();
    }

    fn registry_advanced(&mut self, totals: &UnreferencedTotals) {
        self.advanced_to(totals.looked_at);
    }

    fn unreferenced(&mut self, RegistryPiece { storage, piece }: &RegistryPiece) {
        let Unreferenced { kind, path, size, modified_at } = piece;
        let (_, what) = registries::described(*kind);
        self.print(&Line {
            storage,
            path,
            size: Some(*size),
            modified_at: *modified_at,
            kind: kind.name(),
            why: format!("  ({what})"),
        });
    }

    fn registry_done(&mut self, registry: &SearchedRegistry) {
        self.searched(&registry.storage, registry.totals.looked_at);
    }
}

/// Cells as a line of CSV.
fn csv_line(cells: &[String]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The totals for people.
fn text(report: &OrphanReport, searched: &[SearchedRegistry]) -> Text {
    let header =
        ["storage", "looked at", "orphans", "bytes", "internal", "too young", "not understood", "skipped"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let counts = |name: &str, totals: &OrphanTotals| {
        let count = |count: u64| HumanCount(count).to_string();
        let bytes = HumanBytes(totals.bytes).to_string();
        let cells = [
            count(totals.looked_at),
            count(totals.orphans),
            bytes,
            count(totals.internal),
            count(totals.young),
            count(totals.not_understood),
        ];
        std::iter::once(name.to_owned()).chain(cells).chain([count(totals.skipped)]).collect()
    };
    rows.extend(report.storages.iter().map(|storage| counts(&storage.storage, &storage.totals)));
    rows.push(counts("all", &report.totals));
    let mut text = if report.storages.is_empty() && !searched.is_empty() {
        Text::default()
    } else {
        Text::table(&rows, 1)
    };
    for StorageOrphans { storage, outcome, not_understood, .. } in &report.storages {
        for (folder, count) in not_understood {
            text.line(format!(
                "{storage}: it is not known what could claim {} in {folder}, which may be in use",
                counted(*count, "file")
            ));
        }
        if let Some(reason) = reason(outcome) {
            let what = match outcome {
                StorageOutcome::Unused(_) => "is not used",
                _ => "was not searched to its end",
            };
            text.line(format!("{storage} {what}: {reason}"));
        }
    }
    for line in searched.iter().flat_map(registries::lines) {
        text.line(line);
    }
    text.line(verdict(report, searched));
    text
}

/// Whether anything lies there that nobody claims or nothing refers to, and whether all was searched.
fn verdict(report: &OrphanReport, searched: &[SearchedRegistry]) -> String {
    let of_registries = registries::verdict(searched);
    let of_source = (!report.storages.is_empty() || of_registries.is_none()).then(|| verdict_of(report));
    of_source.into_iter().chain(of_registries).collect::<Vec<_>>().join(" ")
}

fn verdict_of(report: &OrphanReport) -> String {
    let OrphanTotals { orphans, bytes, skipped, not_understood, .. } = report.totals;
    let is_broken =
        |outcome: &StorageOutcome| !matches!(outcome, StorageOutcome::Searched | StorageOutcome::Unused(_));
    let broken: Vec<&str> = report
        .storages
        .iter()
        .filter(|storage| is_broken(&storage.outcome))
        .map(|storage| storage.storage.as_str())
        .collect();
    let mut parts = Vec::new();
    if !broken.is_empty() {
        parts.push(format!("not all of {} was searched", broken.join(", ")));
    }
    if skipped > 0 {
        parts.push(format!("{} skipped", counted(skipped, "place")));
    }
    let searched = report.storages.iter().filter(|storage| !is_broken(&storage.outcome)).count();
    let coverage = if parts.is_empty() {
        let searched = counted(u64::try_from(searched).unwrap_or(u64::MAX), "storage");
        format!("All of {searched} was searched.")
    } else {
        format!("There may be more: {}.", parts.join(", "))
    };
    let found = match orphans {
        0 => format!("No orphan was found. {coverage}"),
        _ => format!("{} found, {}. {coverage}", counted(orphans, "orphan"), HumanBytes(bytes)),
    };
    match not_understood {
        0 => found,
        _ => format!("{found} {} not understood: do not delete them.", counted(not_understood, "file")),
    }
}

fn reason(outcome: &StorageOutcome) -> Option<&str> {
    match outcome {
        StorageOutcome::Searched => None,
        StorageOutcome::NotConfigured => Some("no storage of this name is configured"),
        StorageOutcome::Unused(reason)
        | StorageOutcome::Failed(reason)
        | StorageOutcome::Disordered(reason) => Some(reason),
    }
}

fn storage(found: &StorageOrphans) -> Value {
    let mut value = totals(&found.totals);
    if let Value::Object(fields) = &mut value {
        fields.insert("storage".to_owned(), found.storage.clone().into());
        fields.insert("problem".to_owned(), reason(&found.outcome).into());
        fields.insert("not_understood_folders".to_owned(), json!(found.not_understood));
    }
    value
}

fn totals(totals: &OrphanTotals) -> Value {
    json!({
        "looked_at": totals.looked_at,
        "orphans": totals.orphans,
        "bytes": totals.bytes,
        "unmeasured": totals.unmeasured,
        "internal": totals.internal,
        "young": totals.young,
        "not_understood": totals.not_understood,
        "skipped": totals.skipped,
    })
}
