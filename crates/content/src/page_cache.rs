//! Leaves the page cache as it was: pages that were cached before stay, pages that were read by us are dropped.
//!
//! Before a large file is read, the kernel is asked at one offset of each region whether that page is cached
//! (by a read that must not wait for the disk). Behind the reading position, regions that were not cached are
//! dropped. On a file system that cannot answer, nothing is dropped.

use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::num::narrow;

/// Smaller files are not worth the system calls, in bytes.
const MIN_FILE: u64 = 1024 * 1024;

/// Few regions, because each costs a seek on a disk that is not cached, and none smaller than this.
const MIN_REGION: u64 = 16 * 1024 * 1024;
const MAX_REGIONS: u64 = 64;

/// How many bytes are read before they are dropped.
const DROP_EVERY: u64 = 4 * 1024 * 1024;

/// Advises the kernel about a file's pages while it is read from beginning to end.
#[derive(Debug)]
pub struct PageCacheAdvice<'file> {
    file: BorrowedFd<'file>,
    region: u64,
    was_cached: Vec<bool>,
    /// The reading position.
    position: u64,
    /// Everything before this offset has been handled.
    done: u64,
}

impl<'file> PageCacheAdvice<'file> {
    /// Finds out which regions of this file are cached, and announces a sequential read.
    pub fn new(file: BorrowedFd<'file>, size: u64) -> Self {
        let region = MIN_REGION.max(size.div_ceil(MAX_REGIONS));
        let mut was_cached = Vec::new();
        if size > MIN_FILE {
            // With read-ahead, the question would bring in more than one page.
            advise(file, 0, None, Advice::Random);
            was_cached = (0..size.div_ceil(region))
                .map(|number| {
                    let begin = number * region;
                    is_cached(file, begin + (size - begin).min(region) / 2)
                })
                .collect();
        }
        advise(file, 0, None, Advice::Sequential);
        Self { file, region, was_cached, position: 0, done: 0 }
    }

    /// Notes that the file has been read up to `position`.
    pub fn advance_to(&mut self, position: u64) {
        self.position = position;
        if position - self.done >= DROP_EVERY {
            self.drop_until(position);
        }
    }

    fn drop_until(&mut self, position: u64) {
        while self.done < position {
            let number = self.done / self.region;
            let Some(was_cached) = self.was_cached.get(narrow(number)) else { return };
            let end = position.min((number + 1) * self.region);
            if !was_cached {
                // The kernel keeps pages in larger units and does not drop a unit that is partly outside the
                // range. So the range begins a little earlier.
                let begin = self.done.saturating_sub(DROP_EVERY).max(number * self.region);
                advise(self.file, begin, NonZeroU64::new(end - begin), Advice::DontNeed);
            }
            self.done = end;
        }
    }
}

impl Drop for PageCacheAdvice<'_> {
    /// Drops the rest: what was read last, and what was read ahead in the same region.
    fn drop(&mut self) {
        let region_end = self.position.next_multiple_of(self.region);
        self.drop_until(region_end);
    }
}

/// Whether the page at this offset is cached; true if the file system cannot answer.
pub fn is_cached(file: BorrowedFd<'_>, offset: u64) -> bool {
    let mut byte = [0];
    let answer = preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
    answer != Err(Errno::AGAIN)
}

/// Gives advice about a range of the file, to its end if `length` is `None`. A file system that does not support
/// advice is read without.
pub fn advise(file: BorrowedFd<'_>, offset: u64, length: Option<NonZeroU64>, advice: Advice) {
    if let Err(error) = fadvise(file, offset, length, advice) {
        tracing::trace!(%error, "the file system does not support advice");
    }
}
