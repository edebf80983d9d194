//! Objects in a file each, which is named after the object's id.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use stocktake_content::num::{narrow, widen};

use super::inflate::{Inflated, Inflater, ObjectError};
use super::kind::{Kind, links};
use crate::context::Buffer;
use crate::error::ReadError;
use crate::file::{EntryKind, FileIdentity, OpenFile};
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::pipeline::Pipeline;
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// Files up to this many bytes are gathered in a buffer; larger ones are checked chunk by chunk.
const SMALL: u64 = 64 * 1024;

/// The most files in a buffer.
const MAX_FILES: usize = 256;

/// What is known of the loose objects of a folder.
#[derive(Debug, Default)]
pub(crate) struct LooseObjects {
    /// The bit of each one's type.
    pub(super) kinds: HashMap<ObjectId, u8>,
    /// The objects that they name, with the bits of the types that these have to have. Only if it was asked for.
    pub(super) links: HashMap<ObjectId, u8>,
}

/// Reads every loose object and compares it with its name; with `parents`, notes what each names.
pub(super) fn check(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: ObjectFormat,
    parents: Option<&Arc<Parents>>,
) -> Result<LooseObjects, ReadError> {
    let mut subfolders = reader.entries(folder, b"")?.unwrap_or_default();
    subfolders.retain(|entry| entry.kind == EntryKind::Folder && entry.name.len() == 2);
    if subfolders.is_empty() {
        return Ok(LooseObjects::default());
    }
    let (parents, found) = (parents.cloned(), LooseObjects::default());
    let mut objects = LooseReader {
        reader,
        folder,
        checker: Pipeline::new(Checker {
            inflater: Inflater::new(format, parents.is_some()),
            format,
            parents,
            found,
            damaged: None,
        }),
        buffer: reader.take_buffer(),
        parts: Vec::new(),
    };
    for subfolder in subfolders {
        let mut entries = reader.entries(folder, &subfolder.name)?.unwrap_or_default();
        // Roughly the order in which they lie on the disk.
        entries.sort_unstable_by_key(|entry| entry.inode);
        for entry in entries {
            // Files that git is still writing have other names.
            let hex = [subfolder.name.as_ref(), &entry.name].concat();
            if let Some(id) = format.parse(&hex) {
                objects = objects.read(id)?;
            }
        }
    }
    objects = objects.submit()?;
    reader.keep_buffer(objects.buffer);
    objects.checker.finish(reader)?.result(reader, folder)
}

/// Reads one object: its type and, unless it is a blob, its content.
pub(super) fn read(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: ObjectFormat,
    id: &ObjectId,
) -> Result<(Kind, Option<Vec<u8>>), ReadError> {
    let name = id.loose_path();
    let file = reader.open(folder, &name)?.ok_or(ReadError::Changed)?;
    let mut inflater = Inflater::new(format, true);
    let (mut buffer, mut offset) = (reader.take_buffer(), 0);
    let damaged = |error| reader.damaged(folder, &name, file.identity, error);
    while offset < file.size {
        let wanted = widen(reader.step()).min(file.size - offset);
        reader.wait_for_rate(wanted)?;
        buffer.clear();
        let read = reader.read_at(&file, offset, &mut buffer, narrow(wanted));
        let read = widen(read.map_err(|error| folder.refused(&name, error))?);
        if read < wanted {
            return Err(ReadError::Changed);
        }
        inflater.update(buffer.filled()).map_err(damaged)?;
        offset += read;
    }
    reader.keep_buffer(buffer);
    let object = inflater.finish(format).map_err(damaged)?;
    Ok((object.kind, object.content))
}

/// An object in the buffer.
struct Part {
    id: ObjectId,
    identity: FileIdentity,
    range: Range<usize>,
}

/// Checks objects on the hashing threads.
struct Checker {
    inflater: Inflater,
    format: ObjectFormat,
    parents: Option<Arc<Parents>>,
    found: LooseObjects,
    /// The first object that is damaged.
    damaged: Option<(ObjectId, FileIdentity, ObjectError)>,
}

