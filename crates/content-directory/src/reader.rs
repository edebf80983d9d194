//! What a reading thread does with a batch.

use std::ops::{ControlFlow, Range};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Stat, fstat};
use rustix::io::Errno;
use stocktake_content::num::{narrow, widen};
use stocktake_content::page_cache::PageCacheAdvice;
use stocktake_content::{
    BUFFER_BYTES, Batch, Buffer, BufferPool, HashPlan, HashPool, HashStream, Hasher, Job, NOT_REGULAR,
    OUTSIDE, Part, RegularFile, Root, locked_folder, path, read_at, storage_root,
};
use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, NotJudged, PathText, UnreadableFolder};
use stocktake_net::rate_limit::{LARGEST_STEP, RateLimiter};
use tracing::field::Empty;

use crate::cached::{Hashed, hash_cached};
use crate::unicode::is_there_in_another_form;

/// Files up to this many bytes are gathered in a buffer; larger ones are streamed.
const SMALL: u64 = 64 * 1024;

// What may be read at a time by the limit on the rate fits into a buffer.
const _: () = assert!(LARGEST_STEP <= BUFFER_BYTES);

/// The most files that are read before other batches get their turn.
const MAX_FILES: usize = 64;

/// How often a file is read that changes meanwhile, and the pause before it is read again.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// What is said behind the path of a missing file.
const IN_ANOTHER_FORM: &str = " (a file is there whose name differs only in its Unicode normal form)";

/// What the reading threads need to know of a store.
pub(crate) struct ReaderContext {
    pub(crate) root: PathBuf,
    pub(crate) pool: Arc<HashPool>,
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) limiter: Option<RateLimiter>,
}

impl ReaderContext {
    /// What is reported of a file for which a system call failed.
    fn unreadable(&self, error: Errno) -> ContentError {
        storage_root::not_judged(self.root.display(), error)
            .map_or_else(|| ContentError::Unreadable(error.to_string()), ContentError::from)
    }

    /// What is reported of a file that cannot be opened.
    fn refused(&self, root: &Root, path: &str, error: Errno) -> ContentError {
        match error {
            OUTSIDE => path::outside(path),
            Errno::NOENT | Errno::NOTDIR => self.missing(root, path),
            NOT_REGULAR => ContentError::Unreadable("not a regular file".to_owned()),
            Errno::NOKEY => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                let reason = format!("its file {path} is encrypted: {error}");
                NotJudged::Folder(UnreadableFolder { folder, reason }).into()
            }
            error => self.unreadable(error),
        }
    }

    fn missing(&self, root: &Root, path: &str) -> ContentError {
        if let Some(locked) = locked_folder(root, &PathText::new(path).to_bytes()) {
            return NotJudged::Folder(locked).into();
        }
        let mut at = self.root.join(path).display().to_string();
        if is_there_in_another_form(root, path) {
            at.push_str(IN_ANOTHER_FORM);
        }
        ContentError::MissingFile { at }
    }
}

/// See [`stocktake_domain::ports::ContentStore::look`].
pub(crate) fn look(context: &ReaderContext, path: &str) -> Result<(), ContentError> {
    path::check(path)?;
    let root = Root::open(&context.root).map_err(|error| storage_root::root_error(&context.root, error))?;
    let opened = root.open_to_read(PathText::new(path).to_bytes());
    let file = opened.map_err(|error| context.refused(&root, path, error))?;
    storage_root::read_beginning(&file.handle).map_err(|error| context.unreadable(error))
}

/// Reads files of this batch: small ones until enough are gathered, or one large one.
pub(crate) fn read_some(context: &ReaderContext, batch: &Arc<Batch>) {
    let span = tracing::debug_span!(
        parent: batch.span(),
        "read_files",
        storage.root = %context.root.display(),
        content.model = Empty,
        content.path = Empty,
    )
    .entered();
    let begin = Instant::now();
    // The buffer is taken before a job is claimed: a reader that waits for the hashing to catch up must not hold one.
    let buffer = Some(context.buffers.take());
    let root = batch.open_root(&context.root);
    let mut reader = BatchReader { context, batch, root, buffer, parts: Vec::new(), jobs: Vec::new() };
    let mut files = 0_u64;
    for number in 0..MAX_FILES {
        let Some(job) = batch.claim() else { break };
        // Names the first file; one span for each would cost too much.
        if let Some(first) = job.inspection().filter(|_| number == 0 && !span.is_disabled()) {
            span.record("content.model", first.model.name()).record("content.path", &first.path);
        }
        files += 1;
        if reader.read(job).is_break() {
            break;
        }
    }
    reader.submit();
    tracing::debug!(files.count = files, elapsed.ms = begin.elapsed().as_millis(), "read {files} files");
}

