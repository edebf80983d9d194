//! Looking up objects in the index of a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`: 256 numbers that say how many objects begin with
//! this byte or a lower one, then the ids in order. Only the numbers are held in memory.

use crate::id::{ObjectFormat, ObjectId};
use crate::num::{big_endian, narrow, widen};
use crate::visit::{Halt, Opened, Place, Visit};

const MAGIC: &[u8] = b"\xfftOc";
const FAN_OUT_BYTES: usize = 256 * 4;

/// So many ids are searched in memory; among more, one is looked at in the middle.
const WINDOW: u64 = 128;

/// The index of a pack.
pub(super) struct PackIndex<'a> {
    visit: &'a Visit<'a>,
    place: &'a Place,
    name: Vec<u8>,
    format: ObjectFormat,
    file: Opened,
    fan_out: Vec<u32>,
    /// Where the ids begin, how far they are apart, and how many bytes are before each.
    begin: u64,
    entry: usize,
    lead: usize,
}

impl<'a> PackIndex<'a> {
    /// Opens the index; `None` if it has gone.
    pub(super) fn open(
        visit: &'a Visit<'a>,
        place: &'a Place,
        name: &[u8],
        format: ObjectFormat,
    ) -> Result<Option<Self>, Halt> {
        let Some(file) = visit.open(place, name)? else { return Ok(None) };
        let mut head = vec![0; 8 + FAN_OUT_BYTES];
        let read = visit.read_into(&file, 0, &mut head).map_err(|error| place.refused(name, error))?;
        head.truncate(read);
        let second = head.starts_with(MAGIC);
        if second && head.get(4..).map_or(0, big_endian) != 2 {
            return Err(place.suspect(name, "an index of unknown version"));
        }
        // The first version has no header, and the place in the pack before each id.
        let (header, lead) = if second { (8, 0) } else { (0, 4) };
        let numbers = head.get(header..header + FAN_OUT_BYTES).unwrap_or_default();
        let fan_out: Vec<_> = numbers.chunks_exact(4).map(big_endian).collect();
        let entry = lead + format.bytes();
        let objects = fan_out.last().copied().unwrap_or_default();
        let begin = widen(header + FAN_OUT_BYTES);
        let fits = begin + u64::from(objects) * widen(entry) <= file.size;
        if fan_out.is_empty() || !fan_out.is_sorted() || !fits {
            return Err(place.suspect(name, "not an index of a pack"));
        }
        let name = name.to_owned();
        Ok(Some(Self { visit, place, name, format, file, fan_out, begin, entry, lead }))
    }

    /// The number of objects.
    pub(super) fn objects(&self) -> u32 {
        self.fan_out.last().copied().unwrap_or_default()
    }

    /// Whether the pack holds this object.
    pub(super) fn contains(&self, id: &ObjectId) -> Result<bool, Halt> {
        let first = usize::from(id.as_bytes().first().copied().unwrap_or_default());
        let number = |index: Option<usize>| {
            index.and_then(|index| self.fan_out.get(index)).map_or(0, |number| u64::from(*number))
        };
        let (mut low, mut high) = (number(first.checked_sub(1)), number(Some(first)));
        while high - low > WINDOW {
            let middle = low + (high - low) / 2;
            let there = self.ids(middle, 1)?;
            match there.first() {
                Some(there) if there == id => return Ok(true),
                Some(there) if there < id => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(self.ids(low, high - low)?.contains(id))
    }

    fn ids(&self, begin: u64, count: u64) -> Result<Vec<ObjectId>, Halt> {
        let mut bytes = vec![0; narrow(count) * self.entry];
        let offset = self.begin + begin * widen(self.entry);
        let read = self.visit.read_into(&self.file, offset, &mut bytes);
        let read = read.map_err(|error| self.place.refused(&self.name, error))?;
        if read < bytes.len() {
            return Err(Halt::Changed);
        }
        let entries = bytes.chunks_exact(self.entry);
        Ok(entries.filter_map(|entry| self.format.id(entry.get(self.lead..)?)).collect())
    }
}
