//! Looking up objects in the index of a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`: 256 numbers of objects whose id begins with this byte or a
//! lower one, then the ids in order. Only the numbers are kept in memory.

use std::cmp::Ordering;

use stocktake_content::num::{big_endian, narrow, widen};

use super::ids::Need;
use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;

const MAGIC: &[u8] = b"\xfftOc";
const FAN_OUT_BYTES: usize = 256 * 4;

/// How many ids are read together to look for one.
const WINDOW: u64 = 128;

/// How many ids can be read one after the other in the time in which one is looked up.
const LOOK_UP_COST: u64 = 500;

/// The bit of an offset that instead is a place in the table of large ones.
const LARGE: u32 = 1 << 31;

/// The index of a pack.
pub(super) struct PackIndex<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    name: Vec<u8>,
    format: ObjectFormat,
    file: OpenFile,
    fan_out: Vec<u32>,
    /// The offset of the entries, the bytes of an entry, and the bytes in it before the id.
    begin: u64,
    entry: usize,
    prefix: usize,
}

impl<'a> PackIndex<'a> {
    /// Opens the index; `None` if it does not exist.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        name: &[u8],
        format: ObjectFormat,
    ) -> Result<Option<Self>, ReadError> {
        let Some(file) = reader.open(folder, name)? else { return Ok(None) };
        let mut head = vec![0; 8 + FAN_OUT_BYTES];
        let read = reader.read_into(&file, 0, &mut head).map_err(|error| folder.refused(name, error))?;
        head.truncate(read);
        let second = head.starts_with(MAGIC);
        if second && head.get(4..).map_or(0, big_endian) != 2 {
            return Err(folder.suspect(name, "an index of unknown version"));
        }
        // The first version has no header, and an offset in the pack before each id.
        let (header, prefix) = if second { (8, 0) } else { (0, 4) };
        let numbers = head.get(header..header + FAN_OUT_BYTES).unwrap_or_default();
        let fan_out: Vec<_> = numbers.chunks_exact(4).map(big_endian).collect();
        let entry = prefix + format.bytes();
        let objects = fan_out.last().copied().unwrap_or_default();
        let begin = widen(header + FAN_OUT_BYTES);
        let fits = begin + u64::from(objects) * widen(entry) <= file.size;
        if fan_out.is_empty() || !fan_out.is_sorted() || !fits {
            return Err(folder.suspect(name, "not an index of a pack"));
        }
        let name = name.to_owned();
        Ok(Some(Self { reader, folder, name, format, file, fan_out, begin, entry, prefix }))
    }

    /// The number of objects.
    pub(super) fn objects(&self) -> u32 {
        self.fan_out.last().copied().unwrap_or_default()
    }

    /// Whether the pack holds this object.
    pub(super) fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.find(id)?.is_some())
    }

    /// The place of this object in the order of the ids.
    pub(super) fn find(&self, id: &ObjectId) -> Result<Option<u32>, ReadError> {
        let first = usize::from(id.as_bytes().first().copied().unwrap_or_default());
        let number = |index: Option<usize>| {
            index.and_then(|index| self.fan_out.get(index)).map_or(0, |number| u64::from(*number))
        };
        let (mut low, mut high) = (number(first.checked_sub(1)), number(Some(first)));
        // Ids are hashes: the bytes behind the first one tell about where it is, and it is looked for around there.
        let fraction = id.as_bytes().get(1..).map_or(0, big_endian);
        let mut at = low + ((u64::from(fraction) * (high - low)) >> 32);
        let mut step = WINDOW;
        while low < high {
            let count = WINDOW.min(high - low);
            let begin = at.saturating_sub(WINDOW / 2).clamp(low, high - count);
            let entries = self.entries(begin, count)?;
            match self.search(&entries, id) {
                Ok(found) => return Ok(u32::try_from(begin + widen(found)).ok()),
                Err(0) => {
                    high = begin;
                    at = at.saturating_sub(step);
                }
                Err(behind) if widen(behind) == count => {
                    low = begin + count;
                    at += step;
                }
                Err(_) => return Ok(None),
            }
            if at < low || at >= high {
                at = low + (high - low) / 2;
            }
            step *= 2;
        }
        Ok(None)
    }

    /// Takes out of `needs`, which are in order, those that the pack holds, and calls `visitor` with the place and the bits
    /// of each.
    pub(super) fn take_found(
        &self,
        needs: &mut Vec<Need>,
        mut visitor: impl FnMut(u32, u8),
    ) -> Result<(), ReadError> {
        let mut is_found = vec![false; needs.len()];
        let mut pairs = needs.iter().zip(&mut is_found);
        if widen(needs.len()).saturating_mul(LOOK_UP_COST) < u64::from(self.objects()) {
            for (need, is_found) in pairs {
                if let Some(place) = self.find(&need.id)? {
                    visitor(place, need.bits);
                    *is_found = true;
                }
            }
        } else {
            let (mut place, mut next) = (0, pairs.next());
            self.read_table(self.begin, self.entry, |entry| {
                let id = entry.get(self.prefix..).unwrap_or_default();
                while let Some((need, is_found)) = next.take_if(|(need, _)| need.id.as_bytes() <= id) {
                    if need.id.as_bytes() == id {
                        visitor(place, need.bits);
                        *is_found = true;
                    }
                    next = pairs.next();
                }
                place += 1;
            })?;
        }
        let mut is_found = is_found.into_iter();
        needs.retain(|_| !is_found.next().unwrap_or_default());
        Ok(())
    }

    /// The id at this place.
    pub(super) fn id(&self, place: u32) -> Result<Option<ObjectId>, ReadError> {
        let entry = self.entries(u64::from(place), 1)?;
        Ok(entry.get(self.prefix..).and_then(|id| self.format.id(id)))
    }

    /// All ids, one behind the other, in order.
    pub(super) fn all_ids(&self) -> Result<Vec<u8>, ReadError> {
        let mut ids = Vec::with_capacity(narrow(u64::from(self.objects())) * self.format.bytes());
        self.read_table(self.begin, self.entry, |entry| {
            ids.extend_from_slice(entry.get(self.prefix..).unwrap_or_default());
        })?;
        Ok(ids)
    }

    /// Calls `visitor` with the offset in the pack of each object, in the order of the ids.
    pub(super) fn offsets(&self, mut visitor: impl FnMut(u64)) -> Result<(), ReadError> {
        if self.prefix > 0 {
            return self.read_table(self.begin, self.entry, |entry| visitor(u64::from(big_endian(entry))));
        }
        let mut large = Vec::new();
        let large_begin = self.offset_table() + u64::from(self.objects()) * 4;
        let bytes = self.file.size.saturating_sub(large_begin) / 8 * 8;
        // Only packs of more than two gigabytes have this table; what it must have is in its bounds.
        if bytes <= u64::from(self.objects()) * 8 + 2 * widen(self.format.bytes()) {
            large = self.read(large_begin, narrow(bytes))?;
        }
        self.read_table(self.offset_table(), 4, |entry| visitor(large_offset(big_endian(entry), &large)))
    }

    /// The offset in the pack of the object at this place.
    pub(super) fn offset(&self, place: u32) -> Result<u64, ReadError> {
        let place = u64::from(place);
        if self.prefix > 0 {
            let entry = self.read(self.begin + place * widen(self.entry), 4)?;
            return Ok(u64::from(big_endian(&entry)));
        }
        let offset = big_endian(&self.read(self.offset_table() + place * 4, 4)?);
        if offset & LARGE == 0 {
            return Ok(u64::from(offset));
        }
        let at = self.offset_table() + u64::from(self.objects()) * 4 + u64::from(offset & !LARGE) * 8;
        Ok(large_offset(LARGE, &self.read(at, 8)?))
    }

    /// Where the offsets begin in the second version: behind the ids and a checksum of four bytes for each.
    fn offset_table(&self) -> u64 {
        self.begin + u64::from(self.objects()) * (widen(self.format.bytes()) + 4)
    }

    /// Calls `visitor` with each entry of a table with one for each object.
    fn read_table(&self, begin: u64, entry: usize, mut visitor: impl FnMut(&[u8])) -> Result<(), ReadError> {
        let step = (self.reader.step() / entry).max(1) * entry;
        let (mut at, end) = (begin, begin + u64::from(self.objects()) * widen(entry));
        while at < end {
            let count = step.min(narrow(end - at));
            self.reader.wait_for_rate(widen(count))?;
            self.read(at, count)?.chunks_exact(entry).for_each(&mut visitor);
            at += widen(count);
        }
        Ok(())
    }

    fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; count];
        let read = self.reader.read_into(&self.file, offset, &mut bytes);
        let read = read.map_err(|error| self.folder.refused(&self.name, error))?;
        if read < count { Err(ReadError::Changed) } else { Ok(bytes) }
    }

    /// `count` entries of the table of ids.
    fn entries(&self, begin: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        self.read(self.begin + begin * widen(self.entry), narrow(count) * self.entry)
    }

    /// The place of the id in these entries, or the one at which it would be.
    fn search(&self, entries: &[u8], id: &ObjectId) -> Result<usize, usize> {
        let (mut low, mut high) = (0, entries.len() / self.entry);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = entries.get(middle * self.entry + self.prefix..(middle + 1) * self.entry);
            match found.unwrap_or_default().cmp(id.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

/// The offset in the table of those that have more than 31 bits; one that no pack has if the table has no such place.
fn large_offset(offset: u32, large: &[u8]) -> u64 {
    if offset & LARGE == 0 {
        return u64::from(offset);
    }
    let at = narrow(u64::from(offset & !LARGE) * 8);
    large.get(at..).and_then(<[u8]>::first_chunk).map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes))
}
