//! One run: reads what is listed, judges it, and writes the next baseline.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use stocktake_domain::ports::{ContentStore, Inspection, InspectionSink, Watch, is_at_or_below};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation, PathText};
use tokio_util::sync::CancellationToken;

use super::baseline::{Entry, Place, Reader, Sha, Totals, Writer};
use super::changes::Changes;
use super::error::CheckError;
use super::merge::{Listed, Merge, Pair, Stat};
use crate::progress::Meter;

/// Batches that are read at once.
const BATCHES: usize = 4;

/// How often the progress is told.
const TICK: Duration = Duration::from_millis(200);

/// How long what an interrupted run has read counts, in milliseconds from when it began.
const KEPT: i64 = 7 * 86_400_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was looked at, now or by the run that it went on with; this is the new baseline.
    Finished { now: Totals, read_before: Option<ReadBefore> },
    /// It was stopped after so many files, which count for so long from when it began.
    Interrupted { files: u64, kept: Duration },
}

/// What was not read because a run that was interrupted had read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadBefore {
    pub(crate) files: u64,
    /// When the first of the runs began whose files these are, in milliseconds since the epoch.
    pub(crate) since: i64,
}

/// What is compared, and how.
pub(crate) struct Comparison<'a> {
    /// The folder, whose path is canonical.
    pub(crate) folder: &'a Path,
    /// What reads below it.
    pub(crate) content: &'a Arc<dyn ContentStore>,
    pub(crate) place: &'a Place,
    /// The folder of the baselines.
    pub(crate) state: &'a Path,
    /// The folders at which something is mounted.
    pub(crate) mounts: BTreeSet<String>,
    /// Those at which something was when the baseline was made, and is not any more.
    pub(crate) gone_mounts: BTreeSet<String>,
    /// There is no baseline to compare with.
    pub(crate) is_first: bool,
    /// Takes everything as it is now for good.
    pub(crate) accept: bool,
    /// In milliseconds since the epoch.
    pub(crate) now: i64,
    pub(crate) meter: &'a Meter,
}

/// A path and what was seen of it, as far as its content was to be read.
type Read = (Pair, Option<Result<Sha, ContentError>>);

/// Paths in their order, and how many of them a run that was interrupted had read.
struct Batch {
    read: Vec<Read>,
    read_before: u64,
}

