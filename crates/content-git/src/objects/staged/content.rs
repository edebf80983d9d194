//! The content of an index, read from its beginning to the checksum at its end.

use stocktake_content::num::{big_endian, narrow, widen};

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;

/// The longest name: more than the system lets a path have.
const MAX_TEXT: usize = 64 * 1024;

pub(super) const CUT_SHORT: &str = "it is cut short";

pub(super) struct Content<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    path: &'a [u8],
    format: ObjectFormat,
    file: &'a OpenFile,
    /// What was read, of which what lies before `at` is used up.
    held: Vec<u8>,
    at: usize,
    /// How much of the file was read, and where the checksum begins.
    read: u64,
    end: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        path: &'a [u8],
        format: ObjectFormat,
        file: &'a OpenFile,
    ) -> Self {
        let end = file.size.saturating_sub(widen(format.bytes()));
        Self { reader, folder, path, format, file, held: Vec::new(), at: 0, read: 0, end }
    }

    /// The error for what cannot be read.
    pub(super) fn damaged(&self, reason: &str) -> ReadError {
        self.reader.damaged(self.folder, self.path, self.file.identity, reason)
    }

    /// How many bytes there still are.
    pub(super) fn left(&self) -> u64 {
        self.end - self.read + widen(self.held.len() - self.at)
    }

    /// The next bytes: this many or more, fewer at the end.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], ReadError> {
        if self.held.len() - self.at < count && self.read < self.end {
            self.held.drain(..self.at);
            self.at = 0;
            let wanted = self.reader.step().max(count).min(narrow(self.end - self.read));
            self.reader.wait_for_rate(widen(wanted))?;
            let begin = self.held.len();
            self.held.resize(begin + wanted, 0);
            let target = self.held.get_mut(begin..).unwrap_or_default();
            let read = self.reader.read_into(self.file, self.read, target);
            if read.map_err(|error| self.folder.refused(self.path, error))? < wanted {
                return Err(ReadError::Changed);
            }
            self.read += widen(wanted);
        }
        Ok(self.held.get(self.at..).unwrap_or_default())
    }

    /// The next bytes, exactly this many.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        let taken = self.peek(count)?.get(..count).map(<[u8]>::to_vec);
        self.at += count;
        taken.ok_or_else(|| self.damaged(CUT_SHORT))
    }

    /// Passes over bytes until this many are left.
    pub(super) fn skip_to(&mut self, left: u64) -> Result<(), ReadError> {
        while self.left() > left {
            let over = self.left() - left;
            let held = self.peek(1)?.len();
            self.at += narrow(over).min(held);
        }
        if self.left() == left { Ok(()) } else { Err(self.damaged("an extension is longer than it says")) }
    }

    pub(super) fn number(&mut self) -> Result<u32, ReadError> {
        self.take(4).map(|bytes| big_endian(&bytes))
    }

    pub(super) fn id(&mut self) -> Result<ObjectId, ReadError> {
        let bytes = self.take(self.format.bytes())?;
        self.format.id(&bytes).ok_or_else(|| self.damaged(CUT_SHORT))
    }

    /// The text up to the next zero byte.
    pub(super) fn text(&mut self) -> Result<Vec<u8>, ReadError> {
        self.until(0)
    }

    /// The decimal number before this byte.
    pub(super) fn decimal(&mut self, end: u8) -> Result<i64, ReadError> {
        let digits = self.until(end)?;
        let number = str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| self.damaged("not a number where there has to be one"))
    }

    fn until(&mut self, end: u8) -> Result<Vec<u8>, ReadError> {
        let mut wanted = 256;
        loop {
            let held = self.peek(wanted)?;
            if let Some(length) = held.iter().position(|byte| *byte == end) {
                let text = held.get(..length).unwrap_or_default().to_vec();
                self.at += length + 1;
                return Ok(text);
            }
            if held.len() < wanted || wanted > MAX_TEXT {
                return Err(self.damaged("a name has no end"));
            }
            wanted = held.len() + 1;
        }
    }
}
