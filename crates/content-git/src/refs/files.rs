//! Refs in files: each in one of its own, or many in `packed-refs`; the own file counts before the other.

use super::loose::{self, Names, Value};
use super::packed::Packed;
use super::{Ref, Tell};
use crate::id::ObjectFormat;
use crate::visit::{Halt, Kind, Place, Visit};

const HEAD: &[u8] = b"HEAD";

/// How many symbolic refs are followed, as in git.
const MOST_LINKS: usize = 5;

/// Tells of each ref. What is told need not be how the refs were at one moment, should git write meanwhile.
pub(super) fn each(
    visit: &Visit<'_>,
    place: &Place,
    format: ObjectFormat,
    tell: &mut Tell<'_>,
) -> Result<(), Halt> {
    let files = Files { visit, place, format };
    // Opened before the folders are read: should a ref move into it meanwhile, it is another file then.
    let mut packed = Packed::open(visit, place, format)?;
    let head = loose::read(visit, place, format, HEAD)?;
    let head = head.ok_or_else(|| place.suspect(HEAD, "is not there"))?;
    if let Some(id) = files.resolve(HEAD, head)? {
        tell(Ref { name: HEAD.to_vec(), id, peeled: None })?;
    }
    let mut names = Names::new(visit, place)?;
    let mut next = packed.next()?;
    while let Some(name) = names.next()? {
        while let Some(before) = next.take_if(|next| next.name < name) {
            tell(before)?;
            next = packed.next()?;
        }
        // One that has gone meanwhile was deleted or packed.
        let Some(value) = loose::read(visit, place, format, &name)? else { continue };
        if next.as_ref().is_some_and(|next| next.name == name) {
            next = packed.next()?;
        }
        if let Some(id) = files.resolve(&name, value)? {
            tell(Ref { name, id, peeled: None })?;
        }
    }
    while let Some(rest) = next {
        tell(rest)?;
        next = packed.next()?;
    }
    if packed.is_current()? { Ok(()) } else { Err(Halt::Changed) }
}

struct Files<'a> {
    visit: &'a Visit<'a>,
    place: &'a Place,
    format: ObjectFormat,
}

impl Files<'_> {
    /// The object at the end; `None` if the last ref is not there, as the branch of an empty repository.
    fn resolve(&self, name: &[u8], mut value: Value) -> Result<Option<crate::id::ObjectId>, Halt> {
        for _ in 0..=MOST_LINKS {
            let target = match value {
                Value::Id(id) => return Ok(Some(id)),
                Value::Symbolic(target) => target,
            };
            match self.read(&target)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Err(self.place.suspect(name, "too many symbolic refs behind each other"))
    }

    fn read(&self, name: &[u8]) -> Result<Option<Value>, Halt> {
        // An empty folder may be left where a branch was, or lie in the way of a packed one.
        let is_folder = self.visit.kind(self.place, name)? == Some(Kind::Folder);
        let own = if is_folder { None } else { loose::read(self.visit, self.place, self.format, name)? };
        if own.is_some() {
            return Ok(own);
        }
        let packed = Packed::open(self.visit, self.place, self.format)?.find(name)?;
        Ok(packed.map(|packed| Value::Id(packed.id)))
    }
}
