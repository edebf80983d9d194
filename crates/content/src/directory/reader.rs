//! What a reading thread does with an order.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags, Stat, fstat};
use rustix::io::{Errno, pread};
use stocktake_domain::ContentError;
use stocktake_domain::ports::Inspection;

use super::Shared;
use super::buffers::{BUFFER_BYTES, Buffer};
use super::cached::{Hashed, hash_cached};
use crate::beneath::{Links, OUTSIDE, Root};
use crate::cache::Manners;
use crate::hasher::Hasher;
use crate::limiter::Limiter;
use crate::num::{narrow, widen};
use crate::order::{Order, Piece};
use crate::path;
use crate::pool::{HashStream, Part};
use crate::recipe::Recipe;

/// Files up to this many bytes are gathered in batches; larger ones are streamed.
const SMALL: u64 = 64 * 1024;

/// The most files in a batch.
const BATCH_FILES: usize = 64;

/// How often a file is read that changes meanwhile, and the pause before it is read again.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// What is said of anything but a regular file.
const NOT_REGULAR: &str = "not a regular file";

/// Reads pieces of this order: small files until a batch is full, or one large file.
pub(super) fn read_some(shared: &Shared, order: &Arc<Order>) {
    let mut round = Round {
        shared,
        order,
        root: Root::open(&shared.root),
        owner: true,
        // Taken before a piece is claimed: who waits here for the hashing to catch up holds up nothing.
        buffer: Some(shared.buffers.take()),
        parts: Vec::new(),
        pieces: Vec::new(),
    };
    for _ in 0..BATCH_FILES {
        let Some(piece) = order.claim() else { break };
        if round.read(piece) == Next::OtherRound {
            break;
        }
    }
    round.hand_over();
}

/// Whether the round goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    SameRound,
    OtherRound,
}

/// A round of reading: the files of one batch.
struct Round<'store> {
    shared: &'store Shared,
    order: &'store Arc<Order>,
    /// Opened anew in each round, so that a disk is neither pinned nor its return missed.
    root: Result<Root, Errno>,
    /// Whether the files so far were our own, which may be read without noting the time of access.
    owner: bool,
    /// What is gathered; `None` once it was handed over, until it is needed again.
    buffer: Option<Buffer>,
    parts: Vec<Part>,
    pieces: Vec<Piece>,
}

/// A file that was opened.
struct Opened {
    file: Arc<OwnedFd>,
    stat: Stat,
    size: u64,
}

/// What became of a reading.
enum Reading {
    /// In the buffer, here, for this recipe.
    Gathered(Range<usize>, Recipe),
    /// Hashed as a whole.
    Hashed(Box<Hasher>),
    /// On its way through the hashing pool.
    Streamed(HashStream),
    /// The file changed meanwhile.
    Changed,
}

