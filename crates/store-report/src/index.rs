//! What a report says of each object, to be looked up by the object's path: in memory if there are few, else sorted in a
//! temporary file, so that memory stays bounded whatever the size and the order of the report.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use stocktake_domain::{Digests, Reported};

/// Objects that are kept in memory; as many take 60 MB.
const IN_MEMORY: usize = 1 << 20;

/// Temporary files that are sorted one after the other.
const PARTS: usize = 256;

/// Objects that are read from the file at once.
const BLOCK: usize = 64;

/// The bytes of a path's hash, in front of each entry.
const HASH: usize = 16;

/// The bytes of an entry: hash, size, what kind of digest, digest.
const ENTRY: usize = HASH + 8 + 1 + 32;

/// Stands for a size that the report does not say.
const NO_SIZE: u64 = u64::MAX;

type Entry = [u8; ENTRY];

/// Gathers what a report says.
#[derive(Debug)]
pub struct IndexBuilder {
    hashers: [RandomState; 2],
    in_memory: usize,
    entries: Vec<Entry>,
    /// Once there are too many: a file for the entries that begin with each byte.
    parts: Vec<BufWriter<File>>,
}

/// What a report says of each object.
#[derive(Debug)]
pub struct Index {
    hashers: [RandomState; 2],
    objects: u64,
    sorted: Sorted,
}

/// The entries in the order of their hashes.
#[derive(Debug)]
enum Sorted {
    /// With the number of entries before each beginning of a hash, so that one of them is found among a few that lie side by
    /// side: a binary search over all reads twenty places of the memory, which took two fifths of the time of a comparison.
    Memory { entries: Vec<Entry>, starts: Starts },
    /// With the beginning of each block's first hash.
    File { file: File, firsts: Vec<u64>, entries: usize },
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self::with_room(IN_MEMORY)
    }
}

impl IndexBuilder {
    fn with_room(in_memory: usize) -> Self {
        let hashers = [RandomState::new(), RandomState::new()];
        Self { hashers, in_memory, entries: Vec::new(), parts: Vec::new() }
    }

    /// Adds what is said of the object at a path. If two things are said of it, it is as if it had been refused.
    pub fn add(&mut self, path: &str, said: &Reported) -> io::Result<()> {
        let entry = entry(hash(&self.hashers, path), said);
        if self.parts.is_empty() {
            if self.entries.len() < self.in_memory {
                self.entries.push(entry);
                return Ok(());
            }
            self.parts =
                (0..PARTS).map(|_| Ok(BufWriter::new(tempfile::tempfile()?))).collect::<io::Result<_>>()?;
            for entry in std::mem::take(&mut self.entries) {
                self.write(&entry)?;
            }
        }
        self.write(&entry)
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let part = entry.first().and_then(|first| self.parts.get_mut(usize::from(*first)));
        part.map_or(Ok(()), |part| part.write_all(entry))
    }

    /// Sorts what was added.
    pub fn finish(self) -> io::Result<Index> {
        let Self { hashers, mut entries, parts, .. } = self;
        if parts.is_empty() {
            sort(&mut entries);
            let objects = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            let starts = Starts::new(&entries);
            return Ok(Index { hashers, objects, sorted: Sorted::Memory { entries, starts } });
        }
        let mut file = BufWriter::new(tempfile::tempfile()?);
        let (mut firsts, mut written) = (Vec::new(), 0);
        for part in parts {
            let mut part = part.into_inner().map_err(io::IntoInnerError::into_error)?;
            part.rewind()?;
            let mut entries = Vec::new();
            let mut source = BufReader::new(part);
            let mut entry = [0; ENTRY];
            while read_entry(&mut source, &mut entry)? {
                entries.push(entry);
            }
            sort(&mut entries);
            for entry in &entries {
                if written % BLOCK == 0 {
                    firsts.push(beginning(entry));
                }
                file.write_all(entry)?;
                written += 1;
            }
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let objects = u64::try_from(written).unwrap_or(u64::MAX);
        Ok(Index { hashers, objects, sorted: Sorted::File { file, firsts, entries: written } })
    }
}

impl Index {
    /// How many objects there are.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// What is said of the object at this path.
    pub fn get(&self, path: &str) -> io::Result<Option<Reported>> {
        self.find(&hash(&self.hashers, path))
    }

    /// What is said of the objects at these paths, in their order. One search does not wait for the one before it, so that
    /// the memory is read at several places at a time.
    pub fn get_all<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> io::Result<Vec<Option<Reported>>> {
        let hashes: Vec<_> = paths.into_iter().map(|path| hash(&self.hashers, path)).collect();
        hashes.iter().map(|hash| self.find(hash)).collect()
    }