/// Reads objects, and has them checked.
struct LooseReader<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    checker: Pipeline<Checker>,
    buffer: Buffer,
    parts: Vec<Part>,
}

impl LooseReader<'_> {
    fn read(mut self, id: ObjectId) -> Result<Self, ReadError> {
        let name = id.loose_path();
        // If it has vanished, it is in a pack now.
        let Some(file) = self.reader.open(self.folder, &name)? else { return Ok(self) };
        if file.size > SMALL {
            return self.submit()?.stream(id, &name, &file);
        }
        if widen(self.buffer.remaining()) < file.size || self.parts.len() == MAX_FILES {
            self = self.submit()?;
        }
        self.reader.wait_for_rate(file.size)?;
        let begin = self.buffer.filled().len();
        let read = self.reader.read_at(&file, 0, &mut self.buffer, narrow(file.size));
        let read = read.map_err(|error| self.folder.refused(&name, error))?;
        self.parts.push(Part { id, identity: file.identity, range: begin..begin + read });
        Ok(self)
    }

    /// Has the gathered objects checked.
    fn submit(self) -> Result<Self, ReadError> {
        if self.parts.is_empty() {
            return Ok(self);
        }
        let parts = self.parts;
        let (checker, buffer) = self.checker.push(self.reader, self.buffer, move |checker, bytes| {
            for part in parts {
                checker.begin();
                checker.update(bytes.get(part.range).unwrap_or_default(), part.id, part.identity);
                checker.end(part.id, part.identity);
            }
        })?;
        Ok(Self { checker, buffer, parts: Vec::new(), ..self })
    }

    /// Has a large object checked chunk by chunk.
    fn stream(mut self, id: ObjectId, name: &[u8], file: &OpenFile) -> Result<Self, ReadError> {
        let (identity, mut offset) = (file.identity, 0);
        while offset < file.size {
            let wanted = widen(self.reader.step()).min(file.size - offset);
            self.reader.wait_for_rate(wanted)?;
            let read = self.reader.read_at(file, offset, &mut self.buffer, narrow(wanted));
            let read = widen(read.map_err(|error| self.folder.refused(name, error))?);
            if read < wanted {
                return Err(ReadError::Changed);
            }
            let is_first = offset == 0;
            offset += read;
            let is_last = offset == file.size;
            (self.checker, self.buffer) =
                self.checker.push(self.reader, self.buffer, move |checker, bytes| {
                    if is_first {
                        checker.begin();
                    }
                    checker.update(bytes, id, identity);
                    if is_last {
                        checker.end(id, identity);
                    }
                })?;
        }
        Ok(self)
    }
}

impl Checker {
    fn begin(&mut self) {
        self.inflater.reset(self.format);
    }

    fn update(&mut self, bytes: &[u8], id: ObjectId, identity: FileIdentity) {
        if self.damaged.is_none() {
            self.damaged = self.inflater.update(bytes).err().map(|error| (id, identity, error));
        }
    }

    fn end(&mut self, id: ObjectId, identity: FileIdentity) {
        if self.damaged.is_none() {
            let added = self.inflater.finish(self.format).and_then(|object| self.add(id, &object));
            self.damaged = added.err().map(|error| (id, identity, error));
        }
    }

    fn add(&mut self, id: ObjectId, object: &Inflated) -> Result<(), ObjectError> {
        if object.id != id {
            return Err("its content is not what its name says");
        }
        self.found.kinds.insert(id, object.kind.bit());
        let (Some(parents), Some(content)) = (&self.parents, &object.content) else { return Ok(()) };
        links(object.kind, content, self.format, parents.of(&id), &mut |link| {
            *self.found.links.entry(link.id).or_default() |= link.kind.bit();
            Ok(())
        })
    }

    /// Fails if an object is damaged.
    fn result(self, reader: &RepoReader<'_>, folder: &RepoFolder) -> Result<LooseObjects, ReadError> {
        let Some((id, identity, error)) = self.damaged else { return Ok(self.found) };
        Err(reader.damaged(folder, &id.loose_path(), identity, error))
    }
}
