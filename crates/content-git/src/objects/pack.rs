//! The objects in a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`. Objects are read by their offset, best in the order of the
//! offsets, in which git puts objects that build on each other close together.

mod cache;
mod file;
mod header;
mod inflater;
mod object;

use std::rc::Rc;

use stocktake_content::num::narrow;

use super::delta::{self, Copied};
use super::index::PackIndex;
use super::kind::{Kind, MAX_BYTES, Malformed, TOO_LARGE};
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::{Hash, ObjectFormat, ObjectId};
use crate::memory::Held;
use crate::reader::RepoReader;
use cache::Cache;
use file::PackFile;
use header::{Base, Entry, HEADER_BYTES, Header};
use inflater::Inflater;

pub(super) use object::Object;

/// The most bytes of objects that are kept, because others build on them, and how many bytes of them are expected for each
/// of the pack.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;
const CACHE_RATIO: u64 = 8;

/// As much may be kept however many packs are read at once.
const LEAST_CACHE_BYTES: u64 = 2 * 1024 * 1024;

/// From this size on, an object that builds on no other is not held in memory to be hashed.
const STREAMED: u64 = 6 * 1024 * 1024;

/// The longest chain of deltas, which git limits to 4,095.
const MAX_CHAIN: usize = 10_000;

/// A pack with its index.
pub(super) struct Pack<'a> {
    format: ObjectFormat,
    file: PackFile<'a>,
    pub(super) index: PackIndex<'a>,
    inflater: Inflater,
    /// Used anew for each delta.
    copies: Vec<Copied>,
    cache: Cache,
    /// The memory of the cache.
    _held: Held,
}

impl<'a> Pack<'a> {
    /// Opens a pack by the path of its index; `None` if either file does not exist.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        index_name: &[u8],
        format: ObjectFormat,
    ) -> Result<Option<Self>, ReadError> {
        let name = [index_name.strip_suffix(b"idx").unwrap_or(index_name), b"pack"].concat();
        let Some(index) = PackIndex::open(reader, folder, index_name, format)? else { return Ok(None) };
        let Some(file) = PackFile::open(reader, folder, name, format)? else { return Ok(None) };
        let wanted = file.size().saturating_mul(CACHE_RATIO).min(CACHE_BYTES);
        let held = reader.memory().hold_up_to(wanted, LEAST_CACHE_BYTES);
        Ok(Some(Self {
            format,
            file,
            index,
            inflater: Inflater::new(),
            copies: Vec::new(),
            cache: Cache::new(narrow(held.bytes)),
            _held: held,
        }))
    }

    /// The bytes of the pack.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }

    /// The object at this offset.
    pub(super) fn object(&mut self, offset: u64) -> Result<Rc<Object>, ReadError> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let mut object = loop {
            if let Some(found) = self.cache.get(at) {
                break found;
            }
            let header = self.header(at)?;
            match header.entry {
                Entry::Whole(kind) => {
                    let content = self.inflater.whole(&mut self.file, header)?;
                    break self.keep(at, Object::new(kind, content, self.format));
                }
                Entry::Delta(base) => {
                    chain.push(header);
                    at = base;
                }
            }
            if chain.len() > MAX_CHAIN {
                return Err(self.damaged(offset, "it builds on itself"));
            }
        };
        while let Some(header) = chain.pop() {
            let at = header.offset;
            let delta = self.inflater.borrowed(&mut self.file, header)?;
            if delta::result_size(delta).is_ok_and(|size| size > MAX_BYTES) {
                return Err(self.damaged(at, TOO_LARGE));
            }
            let content = delta::apply(&object.content, delta, &mut self.copies);
            let content = content.map_err(|reason| self.file.damaged(at, reason))?;
            object = self.keep(at, Object::on(&object, content, &self.copies, self.format));
        }
        Ok(object)
    }

    fn keep(&mut self, offset: u64, object: Object) -> Rc<Object> {
        let object = Rc::new(object);
        self.cache.insert(offset, Rc::clone(&object));
        object
    }

    /// The type of the object at this offset.
    pub(super) fn kind(&mut self, offset: u64) -> Result<Kind, ReadError> {
        let mut at = offset;
        for _ in 0..=MAX_CHAIN {
            match self.header(at)?.entry {
                Entry::Whole(kind) => return Ok(kind),
                Entry::Delta(base) => at = base,
            }
        }
        Err(self.damaged(offset, "it builds on itself"))
    }

    /// The type of the object at this offset, or the offset of the object that it builds on.
    pub(super) fn kind_or_base(&mut self, offset: u64) -> Result<Result<Kind, u64>, ReadError> {
        Ok(match self.header(offset)?.entry {
            Entry::Whole(kind) => Ok(kind),
            Entry::Delta(base) => Err(base),
        })
    }

    /// The id of the object at this offset, calculated over its content.
    pub(super) fn calculated_id(&mut self, offset: u64) -> Result<ObjectId, ReadError> {
        let header = self.header(offset)?;
        let mut hash = self.format.hash();
        if let Entry::Whole(kind) = header.entry
            && header.size > STREAMED
        {
            // Too large to be kept; hashed piece by piece.
            begin(&mut hash, kind, header.size);
            self.inflater.pieces(&mut self.file, header, &mut |piece| hash.update(piece))?;
            return Ok(hash.finish());
        }
        let object = self.object(offset)?;
        begin(&mut hash, object.kind, object.size());
        hash.update(&object.content);
        Ok(hash.finish())
    }

    /// The error for an object that cannot be read.
    pub(super) fn damaged(&self, offset: u64, reason: Malformed) -> ReadError {
        self.file.damaged(offset, reason)
    }

    fn header(&mut self, offset: u64) -> Result<Header, ReadError> {
        let format = self.format;
        let parsed = header::parse(self.file.bytes(offset, HEADER_BYTES)?, offset, format);
        let (kind, size, length) = parsed.ok_or_else(|| self.damaged(offset, "it has no header"))?;
        let entry = match kind {
            Base::None(kind) => Entry::Whole(kind),
            Base::Offset(base) => Entry::Delta(base),
            Base::Id(id) => match self.index.find(&id)? {
                Some(place) => Entry::Delta(self.index.offset(place)?),
                None => return Err(self.damaged(offset, "the object it builds on is missing")),
            },
        };
        Ok(Header { offset, entry, size, data: offset + length })
    }
}

fn begin(hash: &mut Hash, kind: Kind, size: u64) {
    hash.update(format!("{} {size}\0", kind.name()).as_bytes());
}
