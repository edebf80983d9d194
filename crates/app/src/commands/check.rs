//! `stocktake check`: what changed in a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use stocktake_domain::{Clock as _, Timestamp, format_duration};
use tokio_util::sync::CancellationToken;

use crate::args::CheckArguments;
use crate::check::{Changes, Comparison, Counts, Outcome, Place, ReadBefore, Totals};
use crate::lifecycle::interrupted;
use crate::progress::Meter;
use crate::quantities::{about, counted};
use crate::settings::{CHECKED, Settings};
use crate::system::SystemClock;
use crate::verdict::verb;
use crate::{output, quantities, wiring};

/// The exit status when something is damaged or gone, or could not be looked at.
const ATTENTION: u8 = 1;

/// If more than this many files and more than half are gone at once, it may be a disk that is not mounted.
const MANY: u64 = 10;

/// Runs the command.
pub(super) async fn run(
    settings: &Settings,
    arguments: &CheckArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let folder = std::fs::canonicalize(&arguments.path)
        .with_context(|| format!("{} cannot be looked at", arguments.path.display()))?;
    let storages = wiring::storages(settings)?;
    let content = &storages.get(CHECKED).context("no folder is given")?.content;
    let state = Place::state()?;
    let place = Place::of(&folder, &state)?;
    let known = place.baseline()?;
    let before = known.as_ref().and_then(|reader| reader.totals);
    let probed = content.probe().await;
    let probed = probed.with_context(|| format!("{} cannot be read; is it mounted?", folder.display()))?;
    if probed.is_empty {
        refuse_emptied(&folder, before, arguments)?;
    }
    let meter = Meter::start("files", None);
    meter.set_totals(before.map(|before| before.files), before.map(|before| before.bytes));
    let mut changes = Changes::new(arguments.json);
    let now = SystemClock.now().millis();
    let (accept, is_first, state) = (arguments.accept, known.is_none(), &*state);
    let mounts: BTreeSet<String> = probed.mounts.into_iter().map(|mount| mount.holds).collect();
    let were_mounted = known.as_ref().map(|known| known.mounts().clone()).unwrap_or_default();
    let comparison = Comparison {
        folder: &folder,
        content,
        place: &place,
        state,
        gone_mounts: were_mounted.difference(&mounts).cloned().collect(),
        mounts,
        is_first,
        accept,
        now,
        meter: &meter,
    };
    let outcome = comparison.run(known, &mut changes, &stop).await;
    meter.finish();
    let report = Report {
        path: &arguments.path,
        folder,
        file: place.file(),
        before,
        counts: changes.counts(),
        accept,
    };
    tell(outcome?, &report, changes, arguments.json)
}

/// Fails if there was something in the folder, which is empty now, or never anything.
fn refuse_emptied(folder: &Path, before: Option<Totals>, arguments: &CheckArguments) -> anyhow::Result<()> {
    let folder = folder.display();
    match before {
        None => bail!("{folder} is empty: there is nothing to check. Is it mounted?"),
        Some(before) if before.files > 0 && !arguments.accept => bail!(
            "{folder} is empty, and had {} files {} ago; is it mounted? Nothing was recorded. If all of them were removed: {}",
            HumanCount(before.files),
            age(before),
            accept(&arguments.path),
        ),
        Some(_) => Ok(()),
    }
}

/// Prints how the run ended, and what was found. Returns the exit status.
fn tell(outcome: Outcome, report: &Report<'_>, changes: Changes, as_json: bool) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Interrupted { files, kept } => {
            changes.print()?;
            let (files, kept) = (HumanCount(files), about(kept));
            Ok(interrupted(&format!(
                " after {files} files, which are not read again when the same command goes on within {kept}"
            )))
        }
        Outcome::Finished { now, read_before } if as_json => {
            changes.print_json(report.json(now, read_before))?;
            Ok(report.status())
        }
        Outcome::Finished { now, read_before } => {
            changes.print()?;
            report.lines(now, read_before).iter().try_for_each(|line| output::print_line(line))?;
            Ok(report.status())
        }
    }
}

/// What a finished run found.
struct Report<'a> {
    /// As it was given.
    path: &'a Path,
    folder: PathBuf,
    file: &'a Path,
    /// The baseline that was compared with.
    before: Option<Totals>,
    counts: Counts,
    accept: bool,
}

