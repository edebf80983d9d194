//! The objects in a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`. Objects are read by their offset, best in the order of the
//! offsets, in which git puts objects that build on each other close together.

mod cache;
mod file;
mod header;
mod inflater;
mod kinds;
mod object;

use std::rc::Rc;

use stocktake_content::num::{narrow, widen};

use super::delta::{self, Copied};
use super::index::PackIndex;
use super::kind::{Kind, MAX_BYTES, Malformed, TOO_LARGE};
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::memory::Held;
use crate::reader::RepoReader;
use cache::Cache;
use file::PackFile;
use header::{Deflated, HEADER_BYTES};
use inflater::Inflater;
use kinds::Kinds;

pub(super) use header::Base;
pub(super) use object::Object;

/// How many bytes of objects are expected for each of the pack.
const CACHE_RATIO: u64 = 8;

/// How many bytes are read at first of an object whose length in the pack is not known.
const FIRST_BYTES: u64 = 4 * 1024;

/// As much may be kept however many packs are read at once.
const LEAST_CACHE_BYTES: u64 = 2 * 1024 * 1024;

/// From this size on, an object that builds on no other is not held in memory to be hashed.
const STREAMED: u64 = 6 * 1024 * 1024;

/// The longest chain of deltas, which git limits to 4,095.
const MAX_CHAIN: usize = 10_000;

/// What is said of a delta on an object that the pack does not have.
pub(super) const BASE_MISSING: Malformed = "the object it builds on is missing";

/// A pack with its index.
pub(super) struct Pack<'a> {
    format: ObjectFormat,
    file: PackFile<'a>,
    pub(super) index: PackIndex<'a>,
    inflater: Inflater,
    cache: Cache,
    kinds: Kinds,
    /// The memory for objects on which others build.
    held: Held,
}

