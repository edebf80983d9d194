//! An object of a pack.

use stocktake_content::num::widen;

use crate::id::{ObjectFormat, ObjectId};
use crate::objects::delta::Copied;
use crate::objects::entries::Entries;
use crate::objects::kind::{self, Kind, Link, Malformed};

/// An object with what it contains.
pub(in crate::objects) struct Object {
    pub(in crate::objects) kind: Kind,
    pub(in crate::objects) content: Vec<u8>,
    /// Of a tree that is not malformed.
    entries: Option<Entries>,
}

impl Object {
    /// An object that was kept as a whole.
    pub(in crate::objects) fn new(kind: Kind, content: Vec<u8>, format: ObjectFormat) -> Self {
        let entries = if kind == Kind::Tree { Entries::of(&content, format) } else { None };
        Self { kind, content, entries }
    }

    /// An object that was kept as a delta on this base.
    pub(super) fn on(base: &Self, content: Vec<u8>, copies: &[Copied], format: ObjectFormat) -> Self {
        let entries = match &base.entries {
            Some(entries) => entries.changed(&base.content, &content, copies, format),
            None if base.kind == Kind::Tree => Entries::of(&content, format),
            None => None,
        };
        Self { kind: base.kind, content, entries }
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries.as_ref().map_or(0, Entries::bytes);
        size_of::<Self>() + self.content.capacity() + entries
    }

    /// Calls `visitor` for each object that this one names, but for those that the object which it builds on names in the
    /// same entry of a tree. `parents`, if given, count instead of a commit's own.
    pub(in crate::objects) fn visit_links<E: From<Malformed>>(
        &self,
        format: ObjectFormat,
        parents: Option<&[ObjectId]>,
        visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.entries {
            Some(entries) => entries.visit_added(&self.content, format, visitor),
            None => kind::links(self.kind, &self.content, format, parents, visitor),
        }
    }

    /// The number of bytes of the content.
    pub(super) fn size(&self) -> u64 {
        widen(self.content.len())
    }
}
