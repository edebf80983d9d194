//! The index of a worktree: the objects that are staged in it. Git keeps them, though no ref may reach them.
//!
//! The format is in git's `Documentation/gitformat-index`: a header, an entry for each file, and extensions, of which
//! those matter that name objects: the trees of folders that were not changed, the sides of conflicts that were
//! resolved, and another index (`sharedindex.<checksum>`) that this one builds on.

mod bitmap;
mod content;

use super::kind::Kind;
use super::root::{Root, RootVisitor};
use super::{delta, trailer};
use crate::error::ReadError;
use crate::file::OpenFile;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use bitmap::Bitmap;
use content::{CUT_SHORT, Content};

const MAGIC: &[u8] = b"DIRC";

/// What is known of the file before the id in an entry, and where the mode is in it.
const STAT_BYTES: usize = 40;
const MODE: usize = 24;

/// The bit of the flags that says that there are more of them, and the bits of the length of the name.
const EXTENDED: u16 = 0x4000;
const NAME_LENGTH: u16 = 0x0fff;

/// The bits of the mode that are the type of a file.
const FILE_TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const SUBMODULE: u32 = 0o160_000;

/// Visits the objects that the index of this path names. There need not be an index.
pub(crate) fn visit(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    path: &[u8],
    format: ObjectFormat,
    visitor: &mut RootVisitor<'_>,
) -> Result<(), ReadError> {
    let index = Index { reader, repository, path, format };
    let Some(file) = index.open()? else { return Ok(()) };
    let mut content = index.entries(&file, &mut || true, visitor)?;
    let Some(Base { checksum, deleted, replaced }) = index.extensions(&mut content, visitor)? else {
        return Ok(());
    };
    let name = format!("sharedindex.{checksum}").into_bytes();
    let folder = path.iter().rposition(|byte| *byte == b'/').and_then(|end| path.get(..=end));
    // Beside the index, or in the repository's folder.
    let beside = [folder.unwrap_or_default(), &name].concat();
    let path = if reader.kind(repository, &beside)?.is_some() { &beside } else { &name };
    let base = Index { reader, repository, path, format };
    let Some(file) = base.open()? else {
        return Err(repository.suspect(path, "is not there, though an index builds on it"));
    };
    if base.checksum(&file)? != Some(checksum) {
        return Err(repository.suspect(path, "not the index that another one builds on"));
    }
    let (mut deleted, mut replaced) = (deleted.bits(), replaced.bits());
    // Each bitmap has a bit for each entry.
    base.entries(&file, &mut || !(deleted.next_bit() | replaced.next_bit()), visitor).map(drop)
}

/// What an index says of one that it builds on.
struct Base {
    checksum: ObjectId,
    deleted: Bitmap,
    replaced: Bitmap,
}

impl Base {
    fn read(content: &mut Content<'_>, end: u64) -> Result<Option<Self>, ReadError> {
        let checksum = content.id()?;
        if checksum.is_null() || content.left() <= end {
            return Ok(None);
        }
        let (deleted, replaced) = (Bitmap::read(content, end)?, Bitmap::read(content, end)?);
        Ok(Some(Self { checksum, deleted, replaced }))
    }
}

struct Index<'a> {
    reader: &'a RepoReader<'a>,
    repository: &'a RepoFolder,
    path: &'a [u8],
    format: ObjectFormat,
}