impl Comparison<'_> {
    /// Looks at everything, and replaces the baseline if it was not stopped meanwhile.
    pub(crate) async fn run(
        &self,
        known: Option<Reader>,
        changes: &mut Changes,
        stop: &CancellationToken,
    ) -> Result<Outcome, CheckError> {
        let interrupted = self.place.interrupted()?.filter(|reader| self.now - reader.begun() < KEPT);
        // What is taken up from it is as old as it was, however often that happens.
        let since = interrupted.as_ref().map_or(self.now, Reader::begun);
        let merge = Merge::new(self.content.list(), known, interrupted, self.own_folder()).await?;
        let mut writer = self.place.begin(self.folder, since)?;
        let watch = Arc::new(Watch::default());
        let batches = stream::unfold(Some(merge), async |merge| {
            let mut merge = merge?;
            match merge.batch().await {
                Ok(batch) => batch.map(|batch| (Ok(batch), Some(merge))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let read = batches.map(|batch| self.read(batch, Arc::clone(&watch)));
        let mut read = Box::pin(read.buffered(BATCHES));
        let mut ticks = tokio::time::interval(TICK);
        let (mut files, mut read_before) = (0, 0);
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    watch.cancel();
                    writer.flush()?;
                    let kept = u64::try_from(since + KEPT - self.now).unwrap_or(0);
                    return Ok(Outcome::Interrupted { files, kept: Duration::from_millis(kept) });
                }
                batch = read.next() => batch,
                _ = ticks.tick() => {
                    self.meter.set(files, Some(watch.bytes()));
                    self.meter.set_failures(changes.counts().damaged + changes.counts().unreadable);
                    continue;
                }
            };
            let Some(batch) = batch else { break };
            let batch = batch?;
            read_before += batch.read_before;
            for (pair, seen) in batch.read {
                files += u64::from(matches!(pair.listed, Listed::File(_)));
                let entry = self.judge(pair, seen, changes)?;
                entry.map_or(Ok(()), |entry| writer.entry(&entry))?;
            }
            writer.flush()?;
        }
        let now = self.finish(writer, changes).await?;
        let read_before = (read_before > 0).then_some(ReadBefore { files: read_before, since });
        Ok(Outcome::Finished { now, read_before })
    }

    /// Makes what was written the baseline, once everything was looked at.
    async fn finish(&self, writer: Writer, changes: &mut Changes) -> Result<Totals, CheckError> {
        let probed = self.content.probe().await.map_err(CheckError::NotJudged)?;
        let mounted: BTreeSet<String> = probed.mounts.into_iter().map(|mount| mount.holds).collect();
        if let Some(gone) = self.mounts.difference(&mounted).next() {
            return Err(CheckError::Unmounted(gone.clone()));
        }
        // Until something is mounted there again, or all that was there is, or what is there now is accepted.
        let kept = changes.tell_unmounted();
        let mounts = self.mounts.iter().cloned().chain(kept).collect();
        let renamed = changes.find_renamed();
        Ok(self.place.finish(writer, mounts, self.now, |entry| !renamed.contains(&entry.path))?)
    }

    /// The baselines themselves change with each run.
    fn own_folder(&self) -> Option<String> {
        let below = self.state.strip_prefix(self.folder).ok()?;
        Some(format!("{}/", PathText::of_bytes(below.as_os_str().as_bytes())))
    }

    async fn read(
        &self,
        batch: Result<Vec<Pair>, CheckError>,
        watch: Arc<Watch>,
    ) -> Result<Batch, CheckError> {
        let mut read_before = 0;
        let mut read: Vec<Read> = batch?.into_iter().map(|pair| (pair, None)).collect();
        let (mut pieces, mut places) = (Vec::new(), Vec::new());
        for (place, (pair, seen)) in read.iter_mut().enumerate() {
            let Listed::File(stat) = pair.listed else { continue };
            let interrupted = pair.interrupted.take().filter(|entry| stat.is_of(entry) && !entry.unread);
            if let Some(entry) = interrupted {
                // They were read by the run that was interrupted.
                watch.add_bytes(stat.size);
                read_before += 1;
                *seen = Some(Ok(entry.found.unwrap_or(entry.sha256)));
            } else {
                let algorithms = Algorithms::default().with(Algorithm::Sha256);
                pieces.push(Inspection::new(Model::Uploads, pair.path.clone(), algorithms));
                places.push(place);
            }
        }
        let collected = Arc::new(Collected(Mutex::new(pieces.iter().map(|_| None).collect())));
        let sink: Arc<dyn InspectionSink> = collected.clone();
        self.content.inspect(pieces, watch, sink).await;
        let mut seen = collected.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, seen) in places.into_iter().zip(seen.drain(..)) {
            // After a panic in the adapter nothing is reported.
            let seen = seen.unwrap_or(Err(ContentError::CANCELLED));
            if let Some((_, slot)) = read.get_mut(place) {
                *slot = Some(seen);
            }
        }
        Ok(Batch { read, read_before })
    }

    /// Tells what changed. Returns the entry of the next baseline.
    fn judge(
        &self,
        pair: Pair,
        seen: Option<Result<Sha, ContentError>>,
        changes: &mut Changes,
    ) -> Result<Option<Entry>, CheckError> {
        let Pair { path, listed, known, .. } = pair;
        if let Some(Err(ContentError::NotJudged(not_judged))) = seen {
            return Err(CheckError::NotJudged(not_judged));
        }
        if let Some(folder) = self.unmounted(&path) {
            return Ok(below_unmounted(folder, listed, known, seen, changes));
        }
        let unread = |known: Option<Entry>| known.map(|known| Entry { unread: true, ..known });
        let stat = match listed {
            Listed::File(stat) => stat,
            Listed::Hidden => return Ok(unread(known)),
            Listed::NoContent => {
                changes.passed_over();
                return Ok(self.gone(known, changes));
            }
            Listed::Gone => return Ok(self.gone(known, changes)),
            Listed::Trouble(reason) => {
                changes.unreadable(&path, &reason);
                return Ok(unread(known));
            }
        };
        let sha256 = match seen.unwrap_or(Err(ContentError::CANCELLED)) {
            Ok(sha256) => sha256,
            // It has vanished since it was listed.
            Err(ContentError::MissingFile { .. }) => return Ok(self.gone(known, changes)),
            Err(ContentError::NotJudged(not_judged)) => return Err(CheckError::NotJudged(not_judged)),
            Err(error) => {
                changes.unreadable(&path, &error.to_string());
                return Ok(unread(known));
            }
        };
        let Some(known) = known else {
            let entry = entry(path, stat, sha256);
            if !self.is_first {
                changes.added(entry.clone());
            }
            return Ok(Some(entry));
        };
        if sha256 == known.sha256 {
            return Ok(Some(entry(path, stat, sha256)));
        }
        // It may have been changed since it was listed.
        let stat = if stat.is_of(&known) { self.stat(&path).unwrap_or(stat) } else { stat };
        let now = entry(path, stat, sha256);
        if !stat.is_of(&known) {
            changes.modified(&known, &now);
            return Ok(Some(now));
        }
        changes.damaged(&known, sha256);
        Ok(Some(if self.accept { now } else { Entry { found: Some(sha256), unread: false, ..known } }))
    }

    /// A file that was removed stays in the baseline, so that it is told again, until that is accepted.
    fn gone(&self, known: Option<Entry>, changes: &mut Changes) -> Option<Entry> {
        let known = known?;
        changes.removed(known.clone());
        (!self.accept).then_some(Entry { unread: true, ..known })
    }

    /// The folder that something was mounted at, and is not any more, in which the path lies; none if what is there now is
    /// accepted.
    fn unmounted(&self, path: &str) -> Option<&str> {
        let folder = self.gone_mounts.iter().find(|folder| is_at_or_below(path, folder));
        folder.filter(|_| !self.accept).map(String::as_str)
    }

    fn stat(&self, path: &str) -> Option<Stat> {
        let bytes = PathText::new(path).to_bytes().into_owned();
        let path: PathBuf = self.folder.join(Path::new(std::ffi::OsStr::from_bytes(&bytes)));
        let metadata = std::fs::symlink_metadata(path).ok()?;
        let modified =
            metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000);
        Some(Stat { size: metadata.size(), modified })
    }
}

