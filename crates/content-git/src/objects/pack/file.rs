//! The bytes of a pack.

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
        let (sequential, random) = (Window::default(), Window::default());
        Ok(Some(Self { reader, folder, name, file, end, sequential, random }))
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

    /// What lies at this offset: `count` bytes, or more, or less at the end of the file.
    pub(super) fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], ReadError> {
        let left = narrow(self.end.saturating_sub(offset));
        // Objects that others build on lie before them.
        let (window, step) = if offset >= self.sequential.begin {
            (&mut self.sequential, self.reader.step())
        } else {
            (&mut self.random, SHORT)
        };
        if window.get(offset).len() < count.min(left) {
            let wanted = step.max(count).min(left);
            self.reader.wait_for_rate(widen(wanted))?;
            window.begin = offset;
            window.bytes.resize(wanted, 0);
            let read = self.reader.read_into(&self.file, offset, &mut window.bytes);
            let read = read.map_err(|error| self.folder.refused(&self.name, error))?;
            if read < wanted {
                window.bytes.clear();
                return Err(ReadError::Changed);
            }
        }
        Ok(window.get(offset))
    }
}

/// Bytes of the pack that have been read.
#[derive(Default)]
struct Window {
    begin: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// What has been read from this offset on.
    fn get(&self, offset: u64) -> &[u8] {
        let skipped = offset.checked_sub(self.begin).map_or(usize::MAX, narrow);
        self.bytes.get(skipped..).unwrap_or_default()
    }
}
