//! Findings for people: one line for each record, the file first, and one line for a whole storage or folder in which
//! everything has the same cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use stocktake_domain::ports::{Catalogue, Extent, StoreError};
use stocktake_domain::{
    Digest, Failure, FailureCause, FailureKind, Model, Record, RecordKey, State, Timestamp,
};
use stocktake_worker::Storages;

use crate::columns::fitted;
use crate::output::{Colour, Text};
use crate::quantities::{age, count, counted, day};
use crate::terminal::TerminalSize;
use crate::verdict::{WORST_FIRST, by_kind, word};

/// Findings shown where there is no terminal whose height limits them.
const MOST_IN_A_PIPE: usize = 50;

/// Lines of a terminal that are for what comes below the findings.
const LINES_BELOW: usize = 8;

/// The fewest findings shown, however low the terminal.
const FEWEST: usize = 5;

/// From how many findings on a whole storage or folder is one line.
const MANY: u64 = 10;

/// How long is waited for what the system says of a file.
const PATIENCE: Duration = Duration::from_secs(1);

/// The digits of a digest that are shown.
const DIGITS: usize = 8;

/// How many findings are shown.
pub(crate) fn most_shown(terminal: Option<TerminalSize>) -> usize {
    terminal.map_or(MOST_IN_A_PIPE, |size| size.lines.saturating_sub(LINES_BELOW).max(FEWEST))
}

/// What was found of each kind in each storage. Memory stays bounded by the number of storages.
pub(crate) struct Findings {
    most: usize,
    /// How many there are at least, whether or not they were added.
    total: u64,
    groups: BTreeMap<(usize, String), Group>,
}

/// The findings of one kind in one storage.
#[derive(Default)]
struct Group {
    count: u64,
    /// The first of them in the order of their paths.
    first: BTreeMap<(String, Model, RecordKey), Record>,
    /// What is wrong with all of them, each time without its path; more than one are not kept.
    causes: BTreeSet<String>,
    /// The folder that all of them lie in, with a slash at its end; empty: the root.
    folder: Option<String>,
    models: BTreeSet<Model>,
}

impl Findings {
    /// None yet. At most so many will be shown.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, total: 0, groups: BTreeMap::new() }
    }

    /// Says how many there are in all, of which only some will be added.
    pub(crate) fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    /// Adds a record whose last attempt failed; another is no finding.
    pub(crate) fn add(&mut self, record: Record) {
        let Some(failure) = record.status.last_failure() else { return };
        let place = WORST_FIRST.iter().position(|kind| *kind == failure.kind()).unwrap_or(WORST_FIRST.len());
        let group = self.groups.entry((place, record.location.storage.clone())).or_default();
        group.add(cause_without_path(failure, &record), record, self.most);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }

    /// How many there are of each kind, worst first.
    pub(crate) fn by_kind(&self) -> Vec<(FailureKind, u64)> {
        by_kind(
            self.groups
                .iter()
                .filter_map(|((place, _), group)| WORST_FIRST.get(*place).map(|kind| (*kind, group.count))),
        )
    }

    /// The lines, and below them what to do. No line is wider than the terminal.
    ///
    /// The files of altered records are looked at in these storages: whether their sizes are as before, and when they were
    /// written.
    pub(crate) async fn text(
        &self,
        catalogue: &dyn Catalogue,
        storages: &Storages,
        terminal: Option<TerminalSize>,
        now: Timestamp,
    ) -> Result<Text, StoreError> {
        let mut lines: Vec<(FailureKind, String, String)> = Vec::new();
        let mut told = 0;
        for ((place, storage), group) in &self.groups {
            let Some(kind) = WORST_FIRST.get(*place).copied() else { continue };
            if lines.len() >= self.most {
                break;
            }
            if let Some((where_, what)) = group.as_one(catalogue, storage).await? {
                lines.push((kind, where_, what));
                told += group.count;
                continue;
            }
            for record in group.first.values().take(self.most.saturating_sub(lines.len())) {
                let extent = if kind == FailureKind::Altered { extent(storages, record).await } else { None };
                let (where_, what) = finding(record, extent, now);
                lines.push((kind, where_, what));
                told += 1;
            }
        }
        let label = lines.iter().map(|(kind, ..)| word(*kind).len()).max().unwrap_or(0);
        let mut text = Text::default();
        for (kind, where_, what) in &lines {
            let label = format!("{:label$}", word(*kind).to_uppercase());
            let colour = if *kind == FailureKind::TimedOut { Colour::Yellow } else { Colour::Red };
            text.coloured_line(fitted(&label, where_, what, terminal.map(|size| size.columns)), colour);
        }
        let left = self.count().max(self.total).saturating_sub(told);
        if left > 0 {
            text.line(format!("… and {} more: stocktake export", count(left)));
        }
        for hint in self.hints() {
            text.line(hint);
        }
        Ok(text)
    }

    /// What to do.
    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        if self.groups.is_empty() {
            return hints;
        }
        hints.push("The list for programs: stocktake export > findings.csv".to_owned());
        for (kind, what) in
            [(FailureKind::Altered, "Changed on purpose"), (FailureKind::Missing, "Deleted on purpose")]
        {
            if let Some(Record { model, key, .. }) = self.first(kind, |record| !lacks_part(record)) {
                let only = self.by_kind().contains(&(kind, 1));
                let example = if only { "" } else { ", for example" };
                hints.push(format!("{what}{example}: stocktake accept {model} {key}"));
            }
        }
        if self.first(FailureKind::Missing, lacks_part).is_some() {
            hints.push("Lost from a repository: put what is named back from any copy of it".to_owned());
        }
        hints.push("Restored or mended: stocktake verify --state failed".to_owned());
        hints
    }

    /// The first record found so of which this holds, in the order in which they are told.
    fn first(&self, kind: FailureKind, holds: impl Fn(&Record) -> bool) -> Option<&Record> {
        let place = WORST_FIRST.iter().position(|known| *known == kind)?;
        let groups = self.groups.iter().filter(|((known, _), _)| *known == place);
        groups.flat_map(|(_, group)| group.first.values()).find(|record| holds(record))
    }
}

