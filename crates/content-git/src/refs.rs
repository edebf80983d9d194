//! The refs of a repository, sorted by name.

use crate::config::{Format, RefStorage};
use crate::id::ObjectId;
use crate::visit::{Halt, Place, Visit};

mod files;
mod loose;
mod name;
mod packed;
mod reftable;

/// A ref with the object it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) name: Vec<u8>,
    /// The object; of a symbolic ref the one at its end.
    pub(crate) id: ObjectId,
    /// What an annotated tag points to in the end, where the repository notes it.
    pub(crate) peeled: Option<ObjectId>,
}

/// What is told of each ref. Returning an error ends the reading.
pub(crate) type Tell<'a> = dyn FnMut(Ref) -> Result<(), Halt> + 'a;

/// Tells of each ref in the byte order of the names; `HEAD` comes first, if it resolves.
pub(crate) fn each(
    visit: &Visit<'_>,
    place: &Place,
    format: Format,
    tell: &mut Tell<'_>,
) -> Result<(), Halt> {
    match format.refs {
        RefStorage::Files => files::each(visit, place, format.objects, tell),
        RefStorage::Reftable => reftable::each(visit, place, format.objects, tell),
    }
}

/// Whether one reading shows the refs as they were at one moment.
pub(crate) fn is_snapshot(format: Format) -> bool {
    format.refs == RefStorage::Reftable
}
