//! Comparing what a storage holds with what the catalogue knows, both in the byte order of the paths, in one
//! pass and with bounded memory.
//!
//! What cannot be read becomes a record like the rest, which fails when it is verified. So does a folder that cannot be
//! listed: its record has a slash at the end of its path and the rule [`DigestRule::Unlisted`], and is switched off once
//! a scan can list the folder.

mod layout;
mod switched_off;

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use stocktake_domain::ports::{
    Catalogue, ContentStore, Found, FoundStream, ListError, NoContent, NumberedRecord, PathStream,
    RecordBatch, ScanBasis, StoreError,
};
use stocktake_domain::{Clock, Digest, DigestRule, Location, Model, Record, RecordKey, SourceRecord};
use tokio::sync::mpsc::Sender;

use switched_off::{SwitchedOff, as_known};

pub(crate) use layout::Layout;

/// Entries handed on at once.
const BATCH: usize = 1_000;

/// For how long after its last change a file may still be written.
const YOUNG: Duration = Duration::from_secs(10);

/// How long after it was listed such a file is looked at again.
const SETTLED: Duration = Duration::from_secs(2);

/// The most such files that are looked at again. The size of more is left out.
const MOST_YOUNG: usize = 10_000;

/// What a scan saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// Files found.
    pub(crate) found: u64,
    /// Files that no record knew.
    pub(crate) new: u64,
    /// Records whose file is gone.
    pub(crate) gone: u64,
    /// Records in the place of whose file something else is: a pipe, a socket, a device.
    pub(crate) replaced: u64,
    /// Files and folders that could not be looked at.
    pub(crate) skipped: u64,
    /// What is there and is no content: symbolic links, pipes, devices.
    pub(crate) passed_over: u64,
    /// Retired records whose file is there again.
    pub(crate) back: u64,
}

impl Report {
    /// Whether everything was looked at, and the file of each record is there.
    pub(crate) fn is_good(&self) -> bool {
        self.gone == 0 && self.replaced == 0 && self.skipped == 0
    }
}

/// Why a scan could not be finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// The storage cannot be listed, or not to the end.
    #[error("the storage cannot be listed")]
    List(#[source] ListError),
    /// The catalogue cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage lists this path behind a greater one.
    #[error("the storage does not list its content in the order of the paths, from here on: {0}")]
    Disordered(String),
    /// There is no integer left for a key.
    #[error("the largest identifier leaves no room for more")]
    NoKeyLeft,
    /// Nobody takes the new entries any more; the one who did knows why.
    #[error("the import has ended")]
    Ended,
}

/// Is told what a scan sees.
pub(crate) trait Watcher {
    /// A file is at this path.
    fn found(&mut self, path: &str);
    /// How far the scan is.
    fn advanced(&mut self, report: &Report);
    /// Something could not be looked at.
    fn skipped(&mut self, what: &ListError);
    /// No file is at this record's path. Holds only if the scan ends well.
    fn gone(&mut self, path: &str, key: RecordKey);
    /// This is at a record's path, and no file. Holds only if the scan ends well.
    fn replaced(&mut self, path: &str, what: NoContent, key: RecordKey);
    /// At this record's path is a folder that could not be listed.
    fn not_listed(&mut self, key: RecordKey);
}

/// What a scan is of.
#[derive(Clone, Copy)]
pub(crate) struct ScanOf<'a> {
    pub(crate) model: Model,
    /// The storage's name.
    pub(crate) storage: &'a str,
    pub(crate) layout: Layout,
    pub(crate) catalogue: &'a dyn Catalogue,
    pub(crate) content: &'a dyn ContentStore,
    /// The time of the host, of which that of files is.
    pub(crate) clock: &'a dyn Clock,
}