/// Whether the content is there but for something that it needs. Nobody deletes that on purpose, and without it there is
/// nothing to accept.
fn lacks_part(record: &Record) -> bool {
    let failure = record.status.last_failure();
    failure.is_some_and(|failure| matches!(failure.cause(), FailureCause::MissingPart { .. }))
}

impl Group {
    fn add(&mut self, cause: Option<String>, record: Record, most: usize) {
        self.count += 1;
        // One that has no common cause with others makes the group no whole, as two causes do.
        match cause {
            Some(cause) if self.causes.len() < 2 => {
                self.causes.insert(cause);
            }
            Some(_) => {}
            None => self.causes.extend(["", "-"].map(str::to_owned)),
        }
        let path = &record.location.path;
        let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or_default();
        self.folder = Some(match self.folder.take() {
            None => folder.to_owned(),
            Some(known) => common_folder(&known, folder).to_owned(),
        });
        self.models.insert(record.model);
        self.first.insert((path.clone(), record.model, record.key.clone()), record);
        if self.first.len() > most {
            self.first.pop_last();
        }
    }

    /// The storage or folder and what is wrong there, if all that lies in it is here for the same cause.
    async fn as_one(
        &self,
        catalogue: &dyn Catalogue,
        storage: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        let (Some(cause), 1) = (self.causes.first(), self.causes.len()) else { return Ok(None) };
        if self.count < MANY {
            return Ok(None);
        }
        let models = self.models.iter().map(|model| model.name()).collect::<Vec<_>>().join(", ");
        let what = format!("({models})  {cause}");
        if catalogue.count_in_storage(storage).await? == self.count {
            let all = counted(self.count, "record");
            return Ok(Some((format!("{storage}: all {all}"), what)));
        }
        let Some(folder) = self.folder.as_deref().filter(|folder| !folder.is_empty()) else {
            return Ok(None);
        };
        let mut below = 0;
        let mut paths = catalogue.paths(None, storage).await?;
        while let Some((path, _)) = paths.try_next().await? {
            below += u64::from(path.starts_with(folder));
            // The paths are in order: nothing behind the folder lies in it.
            if below > self.count || (below > 0 && !path.starts_with(folder)) {
                break;
            }
        }
        let all = format!("{storage}:{folder} all {}", counted(self.count, "record"));
        Ok((below == self.count).then_some((all, what)))
    }
}