    fn find(&self, hash: &[u8; HASH]) -> io::Result<Option<Reported>> {
        match &self.sorted {
            Sorted::Memory { entries, starts } => {
                Ok(find(entries.get(starts.range(hash)).unwrap_or_default(), hash))
            }
            Sorted::File { file, firsts, entries } => {
                let beginning = beginning(hash);
                let behind = firsts.partition_point(|first| *first <= beginning);
                let Some(block) = behind.checked_sub(1) else { return Ok(None) };
                let count = BLOCK.min(entries.saturating_sub(block * BLOCK));
                let mut bytes = [0; BLOCK * ENTRY];
                let bytes = bytes.get_mut(..count * ENTRY).unwrap_or_default();
                let at = u64::try_from(block * BLOCK * ENTRY).unwrap_or(u64::MAX);
                file.read_exact_at(bytes, at)?;
                Ok(find(bytes.as_chunks::<ENTRY>().0, hash))
            }
        }
    }
}

/// Where the entries begin whose hashes begin with the same bits.
#[derive(Debug)]
struct Starts {
    /// The bits of a hash that are looked at.
    bits: u32,
    /// The number of entries before those that begin with each number, and of all.
    starts: Vec<u32>,
}

impl Starts {
    /// Of sorted entries: so many bits that four to eight of them begin with the same ones.
    fn new(entries: &[Entry]) -> Self {
        let bits = entries.len().checked_ilog2().unwrap_or(0).saturating_sub(2);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (at, entry) in (0..).zip(entries) {
            starts.resize(starts.len().max(number(entry, bits) + 1), at);
        }
        starts.resize((1 << bits) + 1, u32::try_from(entries.len()).unwrap_or(u32::MAX));
        Self { bits, starts }
    }

