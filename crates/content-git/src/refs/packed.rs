//! Refs that are kept together in the file `packed-refs`.

use super::{Ref, name};
use crate::id::ObjectFormat;
use crate::num::{narrow, widen};
use crate::visit::{Halt, Opened, Place, Visit};

/// The file's name.
pub(super) const FILE: &[u8] = b"packed-refs";

const HEADER: &[u8] = b"# pack-refs with:";

/// All that git has ever said of the file in its first line.
const TRAITS: [&[u8]; 3] = [b"peeled", b"fully-peeled", b"sorted"];

/// How much is read at a time, and so the longest line.
const PIECE: usize = 64 * 1024;

/// Reads the refs one by one, in the order of their names.
pub(super) struct Packed<'a> {
    visit: &'a Visit<'a>,
    place: &'a Place,
    format: ObjectFormat,
    file: Option<Opened>,
    /// What was read of the file and is not used up, from `at` on.
    held: Vec<u8>,
    at: usize,
    offset: u64,
    line: u64,
    previous: Vec<u8>,
}

impl<'a> Packed<'a> {
    /// Opens the file, which need not be there.
    pub(super) fn open(visit: &'a Visit<'a>, place: &'a Place, format: ObjectFormat) -> Result<Self, Halt> {
        let file = visit.open(place, FILE)?;
        let (held, previous) = (Vec::new(), Vec::new());
        Ok(Self { visit, place, format, file, held, at: 0, offset: 0, line: 0, previous })
    }

    /// Whether the file is still the one that is read here.
    pub(super) fn is_current(&self) -> Result<bool, Halt> {
        match &self.file {
            Some(file) => self.visit.is_still(self.place, FILE, file.identity),
            None => Ok(self.visit.find(self.place, FILE)?.is_none()),
        }
    }

    /// The next ref.
    pub(super) fn next(&mut self) -> Result<Option<Ref>, Halt> {
        let Some(mut line) = self.next_line()? else { return Ok(None) };
        if self.line == 1 && line.starts_with(b"#") {
            self.check_header(&line)?;
            match self.next_line()? {
                Some(next) => line = next,
                None => return Ok(None),
            }
        }
        let digits = 2 * self.format.bytes();
        let (id, rest) = line.split_at_checked(digits).ok_or_else(|| self.broken("not a ref"))?;
        let id = self.format.parse(id).filter(|id| !id.is_null());
        let id = id.ok_or_else(|| self.broken("no object id"))?;
        let name = rest.strip_prefix(b" ").filter(|name| name::is_valid(name));
        let name = name.ok_or_else(|| self.broken("not a valid name of a ref"))?.to_vec();
        if name <= self.previous {
            return Err(self.broken("not in the order of the names"));
        }
        self.previous.clone_from(&name);
        let peeled = match self.peek()? {
            Some(b'^') => {
                let line = self.next_line()?.unwrap_or_default();
                let id = line.get(1..).and_then(|id| self.format.parse(id));
                Some(id.ok_or_else(|| self.broken("no object id"))?)
            }
            _ => None,
        };
        Ok(Some(Ref { name, id, peeled }))
    }

    /// The ref of this name.
    pub(super) fn find(mut self, name: &[u8]) -> Result<Option<Ref>, Halt> {
        while let Some(found) = self.next()? {
            if found.name.as_slice() >= name {
                return Ok(Some(found).filter(|found| found.name == name));
            }
        }
        Ok(None)
    }

    fn check_header(&self, line: &[u8]) -> Result<(), Halt> {
        let traits = line.strip_prefix(HEADER).ok_or_else(|| self.broken("not the header of such a file"))?;
        let mut words = traits.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        if words.all(|word| TRAITS.contains(&word)) { Ok(()) } else { Err(self.broken("an unknown word")) }
    }

    fn broken(&self, reason: &str) -> Halt {
        self.place.suspect(FILE, format!("line {}: {reason}", self.line))
    }

    fn peek(&mut self) -> Result<Option<u8>, Halt> {
        if self.at == self.held.len() {
            self.fill()?;
        }
        Ok(self.held.get(self.at).copied())
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Halt> {
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
            if searched >= PIECE || self.fill()? == 0 {
                self.line += 1;
                return if searched == 0 { Ok(None) } else { Err(self.broken("has no end")) };
            }
        }
    }

    /// Reads some more; returns how much.
    fn fill(&mut self) -> Result<usize, Halt> {
        let Some(file) = &self.file else { return Ok(0) };
        self.held.drain(..self.at);
        self.at = 0;
        let left = file.size.saturating_sub(self.offset);
        let wanted = PIECE.min(narrow(left)).min(self.visit.step());
        if wanted == 0 {
            return Ok(0);
        }
        self.visit.wait_for_turn(widen(wanted))?;
        let begin = self.held.len();
        self.held.resize(begin + wanted, 0);
        let room = self.held.get_mut(begin..).unwrap_or_default();
        let read = self.visit.read_into(file, self.offset, room);
        let read = read.map_err(|error| self.place.refused(FILE, error))?;
        self.held.truncate(begin + read);
        self.offset += widen(read);
        if read < wanted { Err(Halt::Changed) } else { Ok(read) }
    }
}
