//! The objects in a pack.
//!
//! The format is in git's `Documentation/gitformat-pack`. Objects are read by their offset, best in the order of the
//! offsets, in which git puts objects that build on each other close together.

use std::collections::HashMap;
use std::rc::Rc;

use flate2::{Decompress, FlushDecompress, Status};
use stocktake_content::num::{narrow, widen};

use super::delta;
use super::index::PackIndex;
use super::kind::{Kind, MAX_BYTES, Malformed, TOO_LARGE};
use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{Hash, ObjectFormat, ObjectId};
use crate::memory::Held;
use crate::reader::RepoReader;

/// The most bytes of objects that are kept, because others build on them, and how many bytes of them are expected for each
/// of the pack.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;
const CACHE_RATIO: u64 = 8;

/// As much may be kept however many packs are read at once.
const LEAST_CACHE_BYTES: u64 = 2 * 1024 * 1024;

/// From this size on, an object that builds on no other is not held in memory to be hashed.
const STREAMED: u64 = 6 * 1024 * 1024;

/// How many bytes are read at a time where objects do not follow each other.
const SHORT: usize = 16 * 1024;

/// More than an object's header can have.
const HEADER_BYTES: usize = 64;

/// The longest chain of deltas, which git limits to 4,095.
const MAX_CHAIN: usize = 10_000;

/// A pack with its index.
pub(super) struct Pack<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    name: Vec<u8>,
    format: ObjectFormat,
    file: OpenFile,
    pub(super) index: PackIndex<'a>,
    sequential: Window,
    random: Window,
    stream: Decompress,
    cache: Cache,
    /// The memory of the cache.
    _held: Held,
}

/// What is known of an object before it is inflated.
#[derive(Debug, Clone, Copy)]
struct Header {
    entry: Entry,
    /// The inflated bytes: of the object, or of its delta.
    size: u64,
    /// Where the deflated bytes begin.
    data: u64,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Whole(Kind),
    /// A delta on the object at this offset.
    Delta(u64),
}