/// What was known of a file in a folder that something was mounted at stays as it was: what is there now may be what lay in
/// the folder before. Only content that is the same is what it was.
fn below_unmounted(
    folder: &str,
    listed: Listed,
    known: Option<Entry>,
    seen: Option<Result<Sha, ContentError>>,
    changes: &mut Changes,
) -> Option<Entry> {
    let known = known?;
    match (listed, seen) {
        (Listed::File(stat), Some(Ok(sha256))) if sha256 == known.sha256 => {
            Some(entry(known.path, stat, sha256))
        }
        _ => {
            changes.unmounted(folder);
            Some(Entry { unread: true, ..known })
        }
    }
}

fn entry(path: String, stat: Stat, sha256: Sha) -> Entry {
    Entry { path, size: stat.size, modified: stat.modified, sha256, found: None, unread: false }
}

/// What was seen of each piece.
struct Collected(Mutex<Vec<Option<Result<Sha, ContentError>>>>);

impl InspectionSink for Collected {
    fn report(&self, index: usize, seen: Result<Observation, ContentError>) {
        let nothing = || ContentError::Unreadable("no digest was calculated".to_owned());
        let seen = seen.and_then(|seen| seen.stored.digests.sha256.map(Sha::from).ok_or_else(nothing));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = all.get_mut(index) {
            *slot = Some(seen);
        }
    }
}