impl Report<'_> {
    fn status(&self) -> ExitCode {
        let Counts { damaged, removed, unreadable, .. } = self.counts;
        let good = unreadable == 0 && (self.accept || damaged + removed == 0);
        if good { ExitCode::SUCCESS } else { ExitCode::from(ATTENTION) }
    }

    fn json(&self, now: Totals, read_before: Option<ReadBefore>) -> Value {
        let Counts { added, modified, damaged, removed, renamed, unreadable, passed_over } = self.counts;
        let text = |millis| Timestamp::from_millis(millis).to_string();
        let time = |totals: Totals| text(totals.ended);
        json!({
            "folder": self.folder.to_string_lossy(),
            "baseline": self.file.to_string_lossy(),
            "compared_with": self.before.map(time),
            "checked_at": time(now),
            "files": now.files,
            "bytes": now.bytes,
            "read_before": read_before.map(|before| json!({ "files": before.files, "since": text(before.since) })),
            "counts": {
                "damaged": damaged, "unreadable": unreadable, "removed": removed, "renamed": renamed,
                "modified": modified, "added": added, "passed_over": passed_over,
            },
        })
    }

    /// What was passed over, the verdict, what to do, and of what the verdict is an older one.
    fn lines(&self, now: Totals, read_before: Option<ReadBefore>) -> Vec<String> {
        let passed_over = passed_over(self.counts.passed_over);
        let read_before = read_before.map(|before| self.read_before(before));
        passed_over.into_iter().chain(self.verdict(now)).chain(read_before).collect()
    }

    /// What is said of files whose content may be another one by now.
    fn read_before(&self, ReadBefore { files, since }: ReadBefore) -> String {
        format!(
            "{} {} read by a run that began {} and was interrupted, and not again now. To read everything: stocktake check {}",
            counted(files, "file"),
            if files == 1 { "was" } else { "were" },
            quantities::age(Timestamp::from_millis(since), SystemClock.now()),
            self.path.display(),
        )
    }

    fn verdict(&self, now: Totals) -> Vec<String> {
        let Counts { added, modified, damaged, removed, renamed, unreadable, .. } = self.counts;
        let path = self.path.display();
        let files = |count: u64| counted(count, "file");
        let size = HumanBytes(now.bytes);
        let Some(before) = self.before else {
            let made = format!("Made a baseline of {} ({size}): {}", files(now.files), self.file.display());
            let rest = (unreadable > 0).then(|| {
                format!("{} could not be read and {} not in it.", HumanCount(unreadable), verb(unreadable))
            });
            let next = format!("What changes from now on: stocktake check {path}");
            return [Some(made), rest, Some(next)].into_iter().flatten().collect();
        };
        let list = |parts: &[(u64, &str)]| {
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            parts.map(|(count, what)| format!("{} {what}", HumanCount(*count))).collect::<Vec<_>>().join(", ")
        };
        let bad = list(&[(damaged, "damaged"), (unreadable, "unreadable"), (removed, "removed")]);
        let other = list(&[(modified, "modified"), (added, "added"), (renamed, "renamed")]);
        let other = if other.is_empty() { "nothing".to_owned() } else { other };
        if bad.is_empty() {
            let all = match now.files {
                1 => format!("The only file ({size}) is good"),
                count => format!("All {} ({size}) are good", files(count)),
            };
            return vec![format!("{all}; changed in the last {}: {other}.", age(before))];
        }
        let attention = damaged + unreadable + removed;
        let mut lines = vec![format!(
            "{} of {} {} attention: {bad}. Changed besides: {other}.",
            HumanCount(attention),
            files(before.files),
            if attention == 1 { "needs" } else { "need" },
        )];
        if self.accept {
            lines.push("Everything that could be read is the new baseline.".to_owned());
        } else {
            if removed > MANY && removed > before.files / 2 {
                lines.push("More than half of the files are gone: is everything mounted?".to_owned());
            }
            lines.push(format!(
                "They are told again until they are as before, or accepted: {}",
                accept(self.path)
            ));
        }
        lines
    }
}

/// What is said of what is in a folder and is no file; nothing where there is none of it.
pub(super) fn passed_over(number: u64) -> Option<String> {
    let what = match number {
        0 => return None,
        1 => "1 symbolic link, pipe or device was".to_owned(),
        _ => format!("{} symbolic links, pipes and devices were", HumanCount(number)),
    };
    Some(format!("{what} passed over: only regular files have content that can be compared."))
}

fn accept(path: &Path) -> String {
    format!("stocktake check {} --accept", path.display())
}

/// How old a baseline is.
fn age(before: Totals) -> String {
    let age = SystemClock.now().since(Timestamp::from_millis(before.ended));
    format_duration(Duration::from_secs(age.as_secs()))
}