/// One scan.
pub(crate) struct Scan<'a, W> {
    of: ScanOf<'a>,
    /// The number of the last new record.
    last_number: i64,
    entries: &'a Sender<RecordBatch>,
    watcher: &'a mut W,
    report: Report,
    batch: Vec<NumberedRecord>,
    sent: u64,
    known: PathStream,
    next_known: Option<(String, RecordKey)>,
    /// The folders around the present place that could not be listed to the end, each within the one before.
    unlisted: Vec<String>,
    /// Records whose path was passed by, and which are not gone if a folder of this path turns out to be one that cannot be
    /// listed: that comes later, because its path has a slash at the end. Each path is the beginning of the next one.
    perhaps_gone: Vec<(String, RecordKey)>,
    /// New files that were changed so lately that they may still be written, as they were when they were listed.
    young: Vec<SourceRecord>,
    /// When the last of them was listed.
    young_at: Instant,
    switched_off: SwitchedOff,
}

impl<'a, W: Watcher> Scan<'a, W> {
    /// A scan that numbers new records behind those that there were, and compares with the paths that are known.
    pub(crate) fn new(
        of: ScanOf<'a>,
        basis: &ScanBasis,
        known: PathStream,
        entries: &'a Sender<RecordBatch>,
        watcher: &'a mut W,
    ) -> Self {
        Self {
            of,
            last_number: basis.numbered_behind(),
            entries,
            watcher,
            report: Report::default(),
            batch: Vec::new(),
            sent: 0,
            known,
            next_known: None,
            unlisted: Vec::new(),
            perhaps_gone: Vec::new(),
            young: Vec::new(),
            young_at: Instant::now(),
            switched_off: SwitchedOff::default(),
        }
    }

    /// Compares the two lists to their end.
    pub(crate) async fn run(mut self, mut found: FoundStream) -> Result<Report, ScanError> {
        self.switched_off = SwitchedOff::read(self.of).await?;
        self.pass_known().await?;
        let mut last = String::new();
        while let Some(item) = found.next().await {
            let path = match &item {
                Ok(Found { path, .. })
                | Err(
                    ListError::Skipped { path, .. }
                    | ListError::Unlisted { folder: path, .. }
                    | ListError::PassedOver { path, .. },
                ) => path,
                Err(error) => return Err(ScanError::List(error.clone())),
            };
            if *path < last {
                return Err(ScanError::Disordered(path.clone()));
            }
            last.clone_from(path);
            self.pass_known_before(Some(path)).await?;
            match item {
                Ok(file) => self.found(file).await?,
                Err(ListError::Unlisted { folder, reason }) => self.not_listed(folder, reason).await?,
                Err(ListError::PassedOver { path, what }) => self.passed_over(&path, what).await?,
                Err(error) => self.skipped(last.clone(), &error).await?,
            }
        }
        self.pass_known_before(None).await?;
        self.add_young().await?;
        self.flush().await?;
        Ok(self.report)
    }

    async fn found(&mut self, file: Found) -> Result<(), ScanError> {
        self.report.found += 1;
        self.watcher.found(&file.path);
        let expected = self.of.layout.expected(self.of.model, &file.path);
        let keys = self.keys_at(&file.path).await?;
        if keys.is_empty() {
            let (created_at, file_size) = (file.modified_at, file.size);
            let entry = SourceRecord { created_at, file_size, expected, ..self.new_entry(file.path)? };
            self.add(entry).await?;
        }
        for key in keys {
            if let Some(record) = self.switched_off.retired(self.of, &key).await? {
                self.report.back += 1;
                self.send(SourceRecord { disabled: false, ..as_known(record) }).await?;
            } else if let Some(digest) = expected.filter(|_| self.of.layout.is_asked_for()) {
                self.expect(key, digest).await?;
            }
        }
        self.watcher.advanced(&self.report);
        Ok(())
    }

