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

/// The most lines of a file that has to be sorted.
const MAX_UNSORTED: u64 = 2_000_000;

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
    /// The refs in the order of their names, the last one first, if the file is in another order; `None` if it is read
    /// line by line.
    sorted: Option<Vec<Ref>>,
}

impl<'a> Packed<'a> {
    /// Opens the file, which need not exist.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        format: ObjectFormat,
    ) -> Result<Self, ReadError> {
        let file = reader.open(folder, FILE)?;
        if file.as_ref().is_some_and(|file| file.size == 0) {
            return Err(folder.suspect(FILE, "it is empty"));
        }
        let (held, previous) = (Vec::new(), Vec::new());
        let mut packed =
            Self { reader, folder, format, file, held, at: 0, offset: 0, line: 0, previous, sorted: None };
        packed.sort()?;
        Ok(packed)
    }

    /// Reads all refs and sorts them, if the file does not say that they are sorted and they are not, as git does.
    fn sort(&mut self) -> Result<(), ReadError> {
        self.peek()?;
        let first = self.held.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_sorted = first.starts_with(HEADER) && words(first).any(|word| word == b"sorted");
        if self.file.is_none() || is_sorted {
            return Ok(());
        }
        let (mut refs, mut in_order) = (Vec::<Ref>::new(), true);
        while let Some(next) = self.read_next()? {
            in_order &= refs.last().is_none_or(|last| last.name < next.name);
            // Each has far more bytes in memory than in the file.
            if self.line > MAX_UNSORTED && !in_order {
                let reason = format!("more than {MAX_UNSORTED} lines that are not sorted");
                return Err(self.folder.damaged(FILE, reason));
            }
            if self.line > MAX_UNSORTED {
                refs.clear();
            }
            refs.push(next);
        }
        if in_order {
            (self.at, self.offset, self.line) = (0, 0, 0);
            self.held.clear();
            return Ok(());
        }
        refs.sort_by(|a, b| b.name.cmp(&a.name));
        if refs.windows(2).any(|two| matches!(two, [a, b] if a.name == b.name)) {
            return Err(self.folder.suspect(FILE, "the same ref twice"));
        }
        self.sorted = Some(refs);
        Ok(())
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
        if let Some(sorted) = &mut self.sorted {
            return Ok(sorted.pop());
        }
        let next = self.read_next()?;
        if let Some(next) = &next {
            if next.name <= self.previous {
                return Err(self.damaged("not in the order of the names"));
            }
            self.previous.clone_from(&next.name);
        }
        Ok(next)
    }

    /// The ref in the next line.
    fn read_next(&mut self) -> Result<Option<Ref>, ReadError> {
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
        let name = rest.strip_prefix(b" ").or(rest.strip_prefix(b"\t")).filter(|name| name::is_valid(name));
        let name = name.ok_or_else(|| self.damaged("not a valid name of a ref"))?.to_vec();
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
        if !line.starts_with(HEADER) {
            return Err(self.damaged("not the header of such a file"));
        }
        if words(line).all(|word| PROPERTIES.contains(&word)) {
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

/// The words in the header.
fn words(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let properties = header.strip_prefix(HEADER).unwrap_or_default();
    properties.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}