/// Reads files of a batch into one buffer, and has them hashed together.
struct BatchReader<'store> {
    context: &'store ReaderContext,
    batch: &'store Arc<Batch>,
    /// Not kept open for long, so that a disk can be unmounted, and mounted again.
    root: Result<Root, Errno>,
    /// `None` after it has been submitted, until it is needed again.
    buffer: Option<Buffer>,
    /// The files in the buffer, and their jobs.
    parts: Vec<Part>,
    jobs: Vec<Job>,
}

/// A file that has been opened.
struct OpenFile {
    file: Arc<OwnedFd>,
    stat: Stat,
    size: u64,
}

/// The result of reading a file.
enum ReadOutcome {
    /// It is in this part of the buffer, to be hashed by this plan.
    Gathered(Range<usize>, HashPlan),
    /// It has been hashed as a whole.
    Hashed(Box<Hasher>),
    /// All of it has been pushed to the hashing threads.
    Streamed(HashStream),
    /// It changed while it was read.
    Changed,
}

impl BatchReader<'_> {
    /// Reads the file of a job; breaks after a large one.
    fn read(&mut self, job: Job) -> ControlFlow<()> {
        let Some(inspection) = job.inspection() else { return ControlFlow::Continue(()) };
        match self.read_until_unchanged(inspection) {
            Ok(ReadOutcome::Gathered(range, plan)) => {
                self.parts.push(Part { range, plan });
                self.jobs.push(job);
            }
            Ok(ReadOutcome::Hashed(hasher)) => {
                job.report(Ok(hasher.finish()));
                return ControlFlow::Break(());
            }
            Ok(ReadOutcome::Streamed(stream)) => {
                stream.finish(move |seen| job.report(Ok(seen)));
                return ControlFlow::Break(());
            }
            Ok(ReadOutcome::Changed) => {
                job.report(Err(ContentError::Unreadable("changed while being read".to_owned())));
            }
            Err(error) => job.report(Err(error)),
        }
        ControlFlow::Continue(())
    }

    /// Reads until the file is the same before and after, a few times at most.
    fn read_until_unchanged(&mut self, inspection: &Inspection) -> Result<ReadOutcome, ContentError> {
        let path = &inspection.path;
        path::check(path)?;
        let plan = self.context.pool.plan(inspection)?;
        for attempt in 0..ATTEMPTS {
            if self.batch.is_cancelled() {
                return Err(ContentError::CANCELLED);
            }
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let file = self.open(path)?;
            let outcome = if file.size <= SMALL {
                self.gather(&file, &plan)?
            } else {
                let size = file.size;
                let _span = tracing::debug_span!("read_large_file", content.path = path, content.size = size)
                    .entered();
                self.read_large(&file, &plan)?
            };
            let after = fstat(&file.file).map_err(|error| self.context.unreadable(error))?;
            let is_last = attempt + 1 == ATTEMPTS;
            if is_unchanged(&file.stat, &after, is_last) && !matches!(outcome, ReadOutcome::Changed) {
                return Ok(outcome);
            }
            if let (ReadOutcome::Gathered(range, _), Some(buffer)) = (outcome, &mut self.buffer) {
                buffer.truncate(range.start);
            }
        }
        Ok(ReadOutcome::Changed)
    }

    fn open(&mut self, path: &str) -> Result<OpenFile, ContentError> {
        let file = match self.open_beneath_root(path) {
            // The whole storage may have been unmounted or mounted since the root was opened.
            Err(Errno::NOENT | Errno::NOTDIR) if self.reopen_root() => self.open_beneath_root(path),
            result => result,
        };
        let root = self.root.as_ref();
        let root = root.map_err(|error| storage_root::root_error(&self.context.root, *error))?;
        let file = file.map_err(|error| self.context.refused(root, path, error))?;
        let size = file.size();
        Ok(OpenFile { file: Arc::new(file.handle), stat: file.stat, size })
    }

    fn open_beneath_root(&self, path: &str) -> Result<RegularFile, Errno> {
        self.root.as_ref().map_err(|error| *error)?.open_to_read(PathText::new(path).to_bytes())
    }

    /// Opens the root again if another folder has taken its place; returns whether it did.
    fn reopen_root(&mut self) -> bool {
        let replaced = self.root.as_ref().is_ok_and(|root| !root.is_still_at(&self.context.root));
        if replaced {
            self.root = self.batch.open_root(&self.context.root);
        }
        replaced
    }

    /// Reads a small file into the buffer.
    fn gather(&mut self, file: &OpenFile, plan: &HashPlan) -> Result<ReadOutcome, ContentError> {
        self.wait_for_rate(file.size)?;
        // One byte more than the file should have, to see whether it has more.
        let count = narrow(file.size) + 1;
        if self.buffer.as_mut().is_some_and(|buffer| buffer.unfilled().len() < count) {
            self.submit();
        }
        let buffer = self.buffer.get_or_insert_with(|| self.context.buffers.take());
        let begin = buffer.filled();
        let read = fill(&file.file, 0, buffer, count).map_err(|error| self.context.unreadable(error))?;
        self.batch.add_bytes(widen(read));
        if widen(read) == file.size {
            return Ok(ReadOutcome::Gathered(begin..begin + read, plan.clone()));
        }
        buffer.truncate(begin);
        Ok(ReadOutcome::Changed)
    }

    /// Has a large file hashed: by the hashing threads alone as far as it is cached, and from there on chunk by
    /// chunk as it is read here.
    fn read_large(&mut self, file: &OpenFile, plan: &HashPlan) -> Result<ReadOutcome, ContentError> {
        // The gathered files must not wait for a large one.
        self.submit();
        let mut advice = PageCacheAdvice::new(file.file.as_fd(), file.size);
        if self.context.limiter.is_some() {
            return self.stream(file, &mut advice, Hasher::new(plan), 0);
        }
        let Hashed { hasher, position, at_end } =
            hash_cached(&self.context.pool, self.batch, &file.file, file.size, plan);
        advice.advance_to(position);
        if position > file.size || (at_end && position < file.size) {
            Ok(ReadOutcome::Changed)
        } else if at_end {
            Ok(ReadOutcome::Hashed(Box::new(hasher)))
        } else {
            self.stream(file, &mut advice, hasher, position)
        }
    }

    /// Reads the rest of a large file chunk by chunk; one is hashed while the next is read.
    fn stream(
        &mut self,
        file: &OpenFile,
        advice: &mut PageCacheAdvice<'_>,
        hasher: Hasher,
        mut position: u64,
    ) -> Result<ReadOutcome, ContentError> {
        let stream = self.context.pool.stream_from(hasher);
        let step = self.context.limiter.as_ref().map_or(BUFFER_BYTES, RateLimiter::step);
        while position <= file.size {
            self.wait_for_rate(widen(step).min(file.size - position))?;
            if self.batch.is_cancelled() {
                return Err(ContentError::CANCELLED);
            }
            let mut buffer = self.buffer.take().unwrap_or_else(|| self.context.buffers.take());
            let read = fill(&file.file, position, &mut buffer, step)
                .map_err(|error| self.context.unreadable(error))?;
            stream.push(buffer.into_in_flight());
            position += widen(read);
            self.batch.add_bytes(widen(read));
            advice.advance_to(position);
            // Checked after each chunk, so that reading a file whose content has changed ends early.
            let now = fstat(&file.file).map_err(|error| self.context.unreadable(error))?;
            if read < step || !is_unchanged(&file.stat, &now, true) {
                break;
            }
        }
        Ok(if position == file.size { ReadOutcome::Streamed(stream) } else { ReadOutcome::Changed })
    }

    /// Waits until this many bytes may be read.
    fn wait_for_rate(&mut self, bytes: u64) -> Result<(), ContentError> {
        let Some(limiter) = &self.context.limiter else { return Ok(()) };
        let now = Instant::now();
        let reservation = limiter.reserve(bytes, now);
        if reservation.is_later_than(now) {
            self.submit();
        }
        if limiter.wait(reservation, || self.batch.is_cancelled()) {
            Ok(())
        } else {
            Err(ContentError::CANCELLED)
        }
    }

    /// Submits the gathered files to the hashing pool.
    fn submit(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.parts);
        let jobs = std::mem::take(&mut self.jobs);
        if let Some(buffer) = self.buffer.take() {
            self.context.pool.hash_parts(buffer.into_in_flight(), parts, |observations| {
                for (job, seen) in jobs.into_iter().zip(observations) {
                    job.report(Ok(seen));
                }
            });
        }
    }
}

/// Reads from this offset into the buffer until it has `count` more bytes, or the file ends; returns how many.
fn fill(file: &OwnedFd, offset: u64, buffer: &mut Buffer, count: usize) -> Result<usize, Errno> {
    let unfilled = buffer.unfilled();
    let count = count.min(unfilled.len());
    let read = read_at(file, offset, unfilled.get_mut(..count).unwrap_or_default())?;
    buffer.add_filled(read);
    Ok(read)
}

/// Whether nobody has changed the content. The time of the inode's change is also that of a hard link made and removed, as
/// backups do, and of other rights: `is_last` leaves it out, for a file that goes on being touched so.
fn is_unchanged(before: &Stat, after: &Stat, is_last: bool) -> bool {
    before.st_size == after.st_size
        && (before.st_mtime, before.st_mtime_nsec) == (after.st_mtime, after.st_mtime_nsec)
        && (is_last || (before.st_ctime, before.st_ctime_nsec) == (after.st_ctime, after.st_ctime_nsec))
}
