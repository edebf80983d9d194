//! Comparing what a storage holds with what the catalogue knows, both in the byte order of the paths, in one
//! pass and with bounded memory.

use futures_util::StreamExt as _;
use stocktake_domain::ports::{Found, FoundStream, ListError, PathStream, StoreError};
use stocktake_domain::{Location, RecordKey, SourceRecord};
use tokio::sync::mpsc::Sender;

use crate::import::Batches;

/// Entries handed on at once.
const BATCH: usize = 1_000;

/// The most skipped paths remembered at once. With more, nothing is called gone any more.
const MOST_SKIPPED: usize = 10_000;

/// What a scan saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// Files found.
    pub(crate) found: u64,
    /// Files that no record knew.
    pub(crate) new: u64,
    /// Records whose file is gone.
    pub(crate) gone: u64,
    /// Files and folders that could not be looked at.
    pub(crate) skipped: u64,
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
    /// There is no integer left for a key.
    #[error("the largest identifier leaves no room for more")]
    NoKeyLeft,
    /// Nobody takes the new entries any more; the one who did knows why.
    #[error("the import has ended")]
    Ended,
}

/// Is told what a scan sees.
pub(crate) trait Watcher {
    /// How far the scan is.
    fn advanced(&mut self, report: &Report);
    /// This could not be looked at.
    fn skipped(&mut self, path: &str, reason: &str);
    /// No file is at this record's path. Holds only if the scan ends well.
    fn gone(&mut self, path: &str);
}

/// One scan.
pub(crate) struct Scan<'a, W> {
    storage: &'a str,
    /// The largest key of the model so far, as an integer.
    largest: i64,
    entries: &'a Sender<Batches>,
    watcher: &'a mut W,
    report: Report,
    batch: Vec<SourceRecord>,
    /// Skipped paths that records still to come may lie at or below.
    skipped: Vec<String>,
    gone_unknown: bool,
}

impl<'a, W: Watcher> Scan<'a, W> {
    /// A scan that numbers new records after the largest key of the model.
    pub(crate) fn new(
        storage: &'a str,
        largest: Option<&RecordKey>,
        entries: &'a Sender<Batches>,
        watcher: &'a mut W,
    ) -> Self {
        // No integer key is larger than the first part of the largest key, which may be composite.
        let largest = largest.and_then(|key| key.parts().first().copied()).unwrap_or(0).max(0);
        let (report, batch, skipped) = (Report::default(), Vec::new(), Vec::new());
        Self { storage, largest, entries, watcher, report, batch, skipped, gone_unknown: false }
    }

    /// Compares the two lists to their end.
    pub(crate) async fn run(
        mut self,
        mut found: FoundStream,
        mut known: PathStream,
    ) -> Result<Report, ScanError> {
        let mut next_known = next_path(&mut known).await?;
        while let Some(item) = found.next().await {
            match item {
                Ok(file) => {
                    while let Some(path) = next_known.take_if(|path| path.as_str() < file.path.as_str()) {
                        self.gone(&path);
                        next_known = next_path(&mut known).await?;
                    }
                    self.report.found += 1;
                    if next_known.as_deref() == Some(file.path.as_str()) {
                        // Several records may share a file.
                        while next_known.as_deref() == Some(file.path.as_str()) {
                            next_known = next_path(&mut known).await?;
                        }
                    } else {
                        self.add(file).await?;
                    }
                    self.watcher.advanced(&self.report);
                }
                Err(ListError::Skipped { path, reason }) => self.skip(path, &reason, next_known.is_some()),
                Err(error) => return Err(ScanError::List(error)),
            }
        }
        while let Some(path) = next_known {
            self.gone(&path);
            next_known = next_path(&mut known).await?;
        }
        self.flush().await?;
        Ok(self.report)
    }

    async fn add(&mut self, file: Found) -> Result<(), ScanError> {
        self.largest = self.largest.checked_add(1).ok_or(ScanError::NoKeyLeft)?;
        self.report.new += 1;
        let location = Location { storage: self.storage.to_owned(), path: file.path };
        self.batch.push(SourceRecord {
            created_at: file.modified_at,
            file_size: file.size,
            ..SourceRecord::new(RecordKey::integer(self.largest), location)
        });
        if self.batch.len() == BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ScanError> {
        let batch = std::mem::take(&mut self.batch);
        self.entries.send(Ok(batch)).await.map_err(|_| ScanError::Ended)
    }

    fn skip(&mut self, path: String, reason: &str, more_known: bool) {
        self.report.skipped += 1;
        self.watcher.skipped(&path, reason);
        if self.skipped.len() == MOST_SKIPPED {
            self.gone_unknown = true;
        } else if more_known {
            self.skipped.push(path);
        }
    }

    /// A record's path was passed by. It is gone unless it lies where the scan could not look.
    fn gone(&mut self, path: &str) {
        self.skipped.retain(|skipped| !is_behind(path, skipped));
        let hidden = self.skipped.iter().any(|skipped| is_at_or_below(path, skipped));
        if !hidden && !self.gone_unknown {
            self.report.gone += 1;
            self.watcher.gone(path);
        }
    }
}

async fn next_path(known: &mut PathStream) -> Result<Option<String>, StoreError> {
    Ok(known.next().await.transpose()?.map(|(path, _)| path))
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the path comes after everything at or below the folder.
fn is_behind(path: &str, folder: &str) -> bool {
    // "0" is the character after "/".
    !folder.is_empty() && path >= format!("{folder}0").as_str()
}

#[cfg(test)]
mod tests;