    /// Adds a file that is new. The size of one that may still be written is not the one that it will have.
    async fn add(&mut self, entry: SourceRecord) -> Result<(), ScanError> {
        let now = self.of.clock.now();
        if entry.created_at.is_none_or(|changed_at| now.since(changed_at) >= YOUNG) {
            return self.send(entry).await;
        }
        if self.young.len() == MOST_YOUNG {
            return self.send(SourceRecord { file_size: None, ..entry }).await;
        }
        self.young.push(entry);
        self.young_at = Instant::now();
        Ok(())
    }

    /// Looks again at the files that may still be written, and adds those that are as they were with their size.
    async fn add_young(&mut self) -> Result<(), ScanError> {
        let young = std::mem::take(&mut self.young);
        if !young.is_empty() {
            tokio::time::sleep(SETTLED.saturating_sub(self.young_at.elapsed())).await;
        }
        for entry in young {
            let now = self.of.content.measure(&entry.location.path).await;
            // An object is whole when it is listed, and nobody measures it.
            let is_same = now
                .is_none_or(|now| Some(now.size) == entry.file_size && now.modified_at == entry.created_at);
            let file_size = entry.file_size.filter(|_| is_same);
            self.send(SourceRecord { file_size, ..entry }).await?;
        }
        Ok(())
    }

    /// Lets a record that an earlier scan made be compared with the digest that its name tells.
    async fn expect(&mut self, key: RecordKey, digest: Digest) -> Result<(), ScanError> {
        let record = self.of.catalogue.get(self.of.model, &key).await?;
        // Nothing else is told by whoever else makes records.
        let is_of_a_scan = |record: &Record| {
            record.expected.or(record.source_checksum).is_none() && record.owner.is_none() && !record.accepted
        };
        let Some(record) = record.filter(is_of_a_scan) else { return Ok(()) };
        self.send(SourceRecord { expected: Some(digest), ..as_known(record) }).await
    }

    /// Something is there, and cannot be looked at.
    async fn skipped(&mut self, path: String, error: &ListError) -> Result<(), ScanError> {
        self.report.skipped += 1;
        self.watcher.skipped(error);
        if self.keys_at(&path).await?.is_empty() {
            let entry = self.new_entry(path)?;
            self.send(entry).await?;
        }
        Ok(())
    }

    /// Something is there, and is no content.
    async fn passed_over(&mut self, path: &str, what: NoContent) -> Result<(), ScanError> {
        self.report.passed_over += 1;
        for key in self.keys_at(path).await? {
            // A link is followed when the record is read, which tells what it is worth.
            if what != NoContent::Link && self.switched_off.get(self.of, &key).await?.is_none() {
                self.report.replaced += 1;
                self.watcher.replaced(path, what, key);
            }
        }
        Ok(())
    }

    async fn not_listed(&mut self, folder: String, reason: String) -> Result<(), ScanError> {
        self.report.skipped += 1;
        self.watcher.skipped(&ListError::Unlisted { folder: folder.clone(), reason: reason.clone() });
        let has_record = self.take_for_unlisted(&folder);
        let mut entry = None;
        for key in self.keys_at(&folder).await? {
            if let Some(rule) = self.unlisted_rule(&key).await? {
                let of_folder = SourceRecord::new(key, self.location(folder.clone()));
                if has_record {
                    self.send(SourceRecord { rule, disabled: true, ..of_folder }).await?;
                } else {
                    entry = Some(of_folder);
                }
            }
        }
        self.unlisted.push(folder.clone());
        if has_record {
            return Ok(());
        }
        let entry = entry.map_or_else(|| self.new_entry(folder), Ok)?;
        self.send(SourceRecord { rule: DigestRule::Unlisted(reason), ..entry }).await
    }

    /// Takes records at the path of this folder, such as that of a repository, from those that may be gone. Returns whether there are any.
    fn take_for_unlisted(&mut self, folder: &str) -> bool {
        let mut is_known = false;
        while let Some((_, key)) =
            self.perhaps_gone.pop_if(|(path, _)| Some(path.as_str()) == folder.strip_suffix('/'))
        {
            is_known = true;
            self.watcher.not_listed(key);
        }
        is_known
    }

