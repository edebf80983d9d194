//! The refs of a repository in the order of their names.
//!
//! A repository has its refs in files (each in one of its own, or many in `packed-refs`; the own file wins), or in
//! reftables.

use crate::config::{Format, RefStorage};
use crate::error::ReadError;
use crate::file::EntryKind;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use loose::{Names, Value};
use name::MAX_LINKS;
use packed::Packed;

mod loose;
mod name;
mod packed;
mod reflog;
mod reftable;

pub(crate) use name::{Ref, RefVisitor};
pub(crate) use reflog::visit as visit_logs;

pub(crate) const HEAD: &[u8] = b"HEAD";

/// What `HEAD` leads to, unless it contains an object id.
pub(crate) const BRANCHES: &[u8] = b"refs/heads/";
const NO_BRANCH: &str = "it names no branch";

/// Visits each ref in the byte order of the names. `HEAD` comes first, if it resolves to an object.
pub(crate) fn visit(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: Format,
    visitor: &mut RefVisitor<'_>,
) -> Result<(), ReadError> {
    match format.refs {
        RefStorage::Files => RefFiles { reader, folder, format: format.objects }.visit(visitor),
        RefStorage::Reftable => reftable::visit(reader, folder, format.objects, visitor),
    }
}

/// Fails unless git takes this for a repository's `HEAD`, of one that is a symbolic link and says this: any other link, even
/// one to a file that could be a `HEAD`, makes the folder no repository.
pub(crate) fn check_head_link(folder: &RepoFolder, target: &[u8]) -> Result<(), ReadError> {
    if target.starts_with(BRANCHES) { Ok(()) } else { Err(folder.suspect(HEAD, NO_BRANCH)) }
}

/// The object in the file of a `HEAD`; `None` if it names a branch.
pub(crate) fn detached(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    name: &[u8],
    format: ObjectFormat,
) -> Result<Option<ObjectId>, ReadError> {
    match loose::read(reader, folder, format, name)? {
        Some(Value::Id(id)) => Ok(Some(id)),
        Some(Value::Symbolic(target)) if target.starts_with(BRANCHES) => Ok(None),
        Some(Value::Symbolic(_)) => Err(folder.suspect(name, NO_BRANCH)),
        None => Err(folder.suspect(name, "is not there")),
    }
}

/// Whether one reading shows the refs as they were at one moment.
pub(crate) fn is_snapshot(format: Format) -> bool {
    format.refs == RefStorage::Reftable
}

/// Refs in files.
struct RefFiles<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    format: ObjectFormat,
}

impl RefFiles<'_> {
    /// Visits each ref. If git writes meanwhile, they need not be as they were at one moment.
    fn visit(&self, visitor: &mut RefVisitor<'_>) -> Result<(), ReadError> {
        // Opened before the folders are read: if a ref moves into it meanwhile, it is replaced by another file.
        let mut packed = Packed::open(self.reader, self.folder, self.format)?;
        let head = loose::read(self.reader, self.folder, self.format, HEAD)?;
        let head = head.ok_or_else(|| self.folder.suspect(HEAD, "is not there"))?;
        if matches!(&head, Value::Symbolic(target) if !target.starts_with(BRANCHES)) {
            return Err(self.folder.suspect(HEAD, NO_BRANCH));
        }
        if let Some(id) = self.resolve(HEAD, head)? {
            visitor(Ref { name: HEAD.to_vec(), id, peeled: None })?;
        }
        let mut names = Names::new(self.reader, self.folder)?;
        let mut next = packed.next()?;
        while let Some(name) = names.next()? {
            while let Some(before) = next.take_if(|next| next.name < name) {
                visitor(before)?;
                next = packed.next()?;
            }
            // If it has vanished meanwhile, it was deleted or packed.
            let Some(value) = loose::read(self.reader, self.folder, self.format, &name)? else { continue };
            // A link that leads to no file is a ref to those who ask for it by its name, and is in no list.
            if matches!(value, Value::Symbolic(_)) && self.reader.kind(self.folder, &name)?.is_none() {
                continue;
            }
            if next.as_ref().is_some_and(|next| next.name == name) {
                next = packed.next()?;
            }
            if let Some(id) = self.resolve(&name, value)? {
                visitor(Ref { name, id, peeled: None })?;
            }
        }
        while let Some(rest) = next {
            visitor(rest)?;
            next = packed.next()?;
        }
        if packed.is_current()? { Ok(()) } else { Err(ReadError::Changed) }
    }

    /// The object that a ref leads to; `None` if the last ref does not exist, like the branch of an empty repository.
    fn resolve(&self, name: &[u8], mut value: Value) -> Result<Option<ObjectId>, ReadError> {
        for _ in 0..=MAX_LINKS {
            let target = match value {
                Value::Id(id) => return Ok(Some(id)),
                Value::Symbolic(target) => target,
            };
            match self.find(&target)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Err(self.folder.suspect(name, "too many symbolic refs behind each other"))
    }

    fn find(&self, name: &[u8]) -> Result<Option<Value>, ReadError> {
        // There may be an empty folder of this name, left by a branch in it, even if the ref is packed.
        let is_folder = self.reader.kind(self.folder, name)? == Some(EntryKind::Folder);
        let own = if is_folder { None } else { loose::read(self.reader, self.folder, self.format, name)? };
        if own.is_some() {
            return Ok(own);
        }
        let packed = Packed::open(self.reader, self.folder, self.format)?.find(name)?;
        Ok(packed.map(|packed| Value::Id(packed.id)))
    }
}
