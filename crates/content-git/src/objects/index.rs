//! Looking up objects in the index of a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`: 256 numbers of objects whose id begins with this byte or a
//! lower one, then the ids in order. Only the numbers are kept in memory.

use stocktake_content::num::{big_endian, narrow, widen};

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;

const MAGIC: &[u8] = b"\xfftOc";
const FAN_OUT_BYTES: usize = 256 * 4;

/// From this many ids on, the middle one is read to halve them; fewer are read and searched in memory.
const WINDOW: u64 = 128;

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
        let first = usize::from(id.as_bytes().first().copied().unwrap_or_default());
        let number = |index: Option<usize>| {
            index.and_then(|index| self.fan_out.get(index)).map_or(0, |number| u64::from(*number))
        };
        let (mut low, mut high) = (number(first.checked_sub(1)), number(Some(first)));
        while high - low > WINDOW {
            let middle = low + (high - low) / 2;
            let found = self.ids(middle, 1)?;
            match found.first() {
                Some(found) if found == id => return Ok(true),
                Some(found) if found < id => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(self.ids(low, high - low)?.contains(id))
    }

    fn ids(&self, begin: u64, count: u64) -> Result<Vec<ObjectId>, ReadError> {
        let mut bytes = vec![0; narrow(count) * self.entry];
        let offset = self.begin + begin * widen(self.entry);
        let read = self.reader.read_into(&self.file, offset, &mut bytes);
        let read = read.map_err(|error| self.folder.refused(&self.name, error))?;
        if read < bytes.len() {
            return Err(ReadError::Changed);
        }
        let entries = bytes.chunks_exact(self.entry);
        Ok(entries.filter_map(|entry| self.format.id(entry.get(self.prefix..)?)).collect())
    }
}