    /// Where an entry with this hash is, if there is one.
    fn range(&self, hash: &[u8]) -> Range<usize> {
        let number = number(hash, self.bits);
        let start = |number| self.starts.get(number).and_then(|start| usize::try_from(*start).ok());
        start(number).unwrap_or(0)..start(number + 1).unwrap_or(0)
    }
}

/// The first bits as a number.
fn number(bytes: &[u8], bits: u32) -> usize {
    let number = beginning(bytes).checked_shr(u64::BITS - bits).unwrap_or(0);
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn read_entry(source: &mut impl io::Read, entry: &mut Entry) -> io::Result<bool> {
    match source.read_exact(entry) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Two independent hashes with random keys: that two paths have the same is not to be expected, whoever chose them.
fn hash(hashers: &[RandomState; 2], path: &str) -> [u8; HASH] {
    let [first, second] = hashers.each_ref().map(|hasher| hasher.hash_one(path).to_be_bytes());
    let mut hash = [0; HASH];
    hash.iter_mut().zip(first.into_iter().chain(second)).for_each(|(to, from)| *to = from);
    hash
}

/// The first bytes as a number.
fn beginning(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Sorts, and leaves one entry of each path.
fn sort(entries: &mut Vec<Entry>) {
    // Almost all differ in the beginnings of their hashes, and comparing two numbers takes a fraction of comparing two entries.
    entries.sort_unstable_by(|one, other| beginning(one).cmp(&beginning(other)).then_with(|| one.cmp(other)));
    entries.dedup();
    entries.dedup_by(|later, earlier| {
        let is_same = later.get(..HASH) == earlier.get(..HASH);
        if is_same {
            let refused = Reported { refused: true, ..Reported::default() };
            *earlier = entry(later.first_chunk().copied().unwrap_or_default(), &refused);
        }
        is_same
    });
}

fn find(entries: &[Entry], hash: &[u8; HASH]) -> Option<Reported> {
    let of = |bytes: &[u8]| bytes.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
    let hash = of(hash);
    let at = entries.binary_search_by_key(&hash, |entry| of(entry)).ok()?;
    entries.get(at).map(said)
}

/// The number of a kind of digest.
mod kind {
    pub(super) const NONE: u8 = 0;
    pub(super) const MD5: u8 = 1;
    pub(super) const UNCERTAIN_MD5: u8 = 2;
    pub(super) const SHA256_AT_REST: u8 = 3;
    pub(super) const SHA1_AT_REST: u8 = 4;
    pub(super) const MD5_AT_REST: u8 = 5;
    pub(super) const NONE_AT_REST: u8 = 6;
    pub(super) const REFUSED: u8 = 7;
}

/// The entry of what is said of one object: a row has one digest at most.
fn entry(hash: [u8; HASH], said: &Reported) -> Entry {
    let Reported { size, digests, at_rest, uncertain, refused } = said;
    let (kind, digest): (u8, &[u8]) = match (refused, at_rest) {
        (true, _) => (kind::REFUSED, &[]),
        (false, false) => match (&digests.md5, &uncertain.md5) {
            (Some(md5), _) => (kind::MD5, md5),
            (None, Some(md5)) => (kind::UNCERTAIN_MD5, md5),
            (None, None) => (kind::NONE, &[]),
        },
        (false, true) => match (&digests.sha256, &digests.sha1, &digests.md5) {
            (Some(sha256), ..) => (kind::SHA256_AT_REST, sha256),
            (None, Some(sha1), _) => (kind::SHA1_AT_REST, sha1),
            (None, None, Some(md5)) => (kind::MD5_AT_REST, md5),
            (None, None, None) => (kind::NONE_AT_REST, &[]),
        },
    };
    let size = size.unwrap_or(NO_SIZE).to_be_bytes();
    let mut entry = [0; ENTRY];
    let bytes = hash.iter().chain(&size).chain([&kind]).chain(digest);
    entry.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    entry
}

fn said(entry: &Entry) -> Reported {
    let rest = entry.get(HASH..).unwrap_or_default();
    let (size, rest) = rest.split_at_checked(8).unwrap_or_default();
    let (kind, digest) = rest.split_first().map_or((kind::NONE, rest), |(kind, rest)| (*kind, rest));
    let size = Some(beginning(size)).filter(|size| *size != NO_SIZE);
    let (sha256, sha1, md5) =
        (digest.first_chunk().copied(), digest.first_chunk().copied(), digest.first_chunk().copied());
    let none = Digests::default();
    let mut said = Reported { size, at_rest: kind >= kind::SHA256_AT_REST, ..Reported::default() };
    match kind {
        kind::MD5 | kind::MD5_AT_REST => said.digests = Digests { md5, ..none },
        kind::UNCERTAIN_MD5 => said.uncertain = Digests { md5, ..none },
        kind::SHA256_AT_REST => said.digests = Digests { sha256, ..none },
        kind::SHA1_AT_REST => said.digests = Digests { sha1, ..none },
        kind::REFUSED => (said.refused, said.at_rest) = (true, false),
        _ => {}
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(size: u64) -> Reported {
        Reported { size: Some(size), ..Reported::default() }
    }

    #[test]
    fn everything_that_a_row_can_say_is_kept() {
        let md5 = Digests { md5: Some([1; 16]), ..Digests::default() };
        let sha1 = Digests { sha1: Some([2; 20]), ..Digests::default() };
        let sha256 = Digests { sha256: Some([3; 32]), ..Digests::default() };
        let at_rest = |digests| Reported { digests, at_rest: true, ..Reported::default() };
        for said in [
            Reported::default(),
            sized(0),
            Reported { digests: md5, ..sized(5) },
            Reported { uncertain: md5, ..sized(5) },
            at_rest(md5),
            at_rest(sha1),
            at_rest(sha256),
            at_rest(Digests::default()),
            Reported { refused: true, ..Reported::default() },
        ] {
            assert_eq!(super::said(&entry([7; HASH], &said)), said);
        }
    }

    #[test]
    fn objects_are_found_in_memory_and_in_a_file_in_any_order() {
        for room in [10_000, 100, 0] {
            let mut builder = IndexBuilder::with_room(room);
            for number in (0..5_000_u64).rev() {
                builder.add(&format!("path/{number}"), &sized(number)).unwrap();
            }
            let index = builder.finish().unwrap();
            assert_eq!(index.objects(), 5_000, "{room}");
            for number in 0..5_000 {
                assert_eq!(index.get(&format!("path/{number}")).unwrap(), Some(sized(number)), "{room}");
            }
            for number in 5_000..6_000 {
                assert_eq!(index.get(&format!("path/{number}")).unwrap(), None, "{room}");
            }
            let all = index.get_all(["path/7", "path/5000", "path/0"]).unwrap();
            assert_eq!(all, [Some(sized(7)), None, Some(sized(0))], "{room}");
        }
    }

    #[test]
    fn what_is_said_twice_counts_once_and_contradictions_as_refused() {
        for room in [10, 0] {
            let mut builder = IndexBuilder::with_room(room);
            for (path, size) in [("a", 1), ("b", 1), ("a", 1), ("b", 2), ("b", 3)] {
                builder.add(path, &sized(size)).unwrap();
            }
            let index = builder.finish().unwrap();
            assert_eq!(index.objects(), 2);
            assert_eq!(index.get("a").unwrap(), Some(sized(1)));
            assert!(index.get("b").unwrap().unwrap().refused);
        }
    }

    #[test]
    fn an_empty_report_has_nothing() {
        let index = IndexBuilder::default().finish().unwrap();
        assert_eq!((index.objects(), index.get("a").unwrap()), (0, None));
    }
}