/// An object of a pack.
pub(super) type Object = (Kind, Rc<[u8]>);

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
        let Some(file) = reader.open(folder, &name)? else { return Ok(None) };
        let wanted = file.size.saturating_mul(CACHE_RATIO).min(CACHE_BYTES);
        let held = reader.memory().hold_up_to(wanted, LEAST_CACHE_BYTES);
        Ok(Some(Self {
            reader,
            folder,
            name,
            format,
            file,
            index,
            sequential: Window::default(),
            random: Window::default(),
            stream: Decompress::new(true),
            cache: Cache::new(narrow(held.bytes)),
            _held: held,
        }))
    }

    /// The bytes of the pack.
    pub(super) fn size(&self) -> u64 {
        self.file.size
    }

    /// The object at this offset.
    pub(super) fn object(&mut self, offset: u64) -> Result<Object, ReadError> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let (kind, mut content) = loop {
            if let Some(found) = self.cache.get(at) {
                break found;
            }
            let header = self.header(at)?;
            match header.entry {
                Entry::Whole(kind) => break (kind, self.inflate(at, header)?),
                Entry::Delta(base) => {
                    chain.push((at, header));
                    at = base;
                }
            }
            if chain.len() > MAX_CHAIN {
                return Err(self.damaged(offset, "it builds on itself"));
            }
        };
        self.cache.insert(at, (kind, Rc::clone(&content)));
        while let Some((at, header)) = chain.pop() {
            let delta = self.inflate(at, header)?;
            if delta::result_size(&delta).is_ok_and(|size| size > MAX_BYTES) {
                return Err(self.damaged(at, TOO_LARGE));
            }
            content = delta::apply(&content, &delta).map_err(|reason| self.damaged(at, reason))?.into();
            self.cache.insert(at, (kind, Rc::clone(&content)));
        }
        Ok((kind, content))
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
            self.inflate_into(offset, header, &mut |piece| hash.update(piece))?;
            return Ok(hash.finish());
        }
        let (kind, content) = self.object(offset)?;
        begin(&mut hash, kind, widen(content.len()));
        hash.update(&content);
        Ok(hash.finish())
    }

    /// The error for an object that cannot be read.
    pub(super) fn damaged(&self, offset: u64, reason: Malformed) -> ReadError {
        self.reader.damaged(
            self.folder,
            &self.name,
            self.file.identity,
            &format!("the object at offset {offset}: {reason}"),
        )
    }

    fn header(&mut self, offset: u64) -> Result<Header, ReadError> {
        let format = self.format;
        let parsed = parse_header(self.bytes(offset, HEADER_BYTES)?, offset, format);
        let (kind, size, length) = parsed.ok_or_else(|| self.damaged(offset, "it has no header"))?;
        let entry = match kind {
            Base::None(kind) => Entry::Whole(kind),
            Base::Offset(base) => Entry::Delta(base),
            Base::Id(id) => match self.index.find(&id)? {
                Some(place) => Entry::Delta(self.index.offset(place)?),
                None => return Err(self.damaged(offset, "the object it builds on is missing")),
            },
        };
        Ok(Header { entry, size, data: offset + length })
    }

    /// What lies at this offset: `count` bytes, or more, or less at the end of the file.
    fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], ReadError> {
        let end = self.file.size.saturating_sub(widen(self.format.bytes()));
        let left = narrow(end.saturating_sub(offset));
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

    fn inflate(&mut self, offset: u64, header: Header) -> Result<Rc<[u8]>, ReadError> {
        if header.size > MAX_BYTES {
            return Err(self.damaged(offset, TOO_LARGE));
        }
        // Grows as it is filled: the size may be damaged.
        let mut content = Vec::with_capacity(narrow(header.size).min(4 * 1024 * 1024));
        self.inflate_into(offset, header, &mut |piece| content.extend_from_slice(piece))?;
        Ok(content.into())
    }

    fn inflate_into(
        &mut self,
        offset: u64,
        header: Header,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        let mut stream = std::mem::replace(&mut self.stream, Decompress::new(true));
        stream.reset(true);
        let inflated = self.inflate_with(&mut stream, offset, header, sink);
        self.stream = stream;
        inflated
    }

    fn inflate_with(
        &mut self,
        stream: &mut Decompress,
        offset: u64,
        header: Header,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        let mut output = vec![0; narrow(header.size + 1).min(64 * 1024)];
        loop {
            let (read, written) = (stream.total_in(), stream.total_out());
            let input = self.bytes(header.data + read, 1)?;
            let is_end = input.is_empty();
            let status = stream.decompress(input, &mut output, FlushDecompress::None);
            let status = status.map_err(|_| self.damaged(offset, "it does not inflate"))?;
            let made = narrow(stream.total_out() - written);
            sink(output.get(..made).unwrap_or_default());
            if stream.total_out() > header.size {
                return Err(self.damaged(offset, "it is longer than it says"));
            }
            if status == Status::StreamEnd {
                break;
            }
            if is_end || (stream.total_in() == read && made == 0) {
                return Err(self.damaged(offset, "it is cut short"));
            }
        }
        if stream.total_out() == header.size { Ok(()) } else { Err(self.damaged(offset, "it is cut short")) }
    }
}

fn begin(hash: &mut Hash, kind: Kind, size: u64) {
    hash.update(format!("{} {size}\0", kind.name()).as_bytes());
}

/// What an object in a pack builds on.
enum Base {
    None(Kind),
    Offset(u64),
    Id(ObjectId),
}

