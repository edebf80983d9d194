//! The refs in one reftable.
//!
//! The format is in git's `Documentation/technical/reftable`. Only the blocks of refs are read, from the first to
//! where they end according to the footer. Only the footer has a checksum, so everything else is checked for
//! consistency.

use flate2::Crc;

use stocktake_content::num::{big_endian, narrow, widen};

use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::refs::name;

const MAGIC: &[u8] = b"REFT";

/// The bytes of the footer behind the copy of the header.
const FOOTER_BYTES: usize = 5 * 8 + 4;

/// The bytes of a block before its records: its kind and length.
const BLOCK_HEAD: usize = 4;

const REFS: u8 = b'r';
const INDEX: u8 = b'i';
const LOG: u8 = b'g';

/// A ref in a table.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: Vec<u8>,
    /// `None` if the ref was deleted.
    pub(super) value: Option<Value>,
}

/// What a ref points to.
#[derive(Debug)]
pub(super) enum Value {
    /// An object, and the object that it leads to if it is an annotated tag.
    Id(ObjectId, Option<ObjectId>),
    /// Another ref.
    Symbolic(Vec<u8>),
}

/// A table, read from the first ref to the last.
pub(super) struct Table<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    name: Vec<u8>,
    format: ObjectFormat,
    file: OpenFile,
    header: usize,
    /// The distance between blocks; 0 if each begins where the previous one ends.
    block_size: u64,
    /// Where the blocks of refs end, and where the next of them begins.
    end: u64,
    position: u64,
    /// Whether the rest before `end` is an index over the blocks of refs, below the level that the footer names.
    in_index: bool,
    block: Vec<u8>,
    /// Where the next record begins in the block, and where the records end.
    at: usize,
    records_end: usize,
    /// The offsets in the block of records that do not build on the previous one, the next one last.
    restarts: Vec<usize>,
    previous: Vec<u8>,
}