/// The deepest folder that both lie in; all end with a slash, or are the empty root.
fn common_folder<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let end = one.as_bytes().get(..same).and_then(|same| same.iter().rposition(|byte| *byte == b'/'));
    end.and_then(|end| one.get(..=end)).unwrap_or_default()
}

/// What is wrong, in words that are the same for every file with this cause; `None` where each file's is its own.
fn cause_without_path(failure: &Failure, record: &Record) -> Option<String> {
    match failure.cause() {
        FailureCause::MissingFile { .. } | FailureCause::MissingRepository => {
            Some("nothing there".to_owned())
        }
        FailureCause::Unreadable { reason } | FailureCause::Invalid { reason } => {
            let reason = reason.replace(&record.location.path, "").replace("  ", " ");
            Some(reason.trim_matches([':', ' ']).to_owned())
        }
        FailureCause::DamagedRow { part } => Some(part.to_string()),
        FailureCause::TimedOut { .. } => Some(failure.text()),
        _ => None,
    }
}

/// What the record's file is now; `None` where nobody can say, or not soon.
async fn extent(storages: &Storages, record: &Record) -> Option<Extent> {
    let storage = storages.get(&record.location.storage)?;
    let measure = storage.content.measure(&record.location.path);
    tokio::time::timeout(PATIENCE, measure).await.ok().flatten()
}

/// The file and what is wrong with it.
fn finding(record: &Record, extent: Option<Extent>, now: Timestamp) -> (String, String) {
    let where_ = format!("{}:{}", record.location.storage, record.location.path);
    let failure = record.status.last_failure();
    let what = failure.map_or_else(String::new, |failure| {
        let size = size_now(failure, record, extent).map(|size| format!("{size}; ")).unwrap_or_default();
        let written = written(record, extent, now).map(|at| format!("; {at}")).unwrap_or_default();
        format!("{size}{}{written}", what_is_wrong(failure, record, now))
    });
    let again = if record.state() == State::Failed { "" } else { "; being read again" };
    let owner = record.owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
    (where_, format!("({} {}{owner})  {what}{again}", record.model, record.key))
}

/// Whether the size is as it was recorded, of content that differs.
fn size_now(failure: &Failure, record: &Record, extent: Option<Extent>) -> Option<String> {
    let before = record.file_size.filter(|_| record.reference().size.is_some());
    match (failure.cause(), before, extent) {
        (FailureCause::ChecksumMismatch { .. } | FailureCause::ContentChanged { .. }, before, Some(now)) => {
            let now = now.size;
            Some(match before {
                Some(before) if before == now => format!("{} as before", counted(now, "byte")),
                Some(before) => format!("{} before, {} now", counted(before, "byte"), count(now)),
                None => counted(now, "byte"),
            })
        }
        // A size that differs would have been told instead.
        (FailureCause::ContentChanged { .. }, Some(before), None) => {
            Some(format!("{} as before", counted(before, "byte")))
        }
        _ => None,
    }
}

/// Whether somebody wrote to the file since it was good.
fn written(record: &Record, extent: Option<Extent>, now: Timestamp) -> Option<String> {
    let written = extent?.modified_at?;
    Some(match record.history().baseline() {
        Some(good) if written < good.at => "not written since it was good".to_owned(),
        _ => format!("written {}", age(written, now)),
    })
}

fn what_is_wrong(failure: &Failure, record: &Record, now: Timestamp) -> String {
    let seen = record.history().baseline().map(|baseline| baseline.at);
    let last_good = seen.map_or_else(String::new, |at| format!(", good on {}", day(at, now)));
    match failure.cause() {
        FailureCause::ChecksumMismatch { expected, calculated } => {
            let at = record
                .created_at
                .map_or_else(|| "as recorded".to_owned(), |at| format!("on {}", day(at, now)));
            changed(*expected, &at, *calculated)
        }
        FailureCause::ContentChanged { since, was, is } => {
            changed(*was, &format!("on {}", day(*since, now)), *is)
        }
        FailureCause::SizeMismatch { expected, found } => {
            format!("{} as recorded, {} now{last_good}", counted(*expected, "byte"), count(*found))
        }
        FailureCause::MissingFile { .. } | FailureCause::MissingRepository => {
            format!("nothing there{last_good}")
        }
        FailureCause::Altered { what } | FailureCause::MissingPart { what } => what.clone(),
        FailureCause::Unreadable { reason } | FailureCause::Invalid { reason } => reason.clone(),
        FailureCause::DamagedRow { part } => part.to_string(),
        FailureCause::TimedOut { .. } => failure.text(),
    }
}

