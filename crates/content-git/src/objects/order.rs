//! The objects of a pack in the order in which they lie in it, in parts that fit into memory.

use stocktake_content::num::{narrow, widen};

use super::index::PackIndex;
use crate::error::ReadError;

/// The bytes of memory for an object in a part: 16 here, and 8 for what builds on what.
const BYTES: u64 = 24;

/// Into how many sections of equal length a pack is divided, of which one or more make a part.
const SECTIONS: u64 = 1 << 16;

/// The offset of an object, and its place in the index.
pub(super) type Ordered = (u64, u32);

/// The parts of a pack.
pub(super) struct Order {
    /// The offset at which each begins, and the number of objects in it.
    parts: Vec<(u64, usize)>,
}

impl Order {
    /// How many bytes of memory a part of this many objects takes.
    pub(super) fn bytes(objects: u32) -> u64 {
        u64::from(objects) * BYTES
    }

    /// Divides a pack of `size` bytes into parts that take at most `bytes` bytes of memory. A section is never divided.
    pub(super) fn new(index: &PackIndex<'_>, size: u64, bytes: u64) -> Result<Self, ReadError> {
        let (objects, most) = (narrow(u64::from(index.objects())), narrow(bytes / BYTES));
        if objects <= most {
            return Ok(Self { parts: vec![(0, objects)] });
        }
        let length = size / SECTIONS + 1;
        let mut counts = vec![0_usize; narrow(SECTIONS)];
        index.offsets(|offset| {
            let section = narrow((offset / length).min(SECTIONS - 1));
            if let Some(count) = counts.get_mut(section) {
                *count += 1;
            }
        })?;
        let mut parts: Vec<(u64, usize)> = vec![(0, 0)];
        for (section, count) in counts.into_iter().enumerate() {
            match parts.last_mut() {
                Some((_, held)) if *held == 0 || *held + count <= most => *held += count,
                _ => parts.push((widen(section) * length, count)),
            }
        }
        Ok(Self { parts })
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The objects of this part in their order.
    pub(super) fn part(&self, index: &PackIndex<'_>, number: usize) -> Result<Vec<Ordered>, ReadError> {
        let Some((begin, count)) = self.parts.get(number) else { return Ok(Vec::new()) };
        // Whatever lies behind the end of the pack belongs to the last part.
        let end = self.parts.get(number + 1).map(|(end, _)| *end);
        let mut part = Vec::with_capacity(*count);
        let mut place = 0_u32;
        index.offsets(|offset| {
            if offset >= *begin && end.is_none_or(|end| offset < end) {
                part.push((offset, place));
            }
            place += 1;
        })?;
        part.sort_unstable();
        Ok(part)
    }
}
