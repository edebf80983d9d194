//! Manners towards the page cache: what other programs had in it stays, what we brought in goes.
//!
//! Before a large file is read, the kernel is asked (by a read that must not wait for the disk) at one place
//! of each region whether the file is in the cache. Behind the reading position, the regions that were not
//! are dropped again. Where the file system cannot answer, everything is left as it is.

use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::num::narrow;

/// Smaller files are not worth the calls.
const WORTH_IT: u64 = 1024 * 1024;

/// Few regions, as each costs a seek on a cold disk, but none smaller than this.
const LEAST_REGION: u64 = 16 * 1024 * 1024;
const MAX_REGIONS: u64 = 64;

/// How much is read before it is dropped.
const DROP_EVERY: u64 = 4 * 1024 * 1024;

/// What is to become of a file's pages as it is read from begin to end.
#[derive(Debug)]
pub struct Manners<'file> {
    file: BorrowedFd<'file>,
    region: u64,
    was_cached: Vec<bool>,
    /// How far the file was read.
    position: u64,
    /// Everything before this is dealt with.
    done: u64,
}

impl<'file> Manners<'file> {
    /// Looks what of this file is in the cache; tells the kernel how it will be read.
    pub fn new(file: BorrowedFd<'file>, size: u64) -> Self {
        let region = LEAST_REGION.max(size.div_ceil(MAX_REGIONS));
        let mut was_cached = Vec::new();
        if size > WORTH_IT {
            // While we ask, reading ahead would bring in more than the page asked for.
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

    /// Notes that the file was read up to `position`.
    pub fn passed(&mut self, position: u64) {
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
                // The kernel keeps its pages in larger units and leaves those that a range cuts: so begin
                // again a little before.
                let begin = self.done.saturating_sub(DROP_EVERY).max(number * self.region);
                advise(self.file, begin, NonZeroU64::new(end - begin), Advice::DontNeed);
            }
            self.done = end;
        }
    }
}

impl Drop for Manners<'_> {
    /// Deals with the rest: what was read last, and what was read ahead in the same region.
    fn drop(&mut self) {
        let region_end = self.position.next_multiple_of(self.region);
        self.drop_until(region_end);
    }
}

/// Whether the page at this offset is in the cache; yes, if the system cannot say.
pub(crate) fn is_cached(file: BorrowedFd<'_>, offset: u64) -> bool {
    let mut byte = [0];
    let answer = preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
    answer != Err(Errno::AGAIN)
}

/// Advice is only that: a system that does not take it reads all the same.
pub(crate) fn advise(file: BorrowedFd<'_>, offset: u64, length: Option<NonZeroU64>, advice: Advice) {
    if let Err(error) = fadvise(file, offset, length, advice) {
        tracing::trace!(%error, "the file system takes no advice");
    }
}