impl Index<'_> {
    /// Opens the file, and compares it with the checksum at its end; `None` if there is none.
    fn open(&self) -> Result<Option<OpenFile>, ReadError> {
        let Some(file) = self.reader.open(self.repository, self.path)? else { return Ok(None) };
        // With `index.skipHash` there are zeros in its place.
        if self.checksum(&file)?.is_none_or(|checksum| !checksum.is_null()) {
            trailer::check(self.reader, self.repository, self.path, self.format, &file)?;
        }
        Ok(Some(file))
    }

    /// The checksum at the end, which is also in the name of a shared index.
    fn checksum(&self, file: &OpenFile) -> Result<Option<ObjectId>, ReadError> {
        trailer::id_from_end(self.reader, self.repository, self.path, self.format, file, 1)
    }

    /// Visits the objects of the entries that are kept. Returns what follows the entries.
    fn entries<'file>(
        &'file self,
        file: &'file OpenFile,
        is_kept: &mut dyn FnMut() -> bool,
        visitor: &mut RootVisitor<'_>,
    ) -> Result<Content<'file>, ReadError> {
        let mut content = Content::new(self.reader, self.repository, self.path, self.format, file);
        let magic = content.take(MAGIC.len())?;
        let version = content.number()?;
        if magic != MAGIC || !(2..=4).contains(&version) {
            return Err(content.damaged("not an index of a known version"));
        }
        let mut name = Vec::new();
        for _ in 0..content.number()? {
            let (mode, id) = self.entry(&mut content, version, &mut name)?;
            let kind = match (is_kept(), mode & FILE_TYPE) {
                (false, _) | (true, SUBMODULE) => continue,
                (true, FOLDER) => Kind::Tree,
                (true, _) => Kind::Blob,
            };
            self.root(id, kind, &name, visitor)?;
        }
        Ok(content)
    }

    /// Visits the objects in extensions. Returns what one says of an index that this one builds on.
    fn extensions(
        &self,
        content: &mut Content<'_>,
        visitor: &mut RootVisitor<'_>,
    ) -> Result<Option<Base>, ReadError> {
        let mut base = None;
        while content.left() > 0 {
            let signature = content.take(4)?;
            let length = u64::from(content.number()?);
            let end = content.left().checked_sub(length).ok_or_else(|| content.damaged(CUT_SHORT))?;
            match signature.as_slice() {
                b"TREE" => self.trees(content, end, visitor)?,
                b"REUC" => self.resolved(content, end, visitor)?,
                b"link" => base = Base::read(content, end)?,
                // Those with a capital letter may be passed over; that of sparse indexes says nothing more.
                [b'A'..=b'Z', ..] | b"sdir" => {}
                _ => return Err(content.damaged("it has an extension that is not known")),
            }
            content.skip_to(end)?;
        }
        Ok(base)
    }

    fn root(
        &self,
        id: ObjectId,
        kind: Kind,
        path: &[u8],
        visitor: &mut RootVisitor<'_>,
    ) -> Result<(), ReadError> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        visitor(Root { name: self.path.to_vec(), id, kind: Some(kind), path: path.to_vec() })
    }

    /// The mode and the id of the next entry; its name replaces the one before, on which it may build.
    fn entry(
        &self,
        content: &mut Content<'_>,
        version: u32,
        name: &mut Vec<u8>,
    ) -> Result<(u32, ObjectId), ReadError> {
        let fixed = STAT_BYTES + self.format.bytes() + 2;
        let head = content.take(fixed)?;
        let id = head.get(STAT_BYTES..fixed - 2).and_then(|id| self.format.id(id));
        let id = id.ok_or_else(|| content.damaged(CUT_SHORT))?;
        let mode = head.get(MODE..).map_or(0, stocktake_content::num::big_endian);
        let flags = head.last_chunk().map_or(0, |flags| u16::from_be_bytes(*flags));
        let is_extended = version > 2 && flags & EXTENDED != 0;
        if is_extended {
            content.take(2)?;
        }
        if version == 4 {
            let (stripped, length) = {
                let mut rest = content.peek(16)?;
                let before = rest.len();
                (delta::distance(&mut rest), before - rest.len())
            };
            let kept = stripped.and_then(|stripped| name.len().checked_sub(usize::try_from(stripped).ok()?));
            name.truncate(kept.ok_or_else(|| content.damaged("a name builds on more than there is"))?);
            content.take(length)?;
            name.extend(content.text()?);
            return Ok((mode, id));
        }
        *name = content.text()?;
        let said = usize::from(flags & NAME_LENGTH);
        if said != name.len().min(usize::from(NAME_LENGTH)) {
            return Err(content.damaged("a name is not as long as it says"));
        }
        // Zeros follow up to the next multiple of eight bytes; the first one ended the name.
        let length = fixed + if is_extended { 2 } else { 0 } + name.len();
        content.take((length + 8) / 8 * 8 - length - 1)?;
        Ok((mode, id))
    }

    /// The trees of folders whose files are all as in the index.
    fn trees(
        &self,
        content: &mut Content<'_>,
        end: u64,
        visitor: &mut RootVisitor<'_>,
    ) -> Result<(), ReadError> {
        // The paths of the folders that are read, each with the folders in it that are still to come.
        let mut open: Vec<(Vec<u8>, u64)> = Vec::new();
        while content.left() > end {
            let mut path = open.last().map_or_else(Vec::new, |(path, _)| path.clone());
            path.extend(content.text()?);
            let entries = content.decimal(b' ')?;
            let folders = content.decimal(b'\n')?;
            // A negative number marks a folder that has changed.
            if entries >= 0 {
                let id = content.id()?;
                self.root(id, Kind::Tree, &path, visitor)?;
            }
            if let Some((_, left)) = open.last_mut() {
                *left = left.saturating_sub(1);
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            open.push((path, folders.unsigned_abs()));
            while open.last().is_some_and(|(_, left)| *left == 0) {
                open.pop();
            }
        }
        Ok(())
    }

    /// The sides of conflicts that were resolved.
    fn resolved(
        &self,
        content: &mut Content<'_>,
        end: u64,
        visitor: &mut RootVisitor<'_>,
    ) -> Result<(), ReadError> {
        while content.left() > end {
            let path = content.text()?;
            let mut sides = 0;
            for _ in 0..3 {
                let mode = content.text()?;
                sides += usize::from(mode.iter().any(|digit| *digit != b'0'));
            }
            for _ in 0..sides {
                let id = content.id()?;
                self.root(id, Kind::Blob, &path, visitor)?;
            }
        }
        Ok(())
    }
}