    /// Tells which records are gone, now that nothing more comes before this path, or nothing at all.
    fn tell_gone(&mut self, before: Option<&str>) {
        let is_over = |path: &str| {
            before.is_none_or(|before| path.bytes().chain(std::iter::once(b'/')).lt(before.bytes()))
        };
        // Each begins with the one before it, so that its folder would come earlier.
        let first = self.perhaps_gone.partition_point(|(path, _)| !is_over(path));
        for (path, key) in self.perhaps_gone.split_off(first) {
            self.report.gone += 1;
            self.watcher.gone(&path, key);
        }
    }

    /// The keys of the records at this path, which are passed. Several may share a file.
    async fn keys_at(&mut self, path: &str) -> Result<Vec<RecordKey>, ScanError> {
        let mut keys = Vec::new();
        while let Some((_, key)) = self.next_known.take_if(|(known, _)| known == path) {
            keys.push(key);
            self.pass_known().await?;
        }
        Ok(keys)
    }

    /// Passes the records before this path, or all.
    async fn pass_known_before(&mut self, path: Option<&str>) -> Result<(), ScanError> {
        let is_before = |known: &str| path.is_none_or(|path| known < path);
        while let Some((known, key)) = self.next_known.take_if(|(known, _)| is_before(known)) {
            self.tell_gone(Some(&known));
            self.not_found(&known, key).await?;
            self.pass_known().await?;
        }
        self.tell_gone(path);
        if let Some(path) = path {
            self.unlisted.retain(|folder| path.starts_with(folder));
        }
        Ok(())
    }

    /// A record's path was passed by. It is gone unless it lies where the scan could not look, or is such a place.
    async fn not_found(&mut self, path: &str, key: RecordKey) -> Result<(), ScanError> {
        self.unlisted.retain(|folder| path.starts_with(folder));
        if !self.unlisted.is_empty() {
            return Ok(());
        }
        if path.ends_with('/')
            && let Some(rule) = self.unlisted_rule(&key).await?
        {
            let entry = SourceRecord::new(key, self.location(path.to_owned()));
            return self.send(SourceRecord { rule, disabled: true, ..entry }).await;
        }
        if self.switched_off.get(self.of, &key).await?.is_none() {
            self.perhaps_gone.push((path.to_owned(), key));
        }
        Ok(())
    }

    /// The rule of a record that stands for a folder; `None` of any other.
    async fn unlisted_rule(&mut self, key: &RecordKey) -> Result<Option<DigestRule>, ScanError> {
        let record = self.of.catalogue.get(self.of.model, key).await?;
        Ok(record.map(|record| record.rule).filter(|rule| matches!(rule, DigestRule::Unlisted(_))))
    }

    async fn pass_known(&mut self) -> Result<(), ScanError> {
        self.next_known = self.known.next().await.transpose()?;
        Ok(())
    }

    fn location(&self, path: String) -> Location {
        Location { storage: self.of.storage.to_owned(), path }
    }

    /// The entry of a record that is new.
    fn new_entry(&mut self, path: String) -> Result<SourceRecord, ScanError> {
        self.last_number = self.last_number.checked_add(1).ok_or(ScanError::NoKeyLeft)?;
        self.report.new += 1;
        Ok(SourceRecord::new(RecordKey::integer(self.last_number), self.location(path)))
    }

    async fn send(&mut self, entry: SourceRecord) -> Result<(), ScanError> {
        self.sent += 1;
        self.batch.push((self.sent, entry));
        if self.batch.len() == BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ScanError> {
        let batch = std::mem::take(&mut self.batch);
        self.entries.send(Ok(batch)).await.map_err(|_| ScanError::Ended)
    }
}

#[cfg(test)]
mod tests;