/// The header of the object at this offset: what it builds on, its inflated size, and the bytes of the header.
fn parse_header(bytes: &[u8], offset: u64, format: ObjectFormat) -> Option<(Base, u64, u64)> {
    let mut rest = bytes;
    let first = take(&mut rest)?;
    let mut size = u64::from(first & 15);
    if first & 0x80 != 0 {
        let high = delta::size(&mut rest)?;
        size |= high.checked_mul(16)?;
    }
    let base = match (first >> 4) & 7 {
        6 => {
            let distance = delta::distance(&mut rest)?;
            Base::Offset(offset.checked_sub(distance).filter(|base| *base < offset)?)
        }
        7 => {
            let (id, behind) = rest.split_at_checked(format.bytes())?;
            rest = behind;
            Base::Id(format.id(id)?)
        }
        number => Base::None(Kind::of_number(number)?),
    };
    Some((base, size, widen(bytes.len() - rest.len())))
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
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

/// Objects by their offsets: those that were used last.
struct Cache {
    /// The most bytes of both halves.
    max: usize,
    young: HashMap<u64, Object>,
    bytes: usize,
    old: HashMap<u64, Object>,
}

impl Cache {
    fn new(max: usize) -> Self {
        Self { max, young: HashMap::new(), bytes: 0, old: HashMap::new() }
    }

    fn get(&mut self, offset: u64) -> Option<Object> {
        if let Some(found) = self.young.get(&offset) {
            return Some(found.clone());
        }
        let found = self.old.remove(&offset)?;
        self.insert(offset, found.clone());
        Some(found)
    }

    fn insert(&mut self, offset: u64, object: Object) {
        const OVERHEAD: usize = 96;
        let bytes = object.1.len() + OVERHEAD;
        if bytes > self.max / 4 {
            return;
        }
        if self.bytes + bytes > self.max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(offset, object).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use stocktake_content::num::big_endian;

    use super::*;

    #[test]
    fn headers_are_parsed() {
        let of = |bytes: &[u8], offset| {
            let (base, size, length) = parse_header(bytes, offset, ObjectFormat::Sha1)?;
            let base = match base {
                Base::None(kind) => format!("{kind:?}"),
                Base::Offset(offset) => format!("at {offset}"),
                Base::Id(id) => format!("{}", big_endian(id.as_bytes())),
            };
            Some((base, size, length))
        };
        assert_eq!(of(&[0x15], 12), Some(("Commit".to_owned(), 5, 1)));
        assert_eq!(of(&[0xb5, 0x03], 12), Some(("Blob".to_owned(), 0x35, 2)));
        assert_eq!(of(&[0x43], 12), Some(("Tag".to_owned(), 3, 1)));
        assert_eq!(of(&[0x61, 5], 12), Some(("at 7".to_owned(), 1, 2)));
        // The second byte of a distance counts from 128.
        assert_eq!(of(&[0x61, 0x80, 1], 200), Some(("at 71".to_owned(), 1, 3)));
        let by_id = [&[0x71][..], &[0, 0, 0, 9], &[0; 16]].concat();
        assert_eq!(of(&by_id, 12), Some(("9".to_owned(), 1, 21)));
        for bad in [&[][..], &[0x05], &[0x55], &[0x95], &[0x61, 0], &[0x61, 13], &[0x71, 1]] {
            assert_eq!(of(bad, 12), None, "{bad:?}");
        }
    }

    #[test]
    fn the_cache_keeps_what_was_used_last_within_its_bound() {
        const MAX: usize = 48 * 1024 * 1024;
        let mut cache = Cache::new(MAX);
        let object = || (Kind::Blob, Rc::from(vec![0; 1024 * 1024]));
        cache.insert(0, object());
        for offset in 1..100 {
            cache.insert(offset, object());
            assert!(cache.get(0).is_some() && cache.get(offset).is_some());
        }
        assert!(cache.get(5).is_none());
        let kept = cache.young.len() + cache.old.len();
        assert!(kept <= MAX / (1024 * 1024) && kept > 10, "{kept}");
        cache.insert(1_000, (Kind::Blob, Rc::from(vec![0; MAX / 2])));
        assert!(cache.get(1_000).is_none());
    }
}