fn changed(was: Digest, at: &str, is: Digest) -> String {
    format!("{} {} {at}, {} now", was.algorithm(), shortened(was), shortened(is))
}

/// The first digits of a digest.
pub(crate) fn shortened(digest: Digest) -> String {
    let text = digest.to_string();
    match text.get(..DIGITS) {
        Some(digits) if text.len() > DIGITS => format!("{digits}…"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use stocktake_domain::ports::MockCatalogue;
    use stocktake_domain::{Failed, History, Location, SourceRecord, Status, Verification};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-26T12:00:00Z").unwrap()
    }

    fn record(key: i64, storage: &str, path: &str, failure: Failure) -> Record {
        let location = Location { storage: storage.to_owned(), path: path.to_owned() };
        let stage = Failed { failure, retry_at: now() };
        let status = Status::Failed(Verification::restore(History::default(), stage));
        Record { status, ..Record::new(Model::Uploads, SourceRecord::new(RecordKey::integer(key), location)) }
    }

    fn missing(key: i64, storage: &str, path: &str) -> Record {
        record(key, storage, path, Failure::missing_file(path))
    }

    async fn lines(findings: &Findings, catalogue: &MockCatalogue, columns: Option<usize>) -> Vec<String> {
        let terminal = columns.map(|columns| TerminalSize { columns, lines: 40 });
        let text = findings.text(catalogue, &Storages::new(), terminal, now()).await.unwrap().to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn the_worst_is_first_and_each_is_one_line() {
        let mut findings = Findings::new(3);
        let (was, is) = (Digest::Sha256([0xf3; 32]), Digest::Sha256([0x4a; 32]));
        findings.add(missing(1, "main", "c"));
        findings.add(missing(2, "attic", "d"));
        findings.add(record(3, "main", "b", Failure::size_mismatch(4_213, 0)));
        findings.add(record(4, "main", "a", Failure::content_changed(now(), was, is)));
        let shown = lines(&findings, &MockCatalogue::new(), None).await;
        assert_eq!(
            shown,
            [
                "ALTERED  main:a  (uploads 4)  sha256 f3f3f3f3… on 26 Nov, 4a4a4a4a… now",
                "ALTERED  main:b  (uploads 3)  4,213 bytes as recorded, 0 now",
                "MISSING  attic:d  (uploads 2)  nothing there",
                "… and 1 more: stocktake export",
                "The list for programs: stocktake export > findings.csv",
                "Changed on purpose, for example: stocktake accept uploads 4",
                "Deleted on purpose, for example: stocktake accept uploads 2",
                "Restored or mended: stocktake verify --state failed",
            ]
        );
        assert_eq!(findings.by_kind(), [(FailureKind::Altered, 2), (FailureKind::Missing, 2)]);
        let narrow = lines(&findings, &MockCatalogue::new(), Some(30)).await;
        assert_eq!(narrow[0], "ALTERED  main:a  (uploads 4)…");
        assert!(narrow.iter().take(3).all(|line| line.chars().count() <= 30), "{narrow:?}");
        let path = record(5, "main", "a/long/path/with/the/end.bin", Failure::size_mismatch(1, 0));
        let (where_, what) = finding(&path, None, now());
        assert_eq!(fitted("ALTERED", &where_, &what, Some(20)), "ALTERED  …he/end.bin");
    }

    #[tokio::test]
    async fn what_a_repository_lacks_is_put_back_and_not_accepted() {
        let lacking = |key, storage: &str| {
            record(key, storage, "a.git", Failure::missing_part("refs/heads/main: its object 1f is missing"))
        };
        let accepts = |shown: &[String]| -> Vec<String> {
            shown.iter().filter(|line| line.contains("accept")).cloned().collect()
        };
        let put_back = "Lost from a repository: put what is named back from any copy of it".to_owned();
        let mut findings = Findings::new(3);
        findings.add(lacking(1, "git"));
        let shown = lines(&findings, &MockCatalogue::new(), None).await;
        assert_eq!((accepts(&shown), shown.contains(&put_back)), (Vec::new(), true), "{shown:?}");
        findings.add(missing(2, "main", "c"));
        let shown = lines(&findings, &MockCatalogue::new(), None).await;
        let accept = "Deleted on purpose, for example: stocktake accept uploads 2".to_owned();
        assert_eq!((accepts(&shown), shown.contains(&put_back)), (vec![accept], true), "{shown:?}");
        let mut findings = Findings::new(3);
        findings.add(missing(2, "main", "c"));
        assert!(!lines(&findings, &MockCatalogue::new(), None).await.contains(&put_back));
    }

    #[test]
    fn of_altered_content_it_is_told_what_stayed() {
        let (was, is) = (Digest::Sha256([0xf3; 32]), Digest::Sha256([0x4a; 32]));
        let good_at = now().before(Duration::from_secs(3_600));
        let changed = |size| {
            let changed = record(1, "main", "a", Failure::content_changed(good_at, was, is));
            let baseline = Some(stocktake_domain::Baseline { digest: was, at: good_at });
            let history = History { baseline, ..History::default() };
            let failure = changed.status.failure().unwrap().clone();
            let stage = Failed { failure, retry_at: now() };
            let status = Status::Failed(Verification::restore(history, stage));
            Record { file_size: size, status, ..changed }
        };
        let told = |size, extent| finding(&changed(size), extent, now()).1;
        let digests = "sha256 f3f3f3f3… on 26 Nov, 4a4a4a4a… now";
        let at = |seconds, size| {
            let modified_at = Some(now().before(Duration::from_secs(seconds)));
            Some(Extent { size, modified_at })
        };
        assert_eq!(told(None, None), format!("(uploads 1)  {digests}"));
        assert_eq!(told(Some(4_213), None), format!("(uploads 1)  4,213 bytes as before; {digests}"));
        assert_eq!(
            told(Some(4_213), at(7_200, 4_213)),
            format!("(uploads 1)  4,213 bytes as before; {digests}; not written since it was good")
        );
        assert_eq!(
            told(Some(4_213), at(60, 4_214)),
            format!("(uploads 1)  4,213 bytes before, 4,214 now; {digests}; written 1 minute ago")
        );
    }

    #[tokio::test]
    async fn a_whole_storage_or_folder_is_one_line() {
        let mut findings = Findings::new(20);
        for key in 0..12 {
            findings.add(missing(key, "main", &format!("a/{key:02}")));
            findings.add(missing(key, "attic", &format!("b/{key:02}")));
            let reason = format!("b/{key:02}: Permission denied");
            findings.add(record(key, "other", &format!("b/{key:02}"), Failure::unreadable(&reason)));
        }
        let mut catalogue = MockCatalogue::new();
        catalogue.expect_count_in_storage().returning(|storage| Ok(if storage == "attic" { 13 } else { 12 }));
        catalogue.expect_paths().returning(|_, _| {
            let paths =
                (0..13).map(|key| (if key == 0 { "a/0".to_owned() } else { format!("b/{key:02}") }, key));
            let rows = paths.map(|(path, key)| Ok((path, RecordKey::integer(key))));
            Ok(Box::pin(futures_util::stream::iter(rows)))
        });
        assert_eq!(
            lines(&findings, &catalogue, None).await[..3],
            [
                "UNREADABLE  other: all 12 records  (uploads)  Permission denied",
                "MISSING     attic:b/ all 12 records  (uploads)  nothing there",
                "MISSING     main: all 12 records  (uploads)  nothing there",
            ]
        );
    }

    #[test]
    fn the_common_folder_is_whole() {
        for (one, other, common) in
            [("a/b/", "a/bc/", "a/"), ("a/", "b/", ""), ("a/b/", "a/b/", "a/b/"), ("", "a/", "")]
        {
            assert_eq!(common_folder(one, other), common);
        }
    }
}
