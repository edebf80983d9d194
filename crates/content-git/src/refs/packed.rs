//! Refs that are kept together in the file `packed-refs`.

use stocktake_content::num::{narrow, widen};

use super::name::{self, Ref};
use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::ObjectFormat;
use crate::reader::RepoReader;

/// The file's name.
pub(super) const FILE: &[u8] = b"packed-refs";

const HEADER: &[u8] = b"# pack-refs with:";

/// All properties that git has ever stated in the first line.
const PROPERTIES: [&[u8]; 3] = [b"peeled", b"fully-peeled", b"sorted"];

/// How many bytes are read at a time, and so the longest line.
const CHUNK: usize = 64 * 1024;

/// Reads the refs one by one in the order of their names.
pub(super) struct Packed<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    format: ObjectFormat,
    file: Option<OpenFile>,
    /// The bytes that have been read; those from `at` on have not been used.
    held: Vec<u8>,
    at: usize,
    offset: u64,
    line: u64,
    previous: Vec<u8>,
}

impl<'a> Packed<'a> {
    /// Opens the file, which need not exist.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        format: ObjectFormat,
    ) -> Result<Self, ReadError> {
        let file = reader.open(folder, FILE)?;
        let (held, previous) = (Vec::new(), Vec::new());
        Ok(Self { reader, folder, format, file, held, at: 0, offset: 0, line: 0, previous })
    }

    /// Whether the file is still the one that is read here.
    pub(super) fn is_current(&self) -> Result<bool, ReadError> {
        match &self.file {
            Some(file) => self.reader.is_still(self.folder, FILE, file.identity),
            None => Ok(self.reader.find(self.folder, FILE)?.is_none()),
        }
    }

    /// The next ref.
    pub(super) fn next(&mut self) -> Result<Option<Ref>, ReadError> {
        let Some(mut line) = self.next_line()? else { return Ok(None) };
        if self.line == 1 && line.starts_with(b"#") {
            self.check_header(&line)?;
            match self.next_line()? {
                Some(next) => line = next,
                None => return Ok(None),
            }
        }
        let digits = 2 * self.format.bytes();
        let (id, rest) = line.split_at_checked(digits).ok_or_else(|| self.damaged("not a ref"))?;
        let id = self.format.parse(id).filter(|id| !id.is_null());
        let id = id.ok_or_else(|| self.damaged("no object id"))?;
        let name = rest.strip_prefix(b" ").filter(|name| name::is_valid(name));
        let name = name.ok_or_else(|| self.damaged("not a valid name of a ref"))?.to_vec();
        if name <= self.previous {
            return Err(self.damaged("not in the order of the names"));
        }
        self.previous.clone_from(&name);
        let peeled = match self.peek()? {
            Some(b'^') => {
                let line = self.next_line()?.unwrap_or_default();
                let id = line.get(1..).and_then(|id| self.format.parse(id));
                Some(id.ok_or_else(|| self.damaged("no object id"))?)
            }
            _ => None,
        };
        Ok(Some(Ref { name, id, peeled }))
    }

    /// The ref of this name.
    pub(super) fn find(mut self, name: &[u8]) -> Result<Option<Ref>, ReadError> {
        while let Some(found) = self.next()? {
            if found.name.as_slice() >= name {
                return Ok(Some(found).filter(|found| found.name == name));
            }
        }
        Ok(None)
    }

    fn check_header(&self, line: &[u8]) -> Result<(), ReadError> {
        let properties =
            line.strip_prefix(HEADER).ok_or_else(|| self.damaged("not the header of such a file"))?;
        let mut words = properties.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        if words.all(|word| PROPERTIES.contains(&word)) {
            Ok(())
        } else {
            Err(self.damaged("an unknown word"))
        }
    }

    fn damaged(&self, reason: &str) -> ReadError {
        self.folder.suspect(FILE, format!("line {}: {reason}", self.line))
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.at == self.held.len() {
            self.fill()?;
        }
        Ok(self.held.get(self.at).copied())
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut searched = 0;
        loop {
            let rest = self.held.get(self.at..).unwrap_or_default();
            let end = rest.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| searched + end) {
                let line = rest.get(..end).unwrap_or_default().to_vec();
                self.at += end + 1;
                self.line += 1;
                return Ok(Some(line));
            }
            searched = rest.len();
            if searched >= CHUNK || self.fill()? == 0 {
                self.line += 1;
                return if searched == 0 { Ok(None) } else { Err(self.damaged("has no end")) };
            }
        }
    }

    /// Reads the next chunk; returns how many bytes.
    fn fill(&mut self) -> Result<usize, ReadError> {
        let Some(file) = &self.file else { return Ok(0) };
        self.held.drain(..self.at);
        self.at = 0;
        let left = file.size.saturating_sub(self.offset);
        let wanted = CHUNK.min(narrow(left)).min(self.reader.step());
        if wanted == 0 {
            return Ok(0);
        }
        self.reader.wait_for_rate(widen(wanted))?;
        let begin = self.held.len();
        self.held.resize(begin + wanted, 0);
        let unfilled = self.held.get_mut(begin..).unwrap_or_default();
        let read = self.reader.read_into(file, self.offset, unfilled);
        let read = read.map_err(|error| self.folder.refused(FILE, error))?;
        self.held.truncate(begin + read);
        self.offset += widen(read);
        if read < wanted { Err(ReadError::Changed) } else { Ok(read) }
    }
}
