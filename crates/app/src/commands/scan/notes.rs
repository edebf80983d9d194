//! What a scan says while it goes on, and in the end.

use std::fmt::Write as _;

use serde_json::{Value, json};
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{ListError, MountBelow, NoContent, ProbedStorage};

use crate::args::ScanArguments;
use crate::commands::check;
use crate::commands::judging::Judged;
use crate::escape::escaped_json;
use crate::output::{Colour, Spool};
use crate::progress::Meter;
use crate::quantities::{all, count, counted};
use crate::scan::{Report, Watcher};
use crate::settings::Loaded;
use crate::verdict::{closed_storage, verb};
use crate::{document, output};

/// The most skipped paths to name.
const MOST_NAMED: u64 = 100;

/// What the scan noticed. The paths without a file wait until the scan has ended well.
pub(super) struct Notes {
    meter: Meter,
    gone: Spool,
    replaced: Spool,
    /// The keys of the records at all these paths.
    keys: Spool,
    named: u64,
    as_json: bool,
    /// What is mounted in the storage, as far as no file was seen there.
    mounts: Vec<MountBelow>,
    /// A file in each of the others.
    in_mounts: Vec<String>,
}

impl Notes {
    /// Nothing yet.
    pub(super) fn new(meter: Meter, as_json: bool, probed: Option<&ProbedStorage>) -> Self {
        let mounts = probed.iter().flat_map(|probed| probed.mounts.iter().cloned()).collect();
        let (gone, replaced, keys) = (Spool::new(), Spool::new(), Spool::new());
        Self { meter, gone, replaced, keys, named: 0, as_json, mounts, in_mounts: Vec::new() }
    }

    /// Shows no progress any more.
    pub(super) fn finish(&self) {
        self.meter.finish();
    }

    /// A file in each mount below the storage's root.
    pub(super) fn in_mounts(&self) -> &[String] {
        &self.in_mounts
    }

    /// The keys of the records without a file, one in each line.
    pub(super) fn take_keys(&mut self) -> Spool {
        std::mem::replace(&mut self.keys, Spool::new())
    }

    /// Prints what was seen, and the verdict.
    pub(super) fn print(
        self,
        loaded: &Loaded,
        arguments: &ScanArguments,
        report: &Report,
        judged: &Judged,
    ) -> anyhow::Result<()> {
        let verdict = verdict(arguments, report, judged);
        let Report { found, new, gone, replaced, skipped, passed_over, back } = report;
        if self.as_json {
            let fields = json!({
                "found": found, "new": new, "gone": gone, "replaced": replaced, "skipped": skipped,
                "passed_over": passed_over, "back": back, "left": judged.left, "verdict": verdict,
            });
            let (before, behind) = document::around("paths_gone", fields);
            Spool::print_array(&before, [self.gone], "],\n  \"paths_replaced\": [")?;
            return Spool::print_array("", [self.replaced], &behind);
        }
        self.gone.print()?;
        self.replaced.print()?;
        if report.skipped > self.named {
            output::say(&format!("… and {} more were skipped", report.skipped - self.named));
        }
        let others = if *replaced > 0 { format!(", replaced {replaced}") } else { String::new() };
        output::print_line(&format!("found {found}, new {new}, gone {gone}, skipped {skipped}{others}"))?;
        if *back > 0 {
            output::print_line(&format!(
                "{} retired before, and the file is there again: {} verified from now on.",
                match back {
                    1 => "1 record was".to_owned(),
                    _ => format!("{} records were", count(*back)),
                },
                if *back == 1 { "it is" } else { "they are" },
            ))?;
        }
        if let Some(sentence) = check::passed_over(*passed_over) {
            output::print_line(&sentence)?;
        }
        for closed in &judged.drained.closed {
            output::print_line(&closed_storage(loaded, &closed.name, &closed.reason, Some(closed.waiting)))?;
        }
        if let Some(reason) = &judged.drained.shortage {
            output::print_line(&format!("this process could not go on reading: {reason}"))?;
        }
        if judged.missing() > 0 {
            output::print_line(&format!(
                "Deleted on purpose: stocktake accept {} --kind missing --storage {}",
                arguments.model, arguments.storage
            ))?;
        }
        output::print_line(&verdict)
    }
}

impl Watcher for Notes {
    fn found(&mut self, path: &str) {
        if !self.mounts.is_empty() {
            let mounts = self.mounts.len();
            self.mounts.retain(|mount| !mount.concerns(path));
            if self.mounts.len() < mounts {
                self.in_mounts.push(path.to_owned());
            }
        }
    }

    fn advanced(&mut self, report: &Report) {
        self.meter.set(report.found, None);
    }

    fn skipped(&mut self, what: &ListError) {
        if self.named < MOST_NAMED {
            self.named += 1;
            output::say(&format!("skipped {what}"));
        }
    }

    fn gone(&mut self, path: &str, key: RecordKey) {
        self.keys.line(&key.to_string());
        if self.as_json {
            self.gone.line(&escaped_json(&Value::from(path).to_string()));
        } else {
            self.gone.coloured_line(&format!("gone: {path}"), Colour::Red);
        }
    }

    fn replaced(&mut self, path: &str, what: NoContent, key: RecordKey) {
        self.keys.line(&key.to_string());
        if self.as_json {
            let found = json!({ "path": path, "what": what.to_string() });
            self.replaced.line(&escaped_json(&found.to_string()));
        } else {
            self.replaced.coloured_line(&format!("replaced: {path} (a {what} is there)"), Colour::Red);
        }
    }

    fn not_listed(&mut self, key: RecordKey) {
        self.keys.line(&key.to_string());
    }
}

/// Whether the catalogue and the storage agree, and what to do next.
fn verdict(ScanArguments { model, storage, .. }: &ScanArguments, report: &Report, judged: &Judged) -> String {
    let Report { found, new, gone, replaced, skipped, back, .. } = *report;
    let read = if judged.is_more_due || judged.left > 0 {
        format!(" Read what is due: stocktake verify {model}")
    } else {
        String::new()
    };
    if report.is_good() {
        let files = all(found, "file");
        return match (found, new + back) {
            (0, _) => format!("Storage {storage} is empty."),
            (_, 0) => format!("The catalogue knew {files} of storage {storage}."),
            _ => format!("The catalogue knows {files} of storage {storage} now.{read}"),
        };
    }
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(match gone {
            1 => format!("1 record of {model} lost its file"),
            _ => format!("{} records of {model} lost their files", count(gone)),
        });
    }
    if replaced > 0 {
        parts.push(format!(
            "{} of {model} {} something else than a file in {} place",
            counted(replaced, "record"),
            if replaced == 1 { "has" } else { "have" },
            if replaced == 1 { "its" } else { "their" },
        ));
    }
    if skipped > 0 {
        parts.push(format!(
            "{} could not be looked at",
            match skipped {
                1 => "1 file or folder".to_owned(),
                _ => format!("{} files or folders", count(skipped)),
            }
        ));
    }
    let mut sentence = format!("Storage {storage} needs attention: {}.", parts.join(", "));
    let good = judged.drained.stats.succeeded;
    if good > 0 {
        // Writing to a String does not fail. They lie behind a symbolic link, or are there again.
        let _ =
            write!(sentence, " {} of them can be read all the same, and {} good.", count(good), verb(good));
    }
    if judged.left > 0 {
        let _ = write!(sentence, " {} could not be judged now.", count(judged.left));
    }
    sentence + &read
}