impl<'a> Table<'a> {
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        format: ObjectFormat,
        name: &[u8],
    ) -> Result<Self, ReadError> {
        let file = reader.open(folder, name)?.ok_or_else(|| folder.suspect(name, "is not there"))?;
        let mut table = Self {
            reader,
            folder,
            name: name.to_owned(),
            format,
            file,
            header: 0,
            block_size: 0,
            end: 0,
            position: 0,
            in_index: false,
            block: Vec::new(),
            at: 0,
            records_end: 0,
            restarts: Vec::new(),
            previous: Vec::new(),
        };
        table.read_frame()?;
        Ok(table)
    }

    /// The next ref.
    pub(super) fn next(&mut self) -> Result<Option<Record>, ReadError> {
        while self.at == self.records_end {
            if !self.restarts.is_empty() {
                return Err(self.damaged("a block is damaged"));
            }
            if self.position >= self.end {
                return Ok(None);
            }
            self.read_block()?;
        }
        let (record, next) = self.record().ok_or_else(|| self.damaged("a record is damaged"))?;
        if self.restarts.pop_if(|restart| *restart == self.at).is_some() && !self.is_restart() {
            return Err(self.damaged("a block is damaged"));
        }
        if !name::is_valid_in_table(&record.name) || record.name <= self.previous {
            return Err(self.damaged("the name of a ref is damaged"));
        }
        self.previous.clone_from(&record.name);
        self.at = next;
        Ok(Some(record))
    }

    fn damaged(&self, reason: &str) -> ReadError {
        self.folder.suspect(&self.name, reason)
    }

    fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        self.reader.wait_for_rate(widen(count))?;
        let mut bytes = vec![0; count];
        let read = self.reader.read_into(&self.file, offset, &mut bytes);
        bytes.truncate(read.map_err(|error| self.folder.refused(&self.name, error))?);
        if bytes.len() == count { Ok(bytes) } else { Err(self.damaged("it is cut short")) }
    }

    /// Reads header and footer.
    fn read_frame(&mut self) -> Result<(), ReadError> {
        let start = self.read(0, 8)?;
        let (header, of_version) = match start.get(4) {
            _ if !start.starts_with(MAGIC) => return Err(self.damaged("not a reftable")),
            Some(1) => (24, ObjectFormat::Sha1),
            Some(2) => (28, self.format),
            _ => return Err(self.damaged("of an unknown version")),
        };
        let footer = widen(header + FOOTER_BYTES);
        let body = self.file.size.checked_sub(footer).filter(|body| *body >= widen(header));
        let body = body.ok_or_else(|| self.damaged("it is cut short"))?;
        let begin = self.read(0, header)?;
        let end = self.read(body, header + FOOTER_BYTES)?;
        let (checked, stored) = end.split_at_checked(end.len() - 4).unwrap_or_default();
        let mut crc = Crc::new();
        crc.update(checked);
        if !end.starts_with(&begin) || crc.sum() != big_endian(stored) {
            return Err(self.damaged("its header or footer is damaged"));
        }
        let hash = begin.get(24..28).unwrap_or(b"sha1");
        let expected: &[u8] = if self.format == ObjectFormat::Sha1 { b"sha1" } else { b"s256" };
        if of_version != self.format || hash != expected {
            return Err(self.damaged("of another object format than its repository"));
        }
        self.header = header;
        self.block_size = u64::from(big_endian(begin.get(4..).unwrap_or_default()) & 0x00ff_ffff);
        self.end = self.end_of_refs(end.get(header..).unwrap_or_default(), body)?;
        Ok(())
    }

    /// Where the blocks of refs end: at the first section that the footer names, or at the footer.
    fn end_of_refs(&self, positions: &[u8], body: u64) -> Result<u64, ReadError> {
        let number = |index: usize| {
            positions
                .get(index * 8..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        let (ref_index, objects, log) = (number(0), number(1) >> 5, number(3));
        let sections = [ref_index, objects, number(2), log, number(4)];
        let end = sections.into_iter().filter(|position| *position > 0).min().unwrap_or(body);
        if end > body {
            return Err(self.damaged("its footer is damaged"));
        }
        if body == widen(self.header) {
            return Ok(0);
        }
        // A table that has only a log begins with it.
        let first = self.read(widen(self.header), 1)?;
        Ok(if first == [LOG] && log == 0 { 0 } else { end })
    }

    fn read_block(&mut self) -> Result<(), ReadError> {
        // The first block begins with the header of the file.
        let prefix = if self.position == 0 { self.header } else { 0 };
        let head = self.read(self.position, prefix + BLOCK_HEAD)?;
        let head = head.get(prefix..).unwrap_or_default();
        let length = narrow(u64::from(big_endian(head) & 0x00ff_ffff));
        let end = self.position + widen(length);
        self.in_index |= head.first() == Some(&INDEX) && self.position > 0;
        let kind = if self.in_index { INDEX } else { REFS };
        if head.first() != Some(&kind) || end > self.end || length < prefix + BLOCK_HEAD + 2 {
            return Err(self.damaged("a block is damaged"));
        }
        if self.in_index {
            self.position = self.next_block(end)?;
            return Ok(());
        }
        self.block = self.read(self.position, length)?;
        let count = self.block.last_chunk::<2>().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
        let table = (length - 2).checked_sub(3 * count).filter(|table| *table > prefix + BLOCK_HEAD);
        let table = table.ok_or_else(|| self.damaged("a block is damaged"))?;
        let restarts = self.block.get(table..length - 2).unwrap_or_default();
        self.restarts = restarts.chunks_exact(3).rev().map(number).collect();
        (self.at, self.records_end) = (prefix + BLOCK_HEAD, table);
        self.position = self.next_block(end)?;
        Ok(())
    }

    /// Where the next block begins: there may be zeros before it.
    fn next_block(&self, end: u64) -> Result<u64, ReadError> {
        if self.block_size == 0 || end >= self.end {
            return Ok(end);
        }
        let aligned = (self.position + self.block_size).max(end).min(self.end);
        let between = self.read(end, narrow(aligned - end))?;
        match between.iter().position(|byte| *byte != 0) {
            None => Ok(aligned),
            Some(0) => Ok(end),
            Some(_) => Err(self.damaged("there is something between its blocks")),
        }
    }

    /// Whether the next record does not build on the previous one.
    fn is_restart(&self) -> bool {
        self.block.get(self.at) == Some(&0)
    }

    /// The next record, and the offset of the one behind it.
    fn record(&self) -> Option<(Record, usize)> {
        let mut rest = self.block.get(self.at..self.records_end)?;
        let kept = varint(&mut rest)?;
        let suffix_and_kind = varint(&mut rest)?;
        let suffix = take(&mut rest, narrow(suffix_and_kind >> 3))?;
        let name = [self.previous.get(..narrow(kept))?, suffix].concat();
        varint(&mut rest)?;
        let value = match suffix_and_kind & 7 {
            0 => None,
            1 => Some(Value::Id(self.id(&mut rest)?, None)),
            2 => Some(Value::Id(self.id(&mut rest)?, Some(self.id(&mut rest)?))),
            3 => {
                let length = narrow(varint(&mut rest)?);
                let target = take(&mut rest, length)?;
                name::is_valid(target).then_some(Some(Value::Symbolic(target.to_owned())))?
            }
            _ => return None,
        };
        Some((Record { name, value }, self.records_end - rest.len()))
    }

    fn id(&self, rest: &mut &[u8]) -> Option<ObjectId> {
        self.format.id(take(rest, self.format.bytes())?).filter(|id| !id.is_null())
    }
}

/// The number in three bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

/// A number with seven bits in each byte. Each number has only one encoding.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    loop {
        let byte = *take(rest, 1)?.first()?;
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number);
        }
        number = number.checked_add(1).filter(|number| number.leading_zeros() > 7)?;
    }
}
