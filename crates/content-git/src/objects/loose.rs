//! Objects in a file each, which is named by the object's id.

use std::ops::Range;

use super::broken;
use super::inflate::{Fault, Inflater};
use crate::beside::Beside;
use crate::id::{ObjectFormat, ObjectId};
use crate::num::{narrow, widen};
use crate::visit::{Buffer, Halt, Identity, Kind, Opened, Place, Visit};

/// Files up to this many bytes are gathered; larger ones go piece by piece.
const SMALL: u64 = 64 * 1024;

/// The most files that are gathered.
const BATCH: usize = 256;

/// Reads every loose object and compares it with its name.
pub(super) fn check(visit: &Visit<'_>, place: &Place, format: ObjectFormat) -> Result<(), Halt> {
    let mut folders = visit.entries(place, b"")?.unwrap_or_default();
    folders.retain(|entry| entry.kind == Kind::Folder && entry.name.len() == 2);
    if folders.is_empty() {
        return Ok(());
    }
    let mut round = Round {
        visit,
        place,
        work: Beside::new(Work { inflater: Inflater::new(format), format, fault: None }),
        buffer: visit.take_buffer(),
        parts: Vec::new(),
    };
    for folder in folders {
        let mut entries = visit.entries(place, &folder.name)?.unwrap_or_default();
        // About in the order in which they lie on the disk.
        entries.sort_unstable_by_key(|entry| entry.inode);
        for entry in entries {
            // Files that are being written have other names.
            let hex = [folder.name.as_ref(), &entry.name].concat();
            if let Some(id) = format.parse(&hex) {
                round = round.read(id)?;
            }
        }
    }
    round = round.hand_over()?;
    visit.keep_buffer(round.buffer);
    round.work.finish(visit)?.told(visit, place)
}

/// An object in the buffer.
struct Part {
    id: ObjectId,
    identity: Identity,
    range: Range<usize>,
}

/// What is done on the hashing threads.
struct Work {
    inflater: Inflater,
    format: ObjectFormat,
    /// The first object that is broken.
    fault: Option<(ObjectId, Identity, Fault)>,
}

struct Round<'a> {
    visit: &'a Visit<'a>,
    place: &'a Place,
    work: Beside<Work>,
    buffer: Buffer,
    parts: Vec<Part>,
}

impl Round<'_> {
    fn read(mut self, id: ObjectId) -> Result<Self, Halt> {
        let name = id.loose_path();
        // What has gone is in a pack now.
        let Some(file) = self.visit.open(self.place, &name)? else { return Ok(self) };
        if file.size > SMALL {
            return self.hand_over()?.stream(id, &name, &file);
        }
        if widen(self.buffer.room()) < file.size || self.parts.len() == BATCH {
            self = self.hand_over()?;
        }
        self.visit.wait_for_turn(file.size)?;
        let begin = self.buffer.filled().len();
        let read = self.visit.read_at(&file, 0, &mut self.buffer, narrow(file.size));
        let read = read.map_err(|error| self.place.refused(&name, error))?;
        self.parts.push(Part { id, identity: file.identity, range: begin..begin + read });
        Ok(self)
    }

    /// Has what was gathered checked.
    fn hand_over(self) -> Result<Self, Halt> {
        if self.parts.is_empty() {
            return Ok(self);
        }
        let parts = self.parts;
        let (work, buffer) = self.work.push(self.visit, self.buffer, move |work, bytes| {
            for part in parts {
                work.begin();
                work.update(bytes.get(part.range).unwrap_or_default(), part.id, part.identity);
                work.end(part.id, part.identity);
            }
        })?;
        Ok(Self { work, buffer, parts: Vec::new(), ..self })
    }

    /// Has a large file checked piece by piece.
    fn stream(mut self, id: ObjectId, name: &[u8], file: &Opened) -> Result<Self, Halt> {
        let (identity, mut offset) = (file.identity, 0);
        while offset < file.size {
            let wanted = widen(self.visit.step()).min(file.size - offset);
            self.visit.wait_for_turn(wanted)?;
            let read = self.visit.read_at(file, offset, &mut self.buffer, narrow(wanted));
            let read = widen(read.map_err(|error| self.place.refused(name, error))?);
            if read < wanted {
                return Err(Halt::Changed);
            }
            let is_first = offset == 0;
            offset += read;
            let is_last = offset == file.size;
            (self.work, self.buffer) = self.work.push(self.visit, self.buffer, move |work, bytes| {
                if is_first {
                    work.begin();
                }
                work.update(bytes, id, identity);
                if is_last {
                    work.end(id, identity);
                }
            })?;
        }
        Ok(self)
    }
}

impl Work {
    fn begin(&mut self) {
        self.inflater.reset(self.format);
    }

    fn update(&mut self, bytes: &[u8], id: ObjectId, identity: Identity) {
        if self.fault.is_none() {
            self.fault = self.inflater.update(bytes).err().map(|fault| (id, identity, fault));
        }
    }

    fn end(&mut self, id: ObjectId, identity: Identity) {
        if self.fault.is_none() {
            let fault = match self.inflater.finish(self.format) {
                Ok(found) if found == id => None,
                Ok(_) => Some("its content is not what its name says"),
                Err(fault) => Some(fault),
            };
            self.fault = fault.map(|fault| (id, identity, fault));
        }
    }

    /// Tells of the object that is broken.
    fn told(self, visit: &Visit<'_>, place: &Place) -> Result<(), Halt> {
        let Some((id, identity, fault)) = self.fault else { return Ok(()) };
        Err(broken(visit, place, &id.loose_path(), identity, fault))
    }
}
