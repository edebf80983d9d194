//! What is said of a report in the end.

use std::fmt::Write as _;

use serde_json::json;
use stocktake_domain::ports::ReportApplied;
use stocktake_store_report::Kind;

use super::comparison::{Counts, by_kind};
use super::{Judged, ReadReport};
use crate::args::ImportReportArguments;
use crate::quantities::{all, count, counted, minute};
use crate::settings::Loaded;
use crate::verdict::{closed_storage, verb};
use crate::{document, output};

/// What is told of a report.
pub(super) struct Told<'a> {
    arguments: &'a ImportReportArguments,
    read: &'a ReadReport,
    counts: Counts,
    /// What was written.
    pub(super) applied: ReportApplied,
    /// How the records in doubt were judged; `None` if they were not.
    pub(super) judged: Option<Judged>,
}

impl<'a> Told<'a> {
    /// The counts, of which nothing was written yet.
    pub(super) fn new(arguments: &'a ImportReportArguments, read: &'a ReadReport, counts: Counts) -> Self {
        Self { arguments, read, counts, applied: ReportApplied::default(), judged: None }
    }

    /// Whether nothing speaks against the records that the report is about.
    pub(super) fn is_good(&self) -> bool {
        let Some(judged) = &self.judged else { return self.counts.bad() == 0 && self.in_doubt() == 0 };
        self.altered() == 0 && judged.drained.stats.failures() == 0 && judged.left == 0
    }

    /// Records that are not good by the report.
    fn altered(&self) -> u64 {
        if self.judged.is_some() { self.applied.failed.values().sum() } else { self.counts.bad() }
    }

    fn in_doubt(&self) -> u64 {
        self.counts.absent + self.counts.doubtful
    }

    /// Prints the counts and the verdict.
    pub(super) fn print(&self, loaded: &Loaded) -> anyhow::Result<()> {
        let verdict = self.verdict();
        if self.arguments.json {
            return output::print(&document::text(self.json(&verdict)));
        }
        output::print_line(&self.counts_line())?;
        for (number, sentence) in [
            (self.counts.newer, "looked at or stored after the report was made, and left as they were"),
            (self.counts.silent, "not judged: the report has nothing that can be compared"),
            (self.counts.beside, "not in the report"),
        ] {
            if number > 0 {
                output::print_line(&format!("{}: {sentence}", counted(number, "record")))?;
            }
        }
        if let Some(judged) = &self.judged {
            for closed in &judged.drained.closed {
                let sentence = closed_storage(loaded, &closed.name, &closed.reason, Some(closed.waiting));
                output::print_line(&sentence)?;
            }
            if let Some(reason) = &judged.drained.shortage {
                output::print_line(&format!("this process could not go on reading: {reason}"))?;
            }
        }
        if self.altered() > 0 {
            let ImportReportArguments { model, storage, .. } = self.arguments;
            output::print_line(&format!("Which ones: stocktake export {model} --storage {storage}"))?;
        }
        output::print_line(&verdict)
    }

    fn counts_line(&self) -> String {
        let counts = &self.counts;
        format!(
            "{}, {}: agreeing {}, good {}, altered {}, in doubt {}",
            counted(self.read.rows, "row"),
            counted(counts.records, "record"),
            counts.agreeing,
            counts.good,
            counts.bad(),
            self.in_doubt(),
        )
    }

    fn json(&self, verdict: &str) -> serde_json::Value {
        let (counts, report) = (&self.counts, &self.read.report);
        let missing = self.judged.as_ref().map_or(0, Judged::missing);
        let again = self.judged.as_ref().map(|judged| {
            let stats = &judged.drained.stats;
            json!({ "succeeded": stats.succeeded, "failures": by_kind(&stats.failed), "left": judged.left })
        });
        json!({
            "report": {
                "kind": kind(report.kind), "made_at": report.made_at.to_string(),
                "complete": report.is_complete && !self.arguments.partial,
                "rows": self.read.rows, "objects": self.read.index.objects(), "outside": self.read.outside,
            },
            "dry_run": self.arguments.dry_run,
            "records": counts.records, "named": counts.named, "newer": counts.newer, "silent": counts.silent,
            "agreeing": counts.agreeing, "good": counts.good, "failures": by_kind(&counts.bad),
            "absent": counts.absent, "doubtful": counts.doubtful, "beside": counts.beside, "missing": missing,
            "read": again, "verdict": verdict,
        })
    }

    /// What the report says of the records, and what that is worth.
    fn verdict(&self) -> String {
        let ImportReportArguments { model, storage, dry_run, .. } = self.arguments;
        let report = &self.read.report;
        let of = format!("the {} of {}", noun(report.kind), minute(report.made_at));
        if *dry_run {
            return format!(
                "Nothing was written. By {of}, {} of {model} in storage {storage} would be altered, {} good, and {} read.",
                counted(self.altered(), "record"),
                count(self.counts.good),
                count(self.in_doubt()),
            );
        }
        let mut parts = Vec::new();
        if self.altered() > 0 {
            parts.push(format!("{} altered by {of}", are(self.altered())));
        }
        if let Some(judged) = &self.judged {
            let failed = judged.drained.stats.failures();
            if judged.missing() > 0 {
                parts.push(format!("{} missing", are(judged.missing())));
            }
            let other = failed.saturating_sub(judged.missing());
            if other > 0 {
                parts.push(format!("{} not good, as reading tells", are(other)));
            }
            if judged.left > 0 {
                parts.push(format!("{} in doubt and could not be read now", are(judged.left)));
            }
        }
        if !parts.is_empty() {
            return format!("Storage {storage} needs attention: of {model}, {}.", parts.join(", "));
        }
        let judged = self.counts.agreeing + self.counts.good;
        let mut sentence = match judged {
            0 => format!("Nothing speaks against the records of {model} in storage {storage} by {of}."),
            _ => format!(
                "{} of {model} in storage {storage} {} with {of}.",
                capital(&all(judged, "record")),
                agree(judged)
            ),
        };
        if let Some(read) =
            self.judged.as_ref().map(|judged| judged.drained.stats.succeeded).filter(|read| *read > 0)
        {
            // Writing to a String does not fail.
            let _ = write!(sentence, " {} read and {} good.", are(read), verb(read));
        }
        sentence.push_str(match report.kind {
            Kind::Inventory => {
                " It proves that the objects are there and how large they are, not what is in them."
            }
            Kind::Checksums => " The store computed the checksums of the bytes that it holds.",
        });
        sentence
    }
}

fn are(number: u64) -> String {
    format!("{} {}", count(number), verb(number))
}

fn agree(number: u64) -> &'static str {
    if number == 1 { "agrees" } else { "agree" }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Inventory => "inventory",
        Kind::Checksums => "checksums",
    }
}

const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Inventory => "inventory",
        Kind::Checksums => "checksum report",
    }
}