impl<'a> Pack<'a> {
    /// Opens a pack by the path of its index; `None` if either file does not exist. `memory` is the most bytes of objects that
    /// are kept, because others build on them.
    pub(super) fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        index_name: &[u8],
        format: ObjectFormat,
        memory: u64,
    ) -> Result<Option<Self>, ReadError> {
        let name = [index_name.strip_suffix(b"idx").unwrap_or(index_name), b"pack"].concat();
        let Some(index) = PackIndex::open(reader, folder, index_name, format)? else { return Ok(None) };
        let Some(file) = PackFile::open(reader, folder, name, format)? else { return Ok(None) };
        let wanted = file.size().saturating_mul(CACHE_RATIO).min(memory);
        let held = reader.memory().hold_up_to(wanted, LEAST_CACHE_BYTES);
        Ok(Some(Self {
            format,
            file,
            index,
            inflater: Inflater::new(),
            cache: Cache::new(narrow(held.bytes)),
            kinds: Kinds::default(),
            held,
        }))
    }

    /// The bytes of the pack.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }

    /// Takes half of the memory for objects away from the cache, and returns how many bytes it is.
    pub(super) fn share_memory(&mut self) -> usize {
        let half = narrow(self.held.bytes / 2);
        self.cache = Cache::new(half);
        half
    }

    /// The object at this offset.
    pub(super) fn object(&mut self, offset: u64) -> Result<Rc<Object>, ReadError> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let mut object = loop {
            if let Some(found) = self.cache.get(at) {
                break found;
            }
            self.fetch_first(at)?;
            match self.header(at)? {
                (Ok(kind), data) => {
                    let mut content = Vec::new();
                    self.inflater.whole(&mut self.file, data, &mut content)?;
                    break self.keep(at, Object::new(kind, content, None));
                }
                (Err(base), data) => {
                    chain.push(data);
                    at = base;
                }
            }
            if chain.len() > MAX_CHAIN {
                return Err(self.damaged(offset, "it builds on itself"));
            }
        };
        let mut copies = Vec::new();
        while let Some(delta) = chain.pop() {
            let (mut content, kind) = (Vec::new(), object.kind);
            self.fetch_first(delta.offset)?;
            self.apply(delta, &object.content, &mut content, &mut copies)?;
            let base =
                (kind == Kind::Tree).then(|| object::Base { offset: at, copies: copies.as_slice().into() });
            at = delta.offset;
            object = self.keep(at, Object::new(kind, content, base));
        }
        Ok(object)
    }

    /// The object that this one builds on and what it has of that, if that is still held in memory.
    pub(super) fn base_of<'o>(&mut self, object: &'o Object) -> Option<(Rc<Object>, &'o [Copied])> {
        let base = object.base.as_ref()?;
        Some((self.cache.get(base.offset)?, &base.copies))
    }

    /// Reads the first bytes of an object whose length in the pack is not known: they mostly are all of it.
    fn fetch_first(&mut self, offset: u64) -> Result<(), ReadError> {
        self.file.fetch(offset, Some(FIRST_BYTES))
    }

    /// Replaces `content` by that of the object at this offset, which is kept as a whole. `length` is that of its bytes in
    /// the pack, if it is known.
    pub(super) fn read_whole(
        &mut self,
        offset: u64,
        length: Option<u64>,
        content: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        self.file.fetch(offset, length)?;
        let (_, data) = self.parse(offset)?;
        self.inflater.whole(&mut self.file, data, content)
    }

    /// The same of an object that is a delta on `base`, with what it has of that.
    pub(super) fn read_delta(
        &mut self,
        offset: u64,
        length: Option<u64>,
        base: &[u8],
        content: &mut Vec<u8>,
        copies: &mut Vec<Copied>,
    ) -> Result<(), ReadError> {
        self.file.fetch(offset, length)?;
        let (_, data) = self.parse(offset)?;
        self.apply(data, base, content, copies)
    }

    fn apply(
        &mut self,
        data: Deflated,
        base: &[u8],
        content: &mut Vec<u8>,
        copies: &mut Vec<Copied>,
    ) -> Result<(), ReadError> {
        let delta = self.inflater.borrowed(&mut self.file, data)?;
        if delta::result_size(delta).is_ok_and(|size| size > MAX_BYTES) {
            return Err(self.file.damaged(data.offset, TOO_LARGE));
        }
        let applied = delta::apply(base, delta, content, copies);
        applied.map_err(|reason| self.file.damaged(data.offset, reason))
    }

    fn keep(&mut self, offset: u64, object: Object) -> Rc<Object> {
        let object = Rc::new(object);
        self.cache.insert(offset, Rc::clone(&object));
        object
    }

    /// The type of the object at this offset.
    pub(super) fn kind(&mut self, offset: u64) -> Result<Kind, ReadError> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let kind = loop {
            if let Some(kind) = self.kinds.get(at) {
                break kind;
            }
            // What it builds on lies anywhere, and of each only the header is wanted.
            self.file.fetch(at, Some(widen(HEADER_BYTES)))?;
            chain.push(at);
            match self.header(at)?.0 {
                Ok(kind) => break kind,
                Err(base) => at = base,
            }
            if chain.len() > MAX_CHAIN {
                return Err(self.damaged(offset, "it builds on itself"));
            }
        };
        for at in chain {
            self.kinds.insert(at, kind);
        }
        Ok(kind)
    }

    /// What the object at this offset builds on.
    pub(super) fn base(&mut self, offset: u64) -> Result<Base, ReadError> {
        Ok(self.parse(offset)?.0)
    }

    /// The id of the object at this offset if it is kept as a whole and too large for the memory, calculated over its content.
    pub(super) fn streamed_id(
        &mut self,
        offset: u64,
        length: Option<u64>,
    ) -> Result<Option<ObjectId>, ReadError> {
        self.file.fetch(offset, length)?;
        let (base, data) = self.parse(offset)?;
        let Base::None(kind) = base else { return Ok(None) };
        if data.size <= STREAMED {
            return Ok(None);
        }
        let mut hash = kind.hash(self.format, data.size);
        self.inflater.pieces(&mut self.file, data, &mut |piece| hash.update(piece))?;
        Ok(Some(hash.finish()))
    }

    /// The error for an object that cannot be read.
    pub(super) fn damaged(&self, offset: u64, reason: Malformed) -> ReadError {
        self.file.damaged(offset, reason)
    }

    /// What the object at this offset builds on, and where its content is.
    fn parse(&mut self, offset: u64) -> Result<(Base, Deflated), ReadError> {
        let format = self.format;
        let parsed = header::parse(self.file.bytes(offset, HEADER_BYTES)?, offset, format);
        let (base, size, length) = parsed.ok_or_else(|| self.damaged(offset, "it has no header"))?;
        Ok((base, Deflated { offset, size, begin: offset + length }))
    }

    /// The type of the object at this offset or the offset of the one that it builds on, and where its content is.
    fn header(&mut self, offset: u64) -> Result<(Result<Kind, u64>, Deflated), ReadError> {
        let (base, data) = self.parse(offset)?;
        let base = match base {
            Base::None(kind) => Ok(kind),
            Base::Offset(base) => Err(base),
            Base::Id(id) => {
                let place = self.index.find(&id)?.ok_or_else(|| self.damaged(offset, BASE_MISSING))?;
                Err(self.index.offset(place)?)
            }
        };
        Ok((base, data))
    }
}
