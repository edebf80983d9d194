//! The bytes of a pack.

use rustix::io::Errno;
use stocktake_content::num::{narrow, widen};

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::ObjectFormat;
use crate::objects::kind::Malformed;
use crate::reader::RepoReader;

/// How many bytes are read at a time where objects do not follow each other.
const SHORT: usize = 16 * 1024;

/// An open pack, and what was read of it last.
pub(super) struct PackFile<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    name: Vec<u8>,
    file: OpenFile,
    /// Where the checksum at its end begins.
    end: u64,
    sequential: Window,
    random: Window,
    /// The object that was fetched last.
    fetched: Window,
}

impl<'a> PackFile<'a> {
    /// Opens the pack; `None` if it does not exist.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        name: Vec<u8>,
        format: ObjectFormat,
    ) -> Result<Option<Self>, ReadError> {
        let Some(file) = reader.open(folder, &name)? else { return Ok(None) };
        let end = file.size.saturating_sub(widen(format.bytes()));
        let (sequential, random, fetched) = Default::default();
        Ok(Some(Self { reader, folder, name, file, end, sequential, random, fetched }))
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.file.size
    }

    /// The error for an object that cannot be read.
    pub(super) fn damaged(&self, offset: u64, reason: Malformed) -> ReadError {
        let reason = format!("the object at offset {offset}: {reason}");
        self.reader.damaged(self.folder, &self.name, self.file.identity, &reason)
    }

    /// Reads the bytes of an object, if their length is known: in no order, no more than these are read.
    pub(super) fn fetch(&mut self, offset: u64, length: Option<u64>) -> Result<(), ReadError> {
        let left = self.end.saturating_sub(offset);
        let wanted = length.map_or(0, |length| narrow(length.min(left)).min(self.reader.step()));
        if self.fetched.begin == offset && self.fetched.length >= wanted {
            return Ok(());
        }
        let (reader, folder) = (self.reader, self.folder);
        self.fetched.read(reader, &self.file, offset, wanted, |error| folder.refused(&self.name, error))
    }

    /// What lies at this offset: `count` bytes, or more, or less at the end of the file.
    pub(super) fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], ReadError> {
        let wanted = count.min(narrow(self.end.saturating_sub(offset)));
        let is_fetched = self.fetched.get(offset).len() >= wanted;
        // Objects that others build on lie before them.
        let (window, step) = if is_fetched || offset == self.fetched.end() {
            // If the object is longer than was expected, its length is not known.
            let step = SHORT.max(2 * self.fetched.length).min(self.reader.step());
            (&mut self.fetched, step)
        } else if offset >= self.sequential.begin {
            (&mut self.sequential, self.reader.step())
        } else {
            (&mut self.random, SHORT)
        };
        if window.get(offset).len() < wanted {
            let wanted = step.max(count).min(narrow(self.end.saturating_sub(offset)));
            let (reader, folder) = (self.reader, self.folder);
            window.read(reader, &self.file, offset, wanted, |error| folder.refused(&self.name, error))?;
        }
        Ok(window.get(offset))
    }
}

/// Bytes of the pack that have been read.
#[derive(Default)]
struct Window {
    begin: u64,
    /// Longer than what was read, if more was read before: so it is not filled with zeros each time.
    bytes: Vec<u8>,
    length: usize,
}

impl Window {
    /// What has been read from this offset on.
    fn get(&self, offset: u64) -> &[u8] {
        let skipped = offset.checked_sub(self.begin).map_or(usize::MAX, narrow);
        self.bytes.get(..self.length).and_then(|bytes| bytes.get(skipped..)).unwrap_or_default()
    }

    /// The offset behind what has been read.
    fn end(&self) -> u64 {
        self.begin + widen(self.length)
    }

    /// Reads `wanted` bytes.
    fn read(
        &mut self,
        reader: &RepoReader<'_>,
        file: &OpenFile,
        offset: u64,
        wanted: usize,
        refused: impl FnOnce(Errno) -> ReadError,
    ) -> Result<(), ReadError> {
        reader.wait_for_rate(widen(wanted))?;
        (self.begin, self.length) = (offset, 0);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        let bytes = self.bytes.get_mut(..wanted).unwrap_or_default();
        let read = reader.read_into(file, offset, bytes).map_err(refused)?;
        if read < wanted {
            return Err(ReadError::Changed);
        }
        self.length = wanted;
        Ok(())
    }
}