impl Round<'_> {
    fn read(&mut self, piece: Piece) -> Next {
        let Some(inspection) = piece.inspection() else { return Next::SameRound };
        let read = self.read_steadily(inspection);
        match read {
            Ok(Reading::Gathered(range, recipe)) => {
                self.parts.push(Part { range, recipe });
                self.pieces.push(piece);
                Next::SameRound
            }
            Ok(Reading::Hashed(hasher)) => {
                piece.report(Ok(hasher.finish()));
                Next::OtherRound
            }
            Ok(Reading::Streamed(stream)) => {
                stream.finish(move |seen| piece.report(Ok(seen)));
                Next::OtherRound
            }
            Ok(Reading::Changed) => {
                piece.report(Err(ContentError::Unreadable("changed while being read".to_owned())));
                Next::SameRound
            }
            Err(error) => {
                piece.report(Err(error));
                Next::SameRound
            }
        }
    }

    /// Reads until the file was the same before and after, a few times at most.
    fn read_steadily(&mut self, inspection: &Inspection) -> Result<Reading, ContentError> {
        let path = &inspection.path;
        path::check(path)?;
        let recipe = self.shared.pool.recipe(inspection)?;
        for attempt in 0..ATTEMPTS {
            if self.order.is_called_off() {
                return Err(ContentError::Cancelled);
            }
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let opened = self.open(path)?;
            let reading = if opened.size <= SMALL {
                self.gather(&opened, &recipe)?
            } else {
                self.read_large(&opened, &recipe)?
            };
            let after = fstat(&opened.file).map_err(unreadable)?;
            if is_unchanged(&opened.stat, &after) && !matches!(reading, Reading::Changed) {
                return Ok(reading);
            }
            if let (Reading::Gathered(range, _), Some(buffer)) = (reading, &mut self.buffer) {
                buffer.truncate(range.start);
            }
        }
        Ok(Reading::Changed)
    }

    fn open(&mut self, path: &str) -> Result<Opened, ContentError> {
        let file = match self.open_below_root(path) {
            // The whole storage may have gone, or have been put back, since the round began.
            Err(Errno::NOENT | Errno::NOTDIR) if self.find_root_again() => self.open_below_root(path),
            result => result,
        };
        if let Err(error) = &self.root {
            let root = self.shared.root.display();
            return Err(ContentError::Unreadable(format!("storage root {root}: {error}")));
        }
        let file = file.map_err(|error| match error {
            OUTSIDE => path::outside(path),
            Errno::NOENT | Errno::NOTDIR => {
                ContentError::MissingFile { at: self.shared.root.join(path).display().to_string() }
            }
            // A socket, or a device without a driver.
            Errno::NXIO => ContentError::Unreadable(NOT_REGULAR.to_owned()),
            error => unreadable(error),
        })?;
        let stat = fstat(&file).map_err(unreadable)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ContentError::Unreadable(NOT_REGULAR.to_owned()));
        }
        Ok(Opened { file: Arc::new(file), stat, size: u64::try_from(stat.st_size).unwrap_or(0) })
    }

    fn open_below_root(&mut self, path: &str) -> Result<OwnedFd, Errno> {
        let root = self.root.as_ref().map_err(|error| *error)?;
        // A fifo without a writer must not make us wait for one.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        if self.owner {
            match root.open_at(path, flags | OFlags::NOATIME, Links::Follow) {
                Err(Errno::PERM) => self.owner = false,
                result => return result,
            }
        }
        root.open_at(path, flags, Links::Follow)
    }

    /// Opens the root anew if it is not the folder any more that we hold; whether that was so.
    fn find_root_again(&mut self) -> bool {
        let gone = self.root.as_ref().is_ok_and(|root| !root.is_still_at(&self.shared.root));
        if gone {
            self.root = Root::open(&self.shared.root);
        }
        gone
    }

    /// Reads a small file into the batch.
    fn gather(&mut self, opened: &Opened, recipe: &Recipe) -> Result<Reading, ContentError> {
        self.wait_for_turn(opened.size)?;
        // One byte more than there should be, to see whether there is more.
        let wanted = narrow(opened.size) + 1;
        if self.buffer.as_mut().is_some_and(|buffer| buffer.room().len() < wanted) {
            self.hand_over();
        }
        let buffer = self.buffer.get_or_insert_with(|| self.shared.buffers.take());
        let begin = buffer.filled();
        let read = fill(&opened.file, 0, buffer, wanted)?;
        self.order.add_bytes(widen(read));
        if widen(read) == opened.size {
            return Ok(Reading::Gathered(begin..begin + read, recipe.clone()));
        }
        buffer.truncate(begin);
        Ok(Reading::Changed)
    }

    /// Has a large file hashed: as far as it is in the page cache, by the hashing threads alone, and from
    /// there on piece by piece as we read it.
    fn read_large(&mut self, opened: &Opened, recipe: &Recipe) -> Result<Reading, ContentError> {
        // What was gathered must not wait for a large file.
        self.hand_over();
        let mut manners = Manners::new(opened.file.as_fd(), opened.size);
        if self.shared.limiter.is_some() {
            return self.stream(opened, &mut manners, Hasher::new(recipe), 0);
        }
        let Hashed { hasher, position, at_end } =
            hash_cached(&self.shared.pool, self.order, &opened.file, opened.size, recipe);
        manners.passed(position);
        if position > opened.size || (at_end && position < opened.size) {
            Ok(Reading::Changed)
        } else if at_end {
            Ok(Reading::Hashed(Box::new(hasher)))
        } else {
            self.stream(opened, &mut manners, hasher, position)
        }
    }

    /// Reads the rest of a large file piece by piece; one is hashed while the next is read.
    fn stream(
        &mut self,
        opened: &Opened,
        manners: &mut Manners<'_>,
        begun: Hasher,
        mut position: u64,
    ) -> Result<Reading, ContentError> {
        let stream = self.shared.pool.stream_on(begun);
        let step = self.shared.limiter.as_ref().map_or(BUFFER_BYTES, Limiter::step);
        while position <= opened.size {
            self.wait_for_turn(widen(step).min(opened.size - position))?;
            if self.order.is_called_off() {
                return Err(ContentError::Cancelled);
            }
            let mut buffer = self.buffer.take().unwrap_or_else(|| self.shared.buffers.take());
            let read = fill(&opened.file, position, &mut buffer, step)?;
            stream.push(buffer.hand_over());
            position += widen(read);
            self.order.add_bytes(widen(read));
            manners.passed(position);
            // Looked at after each piece, so that a long reading in vain ends early.
            if read < step || !is_unchanged(&opened.stat, &fstat(&opened.file).map_err(unreadable)?) {
                break;
            }
        }
        Ok(if position == opened.size { Reading::Streamed(stream) } else { Reading::Changed })
    }

    /// Waits until this many bytes may be read.
    fn wait_for_turn(&mut self, bytes: u64) -> Result<(), ContentError> {
        let Some(limiter) = &self.shared.limiter else { return Ok(()) };
        let now = Instant::now();
        let turn = limiter.turn(bytes, now);
        if turn.is_later_than(now) {
            self.hand_over();
        }
        if limiter.wait(turn, || self.order.is_called_off()) { Ok(()) } else { Err(ContentError::Cancelled) }
    }

    /// Gives what was gathered to the hashing pool.
    fn hand_over(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.parts);
        let pieces = std::mem::take(&mut self.pieces);
        if let Some(buffer) = self.buffer.take() {
            self.shared.pool.batch(buffer.hand_over(), parts, |seen| {
                for (piece, seen) in pieces.into_iter().zip(seen) {
                    piece.report(Ok(seen));
                }
            });
        }
    }
}

/// Reads from this offset until so many bytes are there, or the file ends.
fn fill(file: &OwnedFd, offset: u64, buffer: &mut Buffer, wanted: usize) -> Result<usize, ContentError> {
    let mut read = 0;
    while read < wanted {
        let room = buffer.room();
        let room = room.get_mut(..wanted - read).unwrap_or_default();
        match pread(file, room, offset + widen(read)) {
            Ok(0) => break,
            Ok(count) => {
                buffer.add_filled(count);
                read += count;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(read)
}

fn is_unchanged(before: &Stat, after: &Stat) -> bool {
    before.st_size == after.st_size
        && (before.st_mtime, before.st_mtime_nsec) == (after.st_mtime, after.st_mtime_nsec)
        && (before.st_ctime, before.st_ctime_nsec) == (after.st_ctime, after.st_ctime_nsec)
}

fn unreadable(error: Errno) -> ContentError {
    ContentError::Unreadable(error.to_string())
}
